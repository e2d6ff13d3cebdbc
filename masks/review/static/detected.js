// Detected boxes: a threshold slider and chips on stored scores; the server answers with the mask of what is on.

/** Bind the section. `propose(numbers, last)` asks for a mask; `showBoxes` draws outlines over the picture. */
export class Detected {
  constructor(section, { propose, showBoxes }) {
    this.section = section;
    this.slider = section.querySelector("input");
    this.chips = section.querySelector("[data-chips]");
    this.output = section.querySelector("output");
    this.propose = propose;
    this.showBoxes = showBoxes;
    this.boxes = [];
    this.over = null;
  }

  /** Take what the server said: {boxes, lowest, threshold}; `used`: the mask shown was made of boxes. */
  fill({ boxes, lowest, threshold }, used) {
    this.boxes = boxes.map((box) => ({ ...box, on: false }));
    const best = boxes.length ? Math.max(...boxes.map((box) => box.score)) : 1;
    this.slider.min = lowest;
    this.slider.max = Math.min(1, Math.ceil(best * 20 + 0.5) / 20);
    this.slider.value = threshold ?? Math.max(lowest, best - 0.01);
    this.slider.disabled = !boxes.length;
    this.chips.replaceChildren(...this.boxes.map((box, number) => this.chip(box, number)));
    this.section.querySelector("[data-empty]").hidden = boxes.length > 0;
    if (used) this.above(Number(this.slider.value));
    this.bind();
    this.show();
  }

  bind() {
    this.slider.addEventListener("input", () => {
      this.above(Number(this.slider.value));
      this.changed(false);
    });
    this.slider.addEventListener("change", () => this.changed(true));
    const outline = (on) => () => {
      this.inside = on;
      this.outline();
    };
    this.section.addEventListener("pointerenter", outline(true));
    this.section.addEventListener("pointerleave", outline(false));
    this.section.addEventListener("focusin", outline(true));
    this.section.addEventListener("focusout", outline(false));
  }

  chip(box, number) {
    const chip = Object.assign(document.createElement("button"), { type: "button", className: "chip box" });
    chip.append(box.unwanted ? `not ${box.phrase} ` : `${box.phrase} `);
    chip.append(Object.assign(document.createElement("span"), { textContent: box.score.toFixed(2) }));
    chip.dataset.unwanted = box.unwanted;
    chip.addEventListener("click", () => this.toggle(number));
    chip.addEventListener("pointerenter", () => this.point(number));
    chip.addEventListener("pointerleave", () => this.point(null));
    box.chip = chip;
    return chip;
  }

  /** Switch on what scores above a threshold, and the rest off. */
  above(threshold) {
    for (const box of this.boxes) box.on = box.score > threshold;
    this.show();
  }

  toggle(number) {
    const box = this.boxes[number];
    if (!box) return;
    box.on = !box.on;
    this.show();
    this.changed(true);
  }

  point(number) {
    this.over = number;
    this.outline();
  }

  changed(last) {
    const numbers = this.boxes.flatMap((box, number) => (box.on ? [number] : []));
    this.propose(numbers, last);
  }

  show() {
    this.output.textContent = Number(this.slider.value).toFixed(2);
    for (const box of this.boxes) box.chip.setAttribute("aria-pressed", String(box.on));
    this.outline();
  }

  outline() {
    const shown = this.boxes.filter((box, number) => (this.over === null ? box.on : this.over === number));
    const drawn = this.inside || this.over !== null ? shown : [];
    this.showBoxes(drawn.map((box) => ({ ...box, label: `${box.phrase} ${box.score.toFixed(2)}` })));
  }
}

/** Calls `work` with the newest arguments, one call at a time: what comes while it is busy waits, the newest only. */
export function newestOnly(work) {
  let busy = false, waiting = null;
  return async function call(...given) {
    waiting = given;
    if (busy) return;
    busy = true;
    try {
      while (waiting) {
        const next = waiting;
        waiting = null;
        await work(...next);
      }
    } finally {
      busy = false;
    }
  };
}
