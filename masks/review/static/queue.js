// The queue: move with J and K, open with Enter, take a verdict back with its button or U.
import { bindKeys } from "./keys.js";
import { bindReviewer, reopen, showLeftNotice } from "./talk.js";

const cards = [...document.querySelectorAll("[data-card]")];

function move(step) {
  if (!cards.length) return;
  const here = cards.findIndex((card) => card.contains(document.activeElement));
  const next = cards[Math.min(cards.length - 1, Math.max(0, here < 0 ? 0 : here + step))];
  next.querySelector("[data-open]").focus();
  next.scrollIntoView({ block: "nearest" });
}

function open() {
  const card = cards.find((one) => one.contains(document.activeElement)) ?? cards[0];
  card?.querySelector("[data-open]").click();
}

bindReviewer();
const undo = showLeftNotice();
for (const button of document.querySelectorAll("[data-reopen]")) {
  button.addEventListener("click", () => reopen(button.dataset.reopen));
}
bindKeys({
  j: () => move(1), ArrowDown: () => move(1), k: () => move(-1), ArrowUp: () => move(-1),
  Enter: open, o: open, u: () => undo?.(),
});
