// The editor's page: loads photo and mask, wires keys and buttons, saves, and gives verdicts.
import { Easel } from "./easel.js";
import { bindKeys } from "./keys.js";
import { decodeGrey, encodeGrey } from "./png.js";
import { Settings } from "./settings.js";
import { bindReviewer, notice, noticeForNext, reviewer, send, showLeftNotice } from "./talk.js";

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

const COMMANDS = {
  undo: () => easel.undo(), redo: () => easel.redo(), fit: () => easel.fit(), actual: () => easel.actualSize(),
  closer: () => easel.zoomBy(1.25), farther: () => easel.zoomBy(0.8),
  grow: () => easel.apply("grow", edgeAmount()), shrink: () => easel.apply("shrink", edgeAmount()),
  feather: () => easel.apply("feather", edgeAmount()), tidy: () => easel.apply("tidy", 400),
  invert: () => easel.apply("invert"), over: startOver, save, help: () => $("#help").showModal(),
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
  $("#help [data-cancel]").addEventListener("click", () => $("#help").close());
  const go = (url) => url && location.assign(url);
  const size = (factor) => () => easel.resizeBrush(factor);
  const hardness = (by) => () =>
    easel.settings.set("hardness", Math.min(1, Math.max(0, Math.round((easel.settings.get("hardness") + by) * 10) / 10)));
  bindKeys({
    b: () => easel.choose("brush"), e: () => easel.choose("eraser"), l: () => easel.choose("lasso"),
    h: () => easel.choose("hand"), "[": size(1 / 1.15), "]": size(1.15), "{": hardness(-0.1), "}": hardness(0.1),
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
      onChange: () => tell("unsaved"), locked: !setup.open,
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
  if (setup.nextPhoto) new Image().src = setup.nextPhoto; // in the cache when the next item is opened
}

start();
