// Connected parts of a mask, found by the runs of its rows (He, Chao and Suzuki, 2008). Pure.

/** Fill holes and remove specks of fewer than `pixels` pixels. Soft edges of what stays are kept. */
export function tidy(mask, pixels) {
  const runs = findRuns(mask);
  const parts = joinRuns(runs, mask);
  let area = null;
  for (let i = 0; i < runs.length; i++) {
    const part = parts[i], { y, from, to, solid } = runs[i];
    // Background that reaches the frame is no hole.
    if (part.size >= pixels || (part.framed && !solid)) continue;
    mask.levels.fill(solid ? 0 : 255, y * mask.width + from, y * mask.width + to);
    if (solid) clearFringe(mask, runs[i]);
    area = { x: 0, y: 0, width: mask.width, height: mask.height };
  }
  return area;
}

/** Runs of subject (128 and more) and of background, row by row: {y, from, to, solid}, `to` exclusive. */
function findRuns({ levels, width, height }) {
  const runs = [];
  for (let y = 0; y < height; y++) {
    const row = y * width;
    for (let from = 0, to = 1; from < width; from = to++) {
      const solid = levels[row + from] >= 128;
      while (to < width && levels[row + to] >= 128 === solid) to++;
      runs.push({ y, from, to, solid });
    }
  }
  return runs;
}

/** For each run the part that it belongs to: {size, framed}. Runs that share a side are of one part. */
function joinRuns(runs, { width, height }) {
  const parent = Int32Array.from(runs, (_, i) => i);
  const root = (i) => {
    while (parent[i] !== i) i = parent[i] = parent[parent[i]];
    return i;
  };
  for (let i = 0, above = 0; i < runs.length; i++) {
    const run = runs[i];
    while (runs[above].y < run.y - 1 || (runs[above].y === run.y - 1 && runs[above].to <= run.from)) above++;
    for (let j = above; runs[j].y === run.y - 1 && runs[j].from < run.to; j++) {
      if (runs[j].solid === run.solid) parent[root(j)] = root(i);
    }
  }
  const parts = new Map();
  return runs.map(({ y, from, to }, i) => {
    const part = parts.get(root(i)) ?? { size: 0, framed: false };
    parts.set(root(i), part);
    part.size += to - from;
    part.framed ||= y === 0 || y === height - 1 || from === 0 || to === width;
    return part;
  });
}

const FRINGE_PX = 4;

/** A speck's own soft edge goes with it. */
function clearFringe({ levels, width, height }, { y, from, to }) {
  for (let row = Math.max(0, y - FRINGE_PX); row <= Math.min(height - 1, y + FRINGE_PX); row++) {
    for (let x = Math.max(0, from - FRINGE_PX); x < Math.min(width, to + FRINGE_PX); x++) {
      if (levels[row * width + x] < 128) levels[row * width + x] = 0;
    }
  }
}
