// The hand on the canvas: strokes, outlines, moving and zooming. Tells the editor what was done, in picture pixels.
import { pan, toPicture, zoom } from "./viewport.js";

/**
 * Listen on the upper canvas. `editor` has view, picture, screen(), tool, brush(), and takes begin(), stroke(from, to),
 * outline(points), end(), pick(point, adds), show(), hover(point).
 */
export function bindPointer(canvas, editor) {
  let held = null; // {kind: "stroke" | "outline" | "pan", last, points}
  let space = false;

  const at = (event) => {
    const box = canvas.getBoundingClientRect();
    const density = canvas.width / box.width;
    return { x: (event.clientX - box.left) * density, y: (event.clientY - box.top) * density };
  };

  canvas.addEventListener("pointerdown", (event) => {
    if (held || event.button > (editor.tool === "pick" ? 2 : 1)) return;
    canvas.setPointerCapture(event.pointerId);
    canvas.focus();
    const here = at(event);
    if (space || event.button === 1 || editor.tool === "hand") {
      held = { kind: "pan", last: here };
      event.preventDefault();
    } else if (editor.tool === "pick") {
      editor.pick(toPicture(editor.view, here), event.button !== 2 && !event.altKey && !event.ctrlKey);
    } else if (editor.begin(event.altKey)) {
      const point = toPicture(editor.view, here);
      held = editor.tool === "lasso" ? { kind: "outline", points: [point] } : { kind: "stroke", last: point };
      if (held.kind === "stroke") editor.stroke(point, point);
    }
    look();
  });

  canvas.addEventListener("pointermove", (event) => {
    // A quick hand moves several times between two frames; the browser keeps the places in between.
    const moves = event.getCoalescedEvents?.() ?? [];
    for (const move of moves.length ? moves : [event]) follow(at(move));
    editor.hover(at(event), held?.kind === "outline" ? held.points : null);
  });

  function follow(here) {
    if (!held) return;
    const point = toPicture(editor.view, here);
    if (held.kind === "pan") {
      editor.view = pan(editor.view, here.x - held.last.x, here.y - held.last.y, editor.picture, editor.screen());
      held.last = here;
      editor.show();
    } else if (held.kind === "stroke") {
      editor.stroke(held.last, point);
      held.last = point;
    } else {
      held.points.push(point);
    }
  }

  function release() {
    if (!held) return;
    const ended = held;
    held = null;
    if (ended.kind === "outline") editor.outline(ended.points);
    if (ended.kind !== "pan") editor.end();
    look();
  }
  canvas.addEventListener("pointerup", release);
  canvas.addEventListener("pointercancel", release);
  canvas.addEventListener("pointerleave", () => held || editor.hover(null, null));
  canvas.addEventListener("contextmenu", (event) => event.preventDefault());

  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    const lines = event.deltaMode === 1 ? 16 : 1;
    const factor = Math.exp(-(event.deltaY || event.deltaX) * lines * 0.0016);
    if (event.shiftKey) editor.resizeBrush(factor);
    else editor.view = zoom(editor.view, at(event), factor);
    editor.show();
    editor.hover(at(event), null);
  }, { passive: false });

  document.addEventListener("keydown", (event) => {
    if (event.key !== " " || event.target.closest?.("button, input, textarea, select, a, summary, dialog")) return;
    event.preventDefault();
    space = true;
    look();
  });
  document.addEventListener("keyup", (event) => {
    if (event.key !== " ") return;
    space = false;
    look();
  });

  function look() {
    const hand = space || editor.tool === "hand";
    canvas.dataset.cursor = held?.kind === "pan" ? "grabbing" : hand ? "grab" : "paint";
  }
  return look;
}
