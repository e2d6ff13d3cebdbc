// What is drawn over the picture: detected boxes with their words, and clicks.

const WANTED = "#0ea5e9", UNWANTED = "#f43f5e", ADDS = "#22c55e", REMOVES = "#f43f5e";

/** `marks` is {boxes: [{box: [x0, y0, x1, y1], label, unwanted, on}], clicks: [{x, y, adds}]}, in picture pixels. */
export function drawMarks(context, view, { boxes, clicks }) {
  const density = window.devicePixelRatio || 1;
  for (const one of boxes) drawBox(context, view, one, density);
  for (const click of clicks) drawClick(context, view, click, density);
}

function drawBox(context, view, { box, label, unwanted, on }, density) {
  const [x0, y0, x1, y1] = box;
  const left = x0 * view.scale + view.x, top = y0 * view.scale + view.y;
  const width = (x1 - x0) * view.scale, height = (y1 - y0) * view.scale;
  const color = unwanted ? UNWANTED : WANTED;
  context.save();
  context.globalAlpha = on ? 1 : 0.75;
  context.setLineDash(on ? [] : [5 * density, 4 * density]);
  for (const [line, stroke] of [[4, "rgba(0,0,0,.45)"], [2, color]]) {
    context.lineWidth = line * density;
    context.strokeStyle = stroke;
    context.strokeRect(left, top, width, height);
  }
  context.font = `600 ${12 * density}px system-ui, sans-serif`;
  const room = context.measureText(label).width + 12 * density;
  context.fillStyle = color;
  context.fillRect(left - density, top - 19 * density, room, 19 * density);
  context.fillStyle = "#fff";
  context.fillText(label, left + 5 * density, top - 5.5 * density);
  context.restore();
}

function drawClick(context, view, { x, y, adds }, density) {
  const at = [x * view.scale + view.x, y * view.scale + view.y];
  context.save();
  context.beginPath();
  context.arc(...at, 7 * density, 0, 2 * Math.PI);
  context.fillStyle = adds ? ADDS : REMOVES;
  context.fill();
  context.lineWidth = 2 * density;
  context.strokeStyle = "#fff";
  context.stroke();
  context.beginPath();
  context.moveTo(at[0] - 3.5 * density, at[1]);
  context.lineTo(at[0] + 3.5 * density, at[1]);
  if (adds) {
    context.moveTo(at[0], at[1] - 3.5 * density);
    context.lineTo(at[0], at[1] + 3.5 * density);
  }
  context.stroke();
  context.restore();
}
