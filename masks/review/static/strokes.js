// Brush, eraser and lasso on the levels of a mask. Pure: no page, no canvas.
//
// A mask is {levels: Uint8Array, width, height}, row by row, 255 on the subject. Points are in picture pixels; the
// centre of the first pixel is (0.5, 0.5). Each function changes the levels and returns the rectangle that it may have
// changed, {x, y, width, height}, or null.

/** How much of a pixel at `distance` from its centre a brush covers, in 0…1. Hardness 1 is an antialiased disc. */
export function coverage(distance, radius, hardness) {
  const ramp = Math.max(1, radius * (1 - hardness));
  const t = (radius + 0.5 - distance) / ramp;
  if (t <= 0) return 0;
  return t >= 1 ? 1 : t * t * (3 - 2 * t);
}

/**
 * One straight piece of a stroke. Pieces may overlap: the strongest coverage counts, so a slow hand paints like a
 * quick one. `brush` is {radius, hardness, erase}.
 */
export function paintSegment(mask, from, to, brush) {
  const { radius, hardness, erase } = brush;
  const reach = radius + 1;
  const area = clip(mask, Math.min(from.x, to.x) - reach, Math.min(from.y, to.y) - reach,
    Math.max(from.x, to.x) + reach, Math.max(from.y, to.y) + reach);
  if (!area) return null;
  const dx = to.x - from.x, dy = to.y - from.y;
  const length2 = dx * dx + dy * dy;
  for (let y = area.y; y < area.y + area.height; y++) {
    for (let x = area.x; x < area.x + area.width; x++) {
      const px = x + 0.5 - from.x, py = y + 0.5 - from.y;
      const along = length2 === 0 ? 0 : Math.min(1, Math.max(0, (px * dx + py * dy) / length2));
      const ox = px - along * dx, oy = py - along * dy;
      const level = Math.floor(255 * coverage(Math.sqrt(ox * ox + oy * oy), radius, hardness) + 0.5);
      if (level) put(mask.levels, y * mask.width + x, level, erase);
    }
  }
  return area;
}

/** Fill the closed outline through `points` (even-odd), antialiased by four lines a pixel. */
export function fillOutline(mask, points, { erase }) {
  if (points.length < 3) return null;
  const xs = points.map((point) => point.x), ys = points.map((point) => point.y);
  const area = clip(mask, Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys));
  if (!area) return null;
  const row = new Float64Array(area.width);
  for (let y = area.y; y < area.y + area.height; y++) {
    row.fill(0);
    for (let line = 0; line < LINES; line++) addSpans(row, area, crossings(points, y + (line + 0.5) / LINES));
    for (let i = 0; i < area.width; i++) {
      const level = Math.floor(255 * Math.min(1, row[i]) + 0.5);
      if (level) put(mask.levels, y * mask.width + area.x + i, level, erase);
    }
  }
  return area;
}

/** Add another mask's levels, or take them away: the stronger counts, as with a brush. */
export function combine(mask, levels, { erase }) {
  let left = mask.width, right = -1, top = -1, bottom = -1;
  for (let y = 0, at = 0; y < mask.height; y++) {
    for (let x = 0; x < mask.width; x++, at++) {
      if (!levels[at]) continue;
      put(mask.levels, at, levels[at], erase);
      if (x < left) left = x;
      if (x > right) right = x;
      if (top < 0) top = y;
      bottom = y;
    }
  }
  return bottom < 0 ? null : { x: left, y: top, width: right + 1 - left, height: bottom + 1 - top };
}

/** The smallest rectangle that holds both; either may be null. */
export function union(one, other) {
  if (!one || !other) return one ?? other;
  const x = Math.min(one.x, other.x), y = Math.min(one.y, other.y);
  const right = Math.max(one.x + one.width, other.x + other.width);
  const bottom = Math.max(one.y + one.height, other.y + other.height);
  return { x, y, width: right - x, height: bottom - y };
}

const LINES = 4;

function put(levels, at, level, erase) {
  levels[at] = erase ? Math.min(levels[at], 255 - level) : Math.max(levels[at], level);
}

function clip(mask, left, top, right, bottom) {
  const x = Math.max(0, Math.floor(left)), y = Math.max(0, Math.floor(top));
  const width = Math.min(mask.width, Math.ceil(right)) - x;
  const height = Math.min(mask.height, Math.ceil(bottom)) - y;
  return width > 0 && height > 0 ? { x, y, width, height } : null;
}

function crossings(points, y) {
  const found = [];
  for (let i = 0; i < points.length; i++) {
    const a = points[i], b = points[(i + 1) % points.length];
    if (a.y <= y !== b.y <= y) found.push(a.x + ((y - a.y) / (b.y - a.y)) * (b.x - a.x));
  }
  return found.sort((one, other) => one - other);
}

function addSpans(row, area, found) {
  for (let i = 0; i + 1 < found.length; i += 2) {
    const left = Math.max(0, found[i] - area.x), right = Math.min(area.width, found[i + 1] - area.x);
    for (let x = Math.floor(left); x < right; x++) {
      row[x] += (Math.min(right, x + 1) - Math.max(left, x)) / LINES;
    }
  }
}
