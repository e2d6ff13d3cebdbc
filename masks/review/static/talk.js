// Talking to the server, and telling the reviewer: requests, names, notices.

/** Send a request; resolves to the answer, throws an Error with the server's words and its `status`. */
export async function ask(method, url, body, headers = {}) {
  const binary = body instanceof Blob;
  const kind = binary ? body.type || "application/octet-stream" : "application/json";
  const answer = await fetch(url, {
    method,
    body: binary || method === "GET" ? body : JSON.stringify(body ?? {}),
    headers: method === "GET" ? headers : { "content-type": kind, ...headers },
  }).catch(() => {
    throw new Error("The page's server does not answer. Start it again with `make review`, then try again.");
  });
  if (answer.ok) return answer;
  const said = await answer.json().catch(() => ({}));
  throw Object.assign(new Error(said.error ?? `The server said ${answer.status}.`), { status: answer.status });
}

/** As `ask`, for answers in JSON. */
export async function send(...request) {
  return (await ask(...request)).json().catch(() => ({}));
}

/** Who reviews; empty for the server's own choice. */
export function reviewer() {
  return localStorage.getItem("seamline.reviewer") ?? "";
}

/** Let the field in the page's head set the name. */
export function bindReviewer() {
  const field = document.querySelector("#reviewer");
  if (!field) return;
  field.value = reviewer();
  field.addEventListener("change", () => localStorage.setItem("seamline.reviewer", field.value.trim()));
}

/** Show words at the foot of the page for some seconds; `kind` is "fine" or "bad", bad ones stay until closed. */
export function notice(words, { kind = "fine", action = null } = {}) {
  const place = document.querySelector("#notices");
  const box = document.createElement("div");
  box.className = `notice ${kind}`;
  box.append(Object.assign(document.createElement("span"), { textContent: words }));
  if (action) {
    const button = Object.assign(document.createElement("button"), { type: "button", textContent: action.label });
    button.addEventListener("click", action.run);
    box.append(button);
  }
  const close = Object.assign(document.createElement("button"), { type: "button", textContent: "×", className: "close" });
  close.setAttribute("aria-label", "Close this notice");
  close.addEventListener("click", () => box.remove());
  box.append(close);
  place.replaceChildren(box);
  if (kind !== "bad") setTimeout(() => box.remove(), 8000);
}

/** Keep a notice for the next page: after a verdict the page moves on. */
export function noticeForNext(words, reopen) {
  sessionStorage.setItem("seamline.notice", JSON.stringify({ words, reopen }));
}

/** Show what the last page left, with its Undo; returns the function that undoes, or null. */
export function showLeftNotice() {
  const left = JSON.parse(sessionStorage.getItem("seamline.notice") ?? "null");
  sessionStorage.removeItem("seamline.notice");
  if (!left) return null;
  const undo = left.reopen ? () => reopen(left.reopen) : null;
  notice(left.words, { action: undo && { label: "Undo (U)", run: undo } });
  return undo;
}

/** Take a verdict back and open the item again. */
export async function reopen(url) {
  try {
    await send("POST", `${url}/reopen`, { by: reviewer() });
    location.assign(url);
  } catch (error) {
    notice(error.message, { kind: "bad" });
  }
}
