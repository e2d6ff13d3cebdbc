// The easel: canvases, viewport, tools, undo. Knows the mask, not the server.
import { Display, MODES } from "./display.js";
import { drawMarks } from "./marks.js";
import * as edges from "./edges.js";
import { History } from "./history.js";
import { tidy } from "./parts.js";
import { bindPointer } from "./pointer.js";
import { combine, fillOutline, paintSegment, union } from "./strokes.js";
import { centred, fit, toPicture, zoom, zoomTo } from "./viewport.js";

export class Easel {
  constructor(canvas, cursor, photo, mask, settings, { onChange, onPick, locked }) {
    this.canvas = canvas;
    this.cursor = cursor;
    this.mask = mask;
    this.picture = { width: mask.width, height: mask.height };
    this.settings = settings;
    this.display = new Display(canvas, photo, mask);
    this.history = new History();
    this.onChange = onChange;
    this.onPick = onPick;
    this.marks = { boxes: [], clicks: [] };
    this.locked = locked;
    this.tool = "brush";
    this.peeking = false;
    this.refit = true;
    this.look = bindPointer(cursor, this);
    new ResizeObserver(() => this.resize()).observe(canvas.parentElement);
    this.resize();
  }

  // Looking

  screen() {
    return { width: this.canvas.width, height: this.canvas.height };
  }

  resize() {
    const box = this.canvas.parentElement.getBoundingClientRect();
    const density = window.devicePixelRatio || 1;
    for (const canvas of [this.canvas, this.cursor]) {
      canvas.width = Math.max(1, Math.round(box.width * density));
      canvas.height = Math.max(1, Math.round(box.height * density));
    }
    if (this.refit) this.view = fit(this.picture, this.screen());
    this.draw();
  }

  show() {
    this.refit = false;
    if (this.pending) return;
    this.pending = requestAnimationFrame(() => this.draw());
  }

  draw() {
    this.pending = null;
    const value = (name) => this.settings.get(name);
    const mode = this.peeking ? "photo" : value("mode");
    this.display.draw(this.view, { mode, color: value("color"), opacity: value("opacity"), outside: value("outside") });
    drawMarks(this.canvas.getContext("2d"), this.view, this.marks);
    const { scale, x, y } = this.view;
    Object.assign(this.canvas.dataset, { scale, x, y }); // for whoever measures the page
    const meaning = document.querySelector("#meaning");
    meaning.textContent = mode !== "tint" ? "" : value("outside") ? "left out of the picture" : "kept";
    meaning.previousElementSibling.style.background = value("color");
    document.querySelector("#zoom").textContent = `${Math.round(scale * 100)} %`;
  }

  fit() {
    this.view = fit(this.picture, this.screen());
    this.show();
    this.refit = true;
  }

  actualSize() {
    const middle = { x: this.canvas.width / 2, y: this.canvas.height / 2 };
    this.view = this.refit ? centred(this.picture, this.screen(), 1) : zoomTo(this.view, middle, 1);
    this.show();
  }

  zoomBy(factor) {
    this.view = zoom(this.view, { x: this.canvas.width / 2, y: this.canvas.height / 2 }, factor);
    this.show();
  }

  nextMode() {
    this.settings.set("mode", MODES[(MODES.indexOf(this.settings.get("mode")) + 1) % MODES.length]);
  }

  peek(on) {
    this.peeking = on;
    this.redraw();
  }

  hover(at, outline) {
    const context = this.cursor.getContext("2d");
    context.clearRect(0, 0, this.cursor.width, this.cursor.height);
    if (!at) return;
    if (outline) drawOutline(context, this.view, outline);
    else if (["brush", "eraser"].includes(this.tool) && this.cursor.dataset.cursor === "paint") {
      drawBrush(context, at, this.brush(), this.view.scale);
    }
    const { x, y } = toPicture(this.view, at);
    const inside = x >= 0 && y >= 0 && x < this.picture.width && y < this.picture.height;
    const level = inside ? this.mask.levels[Math.floor(y) * this.picture.width + Math.floor(x)] : null;
    document.querySelector("#place").textContent = inside
      ? `${Math.floor(x)}, ${Math.floor(y)} · ${Math.round((level / 255) * 100)} %` : "";
  }

  // Painting

  choose(tool) {
    this.tool = tool;
    this.forgetClicks();
    for (const button of document.querySelectorAll("[data-tool]")) {
      button.setAttribute("aria-pressed", String(button.dataset.tool === tool));
    }
    this.look();
    this.hover(null, null);
  }

