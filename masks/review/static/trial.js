// The result before it is decided: this item run by itself, with the mask as it was found and with the reviewer's.
import { send } from "./talk.js";

/** Fill the dialog: `own` says whether there is a painted mask to compare with the found one. */
export async function tryItem(dialog, url, own) {
  dialog.dataset.own = own;
  const figures = Object.fromEntries([...dialog.querySelectorAll("figure")].map((one) => [one.dataset.which, one]));
  for (const figure of Object.values(figures)) clear(figure);
  dialog.showModal();
  // What matters first; the found mask's picture is mostly in the store already.
  for (const which of own ? ["own", "found"] : ["found"]) await fill(figures[which], url, which);
}

function clear(figure) {
  figure.dataset.state = "waiting";
  figure.querySelector("img").removeAttribute("src");
  figure.querySelector("p").textContent = "Working on it…";
}

async function fill(figure, url, which) {
  const words = figure.querySelector("p");
  try {
    const said = await send("POST", `${url}/trial/${which}`, {});
    words.textContent = said.notes.join("; ");
    if (said.picture) figure.querySelector("img").src = `${url}/trial/${which}?at=${Date.now()}`;
    figure.dataset.state = said.picture ? "ready" : "none";
  } catch (error) {
    words.textContent = error.message;
    figure.dataset.state = "none";
  }
}
