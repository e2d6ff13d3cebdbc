// Undo and redo: what a rectangle held before and after. Pure.
import { read, write } from "./edges.js";

/** Steps of one mask. The oldest are forgotten when all together take more than `maxBytes`. */
export class History {
  constructor(maxBytes = 400e6) {
    this.maxBytes = maxBytes;
    this.done = [];
    this.undone = [];
    this.bytes = 0;
  }

  /** Remember a change: `before` is a whole mask as it was, `mask` as it is, `area` where they differ. */
  add(before, mask, area) {
    const step = { area, before: read(before, area), after: read(mask, area) };
    if (same(step.before, step.after)) return false;
    for (const gone of this.undone) this.bytes -= size(gone);
    this.undone = [];
    this.done.push(step);
    this.bytes += size(step);
    while (this.bytes > this.maxBytes && this.done.length > 1) this.bytes -= size(this.done.shift());
    return true;
  }

  /** Take the last change back; returns the rectangle that it touched, or null. */
  undo(mask) {
    const step = this.done.pop();
    if (!step) return null;
    write(mask, step.area, step.before);
    this.undone.push(step);
    return step.area;
  }

  /** Do again what was taken back last. */
  redo(mask) {
    const step = this.undone.pop();
    if (!step) return null;
    write(mask, step.area, step.after);
    this.done.push(step);
    return step.area;
  }
}

function size(step) {
  return step.before.length + step.after.length;
}

function same(one, other) {
  for (let i = 0; i < one.length; i++) if (one[i] !== other[i]) return false;
  return true;
}
