// What a reviewer has set: kept in the browser, shown in the panel.

const START = {
  size: 40, hardness: 0.8, mode: "tint", color: "#e0218a", opacity: 0.55, outside: true, edge: 2,
};

/** Settings with their fields in the page. `onChange` is called after each change. */
export class Settings {
  constructor(onChange) {
    this.values = { ...START, ...stored() };
    this.onChange = onChange;
    for (const field of document.querySelectorAll("[data-setting]")) this.bind(field);
    this.show();
  }

  get(name) {
    return this.values[name];
  }

  set(name, value) {
    this.values[name] = value;
    localStorage.setItem("seamline.editor", JSON.stringify(this.values));
    this.show();
    this.onChange(name);
  }

  bind(field) {
    const event = field.type === "radio" || field.type === "checkbox" ? "change" : "input";
    field.addEventListener(event, () => {
      if (field.type === "number" && !field.checkValidity()) return;
      this.set(field.dataset.setting, this.read(field));
    });
  }

  read(field) {
    if (field.type === "checkbox") return field.checked;
    if (field.type === "radio" || field.type === "color") return field.value;
    return field.dataset.scale === "size" ? fromSlider(Number(field.value)) : Number(field.value);
  }

  show() {
    for (const field of document.querySelectorAll("[data-setting]")) {
      const value = this.values[field.dataset.setting];
      if (field.type === "checkbox") field.checked = value;
      else if (field.type === "radio") field.checked = field.value === value;
      else if (field.dataset.scale === "size") field.value = toSlider(value);
      else if (document.activeElement !== field || field.type === "range") field.value = value;
    }
    for (const shown of document.querySelectorAll("[data-shown]")) {
      const value = this.values[shown.dataset.shown];
      shown.textContent = shown.dataset.unit === "%" ? `${Math.round(value * 100)} %` : `${value} px`;
    }
  }
}

/** Brush sizes run from 1 to 2000 px; a slider of equal steps would leave no room for the small ones. */
export function fromSlider(position) {
  return Math.max(1, Math.round(Math.exp((position / 1000) * Math.log(2000))));
}

export function toSlider(size) {
  return Math.round((Math.log(size) / Math.log(2000)) * 1000);
}

function stored() {
  try {
    return JSON.parse(localStorage.getItem("seamline.editor") ?? "{}");
  } catch {
    return {};
  }
}