  brush() {
    const erase = (this.tool === "eraser") !== Boolean(this.turned);
    return { radius: this.settings.get("size") / 2, hardness: this.settings.get("hardness"), erase };
  }

  resizeBrush(factor) {
    const size = this.settings.get("size");
    const next = Math.round(size * factor);
    const moved = next === size ? size + Math.sign(factor - 1) : next;
    this.settings.set("size", Math.min(2000, Math.max(1, moved)));
  }

  /** A click with the picking tool: what lies there is added, or taken away. */
  pick(point, adds) {
    const { x, y } = point;
    if (this.locked || x < 0 || y < 0 || x >= this.picture.width || y >= this.picture.height) return;
    this.marks.clicks.push({ x, y, adds });
    this.redraw();
    this.onPick(this.marks.clicks);
  }

  forgetClicks() {
    if (!this.marks.clicks.length) return;
    this.marks.clicks = [];
    this.redraw();
  }

  /** Show boxes over the picture; an empty list takes them away. */
  showBoxes(boxes) {
    this.marks.boxes = boxes;
    this.redraw();
  }

  redraw() {
    const refit = this.refit;
    this.show();
    this.refit = refit;
  }

  /** Start a change; `turned` makes a brush an eraser and the other way round. False if nothing may be changed. */
  begin(turned = false) {
    if (this.locked) return false;
    if (this.proposing) this.settle();
    this.turned = turned;
    this.before = this.mask.levels.slice();
    this.touched = null;
    return true;
  }

  stroke(from, to) {
    this.touch(paintSegment(this.mask, from, to, this.brush()));
  }

  outline(points) {
    this.touch(fillOutline(this.mask, points, { erase: Boolean(this.turned) }));
  }

  touch(area) {
    if (!area) return;
    this.touched = union(this.touched, area);
    this.display.update(area);
    this.redraw();
  }

  end() {
    const changed = this.touched && this.history.add({ ...this.mask, levels: this.before }, this.mask, this.touched);
    this.before = null;
    this.turned = false;
    if (changed) this.onChange();
  }

  /** A whole-mask operation by its name. */
  apply(name, amount) {
    if (!this.begin()) return;
    this.touch({ ...edges, tidy }[name](this.mask, amount));
    this.end();
  }

  /** Put other levels in the place of all. */
  replace(levels) {
    if (!this.begin()) return;
    this.mask.levels.set(levels);
    this.touch({ x: 0, y: 0, ...this.picture });
    this.end();
  }

  /** Other levels for as long as a slider moves; `settle` makes all of them one step. */
  propose(levels) {
    if (!this.proposing && !this.begin()) return;
    this.proposing = true;
    this.mask.levels.set(levels);
    this.touch({ x: 0, y: 0, ...this.picture });
  }

  settle() {
    if (!this.proposing) return;
    this.proposing = false;
    this.end();
  }

  /** Add a whole mask's levels to these, or take them away. */
  combine(levels, adds) {
    if (!this.begin()) return;
    this.touch(combine(this.mask, levels, { erase: !adds }));
    this.end();
  }

  undo() {
    this.settle();
    this.forgetClicks();
    this.step(this.history.undo(this.mask));
  }

  redo() {
    this.settle();
    this.forgetClicks();
    this.step(this.history.redo(this.mask));
  }

  step(area) {
    if (!area) return;
    this.touch(area);
    this.onChange();
  }
}

function drawBrush(context, at, { radius, hardness, erase }, scale) {
  for (const [width, color] of [[3, "rgba(0,0,0,.55)"], [1.4, erase ? "#ffd4d4" : "#fff"]]) {
    context.lineWidth = width;
    context.strokeStyle = color;
    circle(context, at, radius * scale);
    if (hardness < 0.95 && radius * scale > 12) {
      context.globalAlpha = 0.5;
      circle(context, at, radius * hardness * scale);
      context.globalAlpha = 1;
    }
  }
}

function circle(context, at, radius) {
  context.beginPath();
  context.arc(at.x, at.y, Math.max(1, radius), 0, 2 * Math.PI);
  context.stroke();
}

function drawOutline(context, view, points) {
  context.beginPath();
  for (const { x, y } of points) context.lineTo(x * view.scale + view.x, y * view.scale + view.y);
  context.closePath();
  for (const [width, color] of [[3, "rgba(0,0,0,.55)"], [1.4, "#fff"]]) {
    context.lineWidth = width;
    context.strokeStyle = color;
    context.stroke();
  }
}
