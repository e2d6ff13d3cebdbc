// Whole-mask operations: grow, shrink, feather, invert, small parts. Pure, like strokes.js; each returns what it changed.

/** Grow the subject by `px` pixels, soft edges kept. The structuring element is an octagon, close to a disc. */
export function grow(mask, px) {
  return spread(mask, px, Math.max);
}

/** Shrink the subject by `px` pixels. Where the picture's frame cuts it, it stays. */
export function shrink(mask, px) {
  return spread(mask, px, Math.min);
}

/**
 * Soften the edge by a Gaussian of `px` standard deviation; from `BOXES_FROM` on by three box filters, which come
 * close to one and whose cost does not grow with it (Wells, 1986).
 */
export function feather(mask, px) {
  const area = subjectArea(mask, Math.ceil(px * 4));
  if (!area || px <= 0) return null;
  const along = px < BOXES_FROM ? gaussian(px) : boxes(px);
  const { width, height } = area;
  const rows = along(Float32Array.from(read(mask, area)), width, height);
  const values = transpose(along(transpose(rows, width, height), height, width), height, width);
  write(mask, area, Uint8Array.from(values, (value) => Math.floor(value + 0.5)));
  return area;
}

const BOXES_FROM = 5;

/** Subject to background and back. */
export function invert(mask) {
  for (let i = 0; i < mask.levels.length; i++) mask.levels[i] = 255 - mask.levels[i];
  return whole(mask);
}

/** Fill holes and remove specks of fewer than `pixels` pixels. Soft edges of what stays are kept. */
export function tidy(mask, pixels) {
  const solid = Uint8Array.from(mask.levels, (level) => (level >= 128 ? 1 : 0));
  const seen = new Uint8Array(solid.length);
  const queue = new Int32Array(solid.length);
  let changed = false;
  for (let start = 0; start < solid.length; start++) {
    if (seen[start]) continue;
    const { size, framed } = flood(mask, solid, seen, queue, start);
    // Background that reaches the frame is no hole.
    if (size >= pixels || (framed && !solid[start])) continue;
    changed = true;
    const part = queue.slice(0, size);
    for (const at of part) mask.levels[at] = solid[start] ? 0 : 255;
    if (solid[start]) clearFringe(mask, part);
  }
  return changed ? whole(mask) : null;
}

/** The rectangle of all levels above 0, with a margin; null for an empty mask. */
export function subjectArea(mask, margin) {
  const { levels, width, height } = mask;
  let left = width, right = -1, top = -1, bottom = -1;
  for (let y = 0; y < height; y++) {
    const row = levels.subarray(y * width, (y + 1) * width);
    let first = 0;
    while (first < width && !row[first]) first++;
    if (first === width) continue;
    let last = width - 1;
    while (!row[last]) last--;
    if (top < 0) top = y;
    bottom = y;
    left = Math.min(left, first);
    right = Math.max(right, last);
  }
  if (bottom < 0) return null;
  const x = Math.max(0, left - margin), y = Math.max(0, top - margin);
  return { x, y, width: Math.min(width, right + 1 + margin) - x, height: Math.min(height, bottom + 1 + margin) - y };
}

/** The levels in a rectangle, row by row. */
export function read(mask, area) {
  const values = new Uint8Array(area.width * area.height);
  for (let y = 0; y < area.height; y++) {
    const from = (area.y + y) * mask.width + area.x;
    values.set(mask.levels.subarray(from, from + area.width), y * area.width);
  }
  return values;
}

/** Put levels back that `read` took. */
export function write(mask, area, values) {
  for (let y = 0; y < area.height; y++) {
    mask.levels.set(values.subarray(y * area.width, (y + 1) * area.width), (area.y + y) * mask.width + area.x);
  }
}

function whole(mask) {
  return { x: 0, y: 0, width: mask.width, height: mask.height };
}

function spread(mask, px, pick) {
  const area = subjectArea(mask, px + 1);
  if (!area || px < 1) return null;
  let values = read(mask, area);
  // A square after every cross: the sum of both is an octagon.
  for (let step = 0; step < px; step++) values = step % 2 ? square(values, area, pick) : cross(values, area, pick);
  write(mask, area, values);
  return area;
}

