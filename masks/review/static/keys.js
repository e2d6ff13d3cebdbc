// Keyboard: one table of combinations to actions. Keys typed into a field stay in that field.

const TYPED = new Set(["text", "search", "number", "password", "url", "email"]);

/** Whether key presses on this element are text. */
export function isTyping(element) {
  if (!element) return false;
  if (element.isContentEditable || ["TEXTAREA", "SELECT"].includes(element.tagName)) return true;
  return element.tagName === "INPUT" && TYPED.has(element.type);
}

/** `Ctrl+Shift+Z` for an event; Meta counts as Ctrl, letters are lower case, Shift is told for letters only. */
export function combination(event) {
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const shifted = event.shiftKey && (key.length > 1 || /\p{L}/u.test(key));
  return `${event.ctrlKey || event.metaKey ? "Ctrl+" : ""}${shifted ? "Shift+" : ""}${key}`;
}

/** Listen on the document; `table` maps combinations to functions. Returns a function that ends it. */
export function bindKeys(table) {
  function pressed(event) {
    if (event.altKey || event.defaultPrevented || document.querySelector("dialog[open]")) return;
    const said = combination(event);
    if (isTyping(event.target) && !said.startsWith("Ctrl+")) return;
    const action = table[said];
    if (!action) return;
    // Enter and Space press the button that has the focus.
    if (["Enter", " "].includes(event.key) && event.target.closest?.("button, a, summary, label")) return;
    event.preventDefault();
    action(event);
  }
  document.addEventListener("keydown", pressed);
  return () => document.removeEventListener("keydown", pressed);
}
