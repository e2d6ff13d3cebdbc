// Whole-mask operations: grow, shrink, feather, invert. Pure, like strokes.js; each returns what it changed.

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
  byTiles(mask, area, Math.ceil(px * 4) + 3, (levels, { width, height }) => {
    const rows = along(Float32Array.from(levels), width, height);
    const values = transpose(along(transpose(rows, width, height), height, width), height, width);
    return Uint8Array.from(values, (value) => Math.floor(value + 0.5));
  });
  return area;
}

const BOXES_FROM = 5;

/** Subject to background and back. */
export function invert(mask) {
  for (let i = 0; i < mask.levels.length; i++) mask.levels[i] = 255 - mask.levels[i];
  return whole(mask);
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
  byTiles(mask, area, px, (levels, tile) => {
    let values = levels;
    // A square after every cross: the sum of both is an octagon.
    for (let step = 0; step < px; step++) values = step % 2 ? square(values, tile, pick) : cross(values, tile, pick);
    return values;
  });
  return area;
}

/**
 * Filter the levels in `area` tile by tile. `reach` is how far a level may look; tiles that are of one level as far as
 * that stay as they are, so the work follows the edge and not the photo.
 */
function byTiles(mask, area, reach, filter) {
  const before = { ...mask, levels: mask.levels.slice() };
  for (let y = area.y; y < area.y + area.height; y += TILE_PX) {
    for (let x = area.x; x < area.x + area.width; x += TILE_PX) {
      const inner = {
        x, y, width: Math.min(TILE_PX, area.x + area.width - x), height: Math.min(TILE_PX, area.y + area.height - y),
      };
      const left = Math.max(0, x - reach), top = Math.max(0, y - reach);
      const outer = {
        x: left, y: top,
        width: Math.min(mask.width, x + inner.width + reach) - left,
        height: Math.min(mask.height, y + inner.height + reach) - top,
      };
      const levels = read(before, outer);
      if (levels.every((level) => level === levels[0])) continue;
      const tile = { ...outer, levels: filter(levels, outer) };
      write(mask, inner, read(tile, { ...inner, x: x - left, y: y - top }));
    }
  }
}

const TILE_PX = 128;

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