function cross(values, { width, height }, pick) {
  const out = new Uint8Array(values.length);
  for (let y = 0; y < height; y++) {
    const up = Math.max(0, y - 1) * width, row = y * width, down = Math.min(height - 1, y + 1) * width;
    for (let x = 0; x < width; x++) {
      const sides = pick(values[row + Math.max(0, x - 1)], values[row + Math.min(width - 1, x + 1)]);
      out[row + x] = pick(pick(values[up + x], values[down + x]), pick(values[row + x], sides));
    }
  }
  return out;
}

function square(values, { width, height }, pick) {
  const along = new Uint8Array(values.length), out = new Uint8Array(values.length);
  for (let y = 0; y < height; y++) {
    const row = y * width;
    for (let x = 0; x < width; x++) {
      const sides = pick(values[row + Math.max(0, x - 1)], values[row + Math.min(width - 1, x + 1)]);
      along[row + x] = pick(values[row + x], sides);
    }
  }
  for (let y = 0; y < height; y++) {
    const up = Math.max(0, y - 1) * width, row = y * width, down = Math.min(height - 1, y + 1) * width;
    for (let x = 0; x < width; x++) out[row + x] = pick(along[row + x], pick(along[up + x], along[down + x]));
  }
  return out;
}

function gaussian(sigma) {
  const reach = Math.ceil(3 * sigma);
  const weights = Array.from({ length: 2 * reach + 1 }, (_, i) => Math.exp(-((i - reach) ** 2) / (2 * sigma * sigma)));
  const total = weights.reduce((sum, weight) => sum + weight);
  return (values, width, height) => {
    const out = new Float32Array(values.length);
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        let sum = 0;
        for (let i = -reach; i <= reach; i++) {
          sum += weights[i + reach] * values[y * width + Math.min(width - 1, Math.max(0, x + i))];
        }
        out[y * width + x] = sum / total;
      }
    }
    return out;
  };
}

function boxes(sigma) {
  return (values, width, height) =>
    boxWidths(sigma).reduce((before, wide) => boxAlongRows(before, width, height, (wide - 1) / 2), values);
}

function boxWidths(sigma) {
  const ideal = Math.sqrt((12 * sigma * sigma) / 3 + 1);
  let low = Math.floor(ideal);
  if (low % 2 === 0) low--;
  const short = Math.round((12 * sigma * sigma - 3 * low * low - 12 * low - 9) / (-4 * low - 4));
  return [0, 1, 2].map((i) => (i < short ? low : low + 2));
}

function boxAlongRows(values, width, height, half) {
  const out = new Float32Array(values.length);
  for (let y = 0; y < height; y++) {
    const row = y * width;
    const at = (x) => values[row + Math.min(width - 1, Math.max(0, x))];
    let sum = 0;
    for (let x = -half; x <= half; x++) sum += at(x);
    for (let x = 0; x < width; x++) {
      out[row + x] = sum / (2 * half + 1);
      sum += at(x + half + 1) - at(x - half);
    }
  }
  return out;
}

function transpose(values, width, height) {
  const out = new Float32Array(values.length);
  for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) out[x * height + y] = values[y * width + x];
  return out;
}

/** Put the connected part of `start` into the queue, mark it seen, and say how large it is. */
function flood({ width, height }, solid, seen, queue, start) {
  const kind = solid[start];
  let size = 1, framed = false;
  queue[0] = start;
  seen[start] = 1;
  for (let i = 0; i < size; i++) {
    const at = queue[i];
    const x = at % width, y = (at - x) / width;
    framed ||= x === 0 || y === 0 || x === width - 1 || y === height - 1;
    if (x > 0) visit(at - 1);
    if (x < width - 1) visit(at + 1);
    if (y > 0) visit(at - width);
    if (y < height - 1) visit(at + width);
  }
  return { size, framed };

  function visit(at) {
    if (seen[at] || solid[at] !== kind) return;
    seen[at] = 1;
    queue[size++] = at;
  }
}

/** A speck's own soft edge goes with it. */
function clearFringe(mask, part) {
  const { levels, width, height } = mask;
  let edge = part;
  for (let reach = 0; reach < 4; reach++) {
    const next = [];
    for (const at of edge) {
      const x = at % width, y = (at - x) / width;
      const near = [x > 0 ? at - 1 : at, x < width - 1 ? at + 1 : at, y > 0 ? at - width : at, y < height - 1 ? at + width : at];
      for (const other of near) {
        if (levels[other] > 0 && levels[other] < 128) {
          levels[other] = 0;
          next.push(other);
        }
      }
    }
    edge = next;
  }
}
