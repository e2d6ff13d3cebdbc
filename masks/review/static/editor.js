// The editor's page: loads photo and mask, wires keys and buttons, saves, and gives verdicts.
import { Detected, newestOnly } from "./detected.js";
import { Easel } from "./easel.js";
import { bindKeys } from "./keys.js";
import { decodeGrey, encodeGrey } from "./png.js";
import { Settings } from "./settings.js";
import { tryItem } from "./trial.js";
import { ask as request, bindReviewer, notice, noticeForNext, reviewer, send, showLeftNotice } from "./talk.js";

const setup = JSON.parse(document.querySelector("#setup").textContent);
const $ = (selector) => document.querySelector(selector);
let base = setup.base;
let easel = null;
let dirty = false; // painted since the last save
let busy = false;

function tell(state) {
  dirty = state === "unsaved";
  $("#saved").textContent = { unsaved: "Unsaved changes", saved: "Saved as a draft", same: "" }[state];
  $("#saved").dataset.state = state;
  document.title = document.title.replace(/^(• )?/, dirty ? "• " : "");
}

async function loadMask(query = "") {
  const answer = await fetch(`${setup.url}/mask${query}`);
  if (!answer.ok) throw new Error((await answer.json().catch(() => ({}))).error ?? "The mask could not be loaded.");
  return decodeGrey(await answer.blob());
}

async function loadPhoto() {
  const image = $("#photo");
  await image.decode();
  return createImageBitmap(image);
}

/** Run one thing at a time and show its error; resolves to whether it went well. */
async function doing(work) {
  if (busy) return false;
  busy = true;
  document.body.dataset.busy = "";
  try {
    await work();
    return true;
  } catch (error) {
    const action = error.status === 409 ? { label: "Reload", run: () => reload() } : null;
    notice(error.message, { kind: "bad", action });
    return false;
  } finally {
    busy = false;
    delete document.body.dataset.busy;
  }
}

function reload() {
  dirty = false;
  location.reload();
}

async function putMask() {
  const headers = { "if-match": `"${base}"`, "x-reviewer": encodeURIComponent(reviewer()) };
  const said = await send("PUT", `${setup.url}/mask`, await encodeGrey(easel.mask), headers);
  base = said.revision;
  tell("saved");
}

const save = () => dirty && doing(putMask);

async function judge(verdict, more = {}) {
  await doing(async () => {
    if (dirty && verdict !== "redo") await putMask();
    const said = await send("POST", `${setup.url}/verdict`, { verdict, base, by: reviewer(), ...more });
    dirty = false;
    const word = { approved: "approved", edited: "approved with your edits", redo: "sent back", rejected: "rejected" };
    noticeForNext(`${setup.name} ${word[said.verdict]}.`, setup.url);
    location.assign(said.next ?? setup.queue);
  });
}

function ask(name) {
  const dialog = $(`#ask-${name}`);
  dialog.showModal();
  dialog.querySelector("textarea").focus();
}

function bindDialog(name, verdict) {
  const dialog = $(`#ask-${name}`);
  const words = dialog.querySelector("textarea");
  for (const chip of dialog.querySelectorAll("[data-reason]")) {
    chip.addEventListener("click", () => {
      words.value = [words.value.trim(), chip.dataset.reason].filter(Boolean).join("; ");
      words.focus();
    });
  }
  words.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey) return;
    event.preventDefault();
    dialog.querySelector("form").requestSubmit();
  });
  dialog.querySelector("[data-cancel]").addEventListener("click", () => dialog.close());
  dialog.querySelector("form").addEventListener("submit", (event) => {
    event.preventDefault();
    dialog.close();
    judge(verdict, { why: words.value, finder: dialog.querySelector("select")?.value || null });
  });
}

function edgeAmount() {
  return easel.settings.get("edge");
}

const startOver = () => doing(async () => easel.replace((await loadMask("?revision=0")).levels));

const showRevision = (number) => doing(async () => easel.replace((await loadMask(`?revision=${number}`)).levels));

/** A mask that the server makes: of boxes, of clicks, of this mask, of a file. */
async function asked(what, body) {
  const answer = await request("POST", `${setup.url}/${what}`, body);
  return (await decodeGrey(await answer.blob())).levels;
}

/** A fault while a slider moves is told once and changes nothing. */
async function told(work) {
  try {
    await work();
  } catch (error) {
    notice(error.message, { kind: "bad" });
  }
}

const propose = newestOnly((numbers, last) => told(async () => {
  easel.propose(await asked("proposal", { boxes: numbers }));
  if (last) easel.settle();
}));

function pick(clicks) {
  const list = clicks.map(({ x, y, adds }) => [x, y, adds]);
  const { adds } = clicks.at(-1);
  return doing(async () => easel.combine(await asked("click", { clicks: list }), adds));
}

const refine = () => doing(async () => easel.replace(await asked("refine", await encodeGrey(easel.mask))));

async function bindDetected() {
  const section = $("#detected");
  if (!section) return;
  const boxes = new Detected(section, { propose, showBoxes: (shown) => easel.showBoxes(shown) });
  try {
    boxes.fill(await (await request("GET", `${setup.url}/detections`)).json(), setup.byBoxes);
    section.dataset.state = "ready";
  } catch (error) {
    section.dataset.state = "none";
    section.querySelector("[data-told]").textContent = error.message;
  }
}

async function tryOut() {
  if (dirty && setup.open && !(await doing(putMask))) return;
  await tryItem($("#trial"), setup.url, setup.own || base > setup.base);
}

/** Save what is on the screen, so that the file is what is seen. */
async function exportMask(kind) {
  if (dirty && !(await doing(putMask))) return;
  Object.assign(document.createElement("a"), { href: `${setup.url}/export/${kind}`, download: "" }).click();
}

function bindFiles() {
  for (const button of document.querySelectorAll("[data-export]")) {
    button.addEventListener("click", () => exportMask(button.dataset.export));
  }
  $("#import")?.addEventListener("change", ({ target }) => {
    const [file] = target.files;
    target.value = "";
    if (file) doing(async () => easel.replace(await asked("import", file)));
  });
}

const COMMANDS = {
  undo: () => easel.undo(), redo: () => easel.redo(), fit: () => easel.fit(), actual: () => easel.actualSize(),
  closer: () => easel.zoomBy(1.25), farther: () => easel.zoomBy(0.8),
  grow: () => easel.apply("grow", edgeAmount()), shrink: () => easel.apply("shrink", edgeAmount()),
  feather: () => easel.apply("feather", edgeAmount()), tidy: () => easel.apply("tidy", 400),
  invert: () => easel.apply("invert"), over: startOver, save, help: () => $("#help").showModal(),
  refine, try: tryOut,
  approve: () => judge("approved"), "ask-redo": () => ask("redo"), "ask-reject": () => ask("reject"),
};

function bindEverything() {
  for (const button of document.querySelectorAll("[data-tool]")) {
    button.addEventListener("click", () => easel.choose(button.dataset.tool));
  }
  for (const button of document.querySelectorAll("[data-command]")) {
    button.addEventListener("click", () => COMMANDS[button.dataset.command]());
  }
  for (const button of document.querySelectorAll("[data-revision]")) {
    button.addEventListener("click", () => showRevision(button.dataset.revision));
  }
  for (const name of ["#help", "#trial"]) $(`${name} [data-cancel]`)?.addEventListener("click", () => $(name).close());
  $("#trial [data-approve]")?.addEventListener("click", () => $("#trial").close() ?? COMMANDS.approve());
  bindFiles();
  const go = (url) => url && location.assign(url);
  const size = (factor) => () => easel.resizeBrush(factor);
  const hardness = (by) => () =>
    easel.settings.set("hardness", Math.min(1, Math.max(0, Math.round((easel.settings.get("hardness") + by) * 10) / 10)));
  bindKeys({
    b: () => easel.choose("brush"), e: () => easel.choose("eraser"), l: () => easel.choose("lasso"),
    p: () => easel.choose("pick"), h: () => easel.choose("hand"), r: COMMANDS.refine,
    ...($("#trial") ? { y: COMMANDS.try } : {}), "[": size(1 / 1.15), "]": size(1.15), "{": hardness(-0.1), "}": hardness(0.1),
    z: COMMANDS.undo, "Ctrl+z": COMMANDS.undo, "Shift+Z": COMMANDS.redo, "Shift+z": COMMANDS.redo,
    "Ctrl+Shift+z": COMMANDS.redo, "Ctrl+y": COMMANDS.redo, 0: COMMANDS.fit, 1: COMMANDS.actual,
    "+": COMMANDS.closer, "=": COMMANDS.closer, "-": COMMANDS.farther, v: () => easel.nextMode(),
    i: () => easel.settings.set("outside", !easel.settings.get("outside")), c: () => easel.peek(true),
    g: COMMANDS.grow, s: COMMANDS.shrink, f: COMMANDS.feather, t: COMMANDS.tidy, "Ctrl+s": save,
    "?": COMMANDS.help, n: () => go(setup.next), q: () => go(setup.queue),
    u: () => undoVerdict?.(),
    ...(setup.open ? { a: COMMANDS.approve, d: COMMANDS["ask-redo"], x: COMMANDS["ask-reject"] } : {}),
  });
  document.addEventListener("keyup", (event) => event.key.toLowerCase() === "c" && easel.peek(false));
  addEventListener("beforeunload", (event) => dirty && event.preventDefault());
}

let undoVerdict = null;

async function start() {
  bindReviewer();
  undoVerdict = showLeftNotice();
  try {
    const [photo, mask] = await Promise.all([loadPhoto(), loadMask()]);
    const settings = new Settings(() => easel?.show());
    easel = new Easel($("#view"), $("#hand"), photo, mask, settings, {
      onChange: () => tell("unsaved"), onPick: pick, locked: !setup.open,
    });
  } catch (error) {
    $("#stage").dataset.state = "failed";
    notice(`This item cannot be shown: ${error.message}`, { kind: "bad" });
    return;
  }
  for (const [name, verdict] of [["redo", "redo"], ["reject", "rejected"]]) if ($(`#ask-${name}`)) bindDialog(name, verdict);
  bindEverything();
  easel.choose("brush");
  $("#stage").dataset.state = "ready";
  bindDetected();
  if (setup.nextPhoto) new Image().src = setup.nextPhoto; // in the cache when the next item is opened
}

start();
