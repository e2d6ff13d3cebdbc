// Showing photo and mask: the mask as a tint over the photo, as a cut-out on a backdrop, or alone.

export const MODES = ["tint", "white", "checker", "black", "mask", "photo"];

/** Draws a photo and its mask through a viewport onto a canvas. Full-size pixels are kept once, as canvases. */
export class Display {
  constructor(canvas, photo, mask) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    this.mask = mask;
    this.photos = halvings(photo);
    // White, as opaque as the mask's level.
    this.mattes = halvings(new OffscreenCanvas(mask.width, mask.height));
    this.matteContext = this.mattes[0].getContext("2d");
    this.layer = new OffscreenCanvas(1, 1);
    this.layerContext = this.layer.getContext("2d");
    this.checker = makeChecker();
    this.update({ x: 0, y: 0, width: mask.width, height: mask.height });
  }

  /** Take the levels of a rectangle over from the mask. */
  update(area) {
    const STRIP = 512;
    for (let top = area.y; top < area.y + area.height; top += STRIP) {
      const height = Math.min(STRIP, area.y + area.height - top);
      const pixels = new ImageData(area.width, height);
      const words = new Uint32Array(pixels.data.buffer);
      for (let y = 0, i = 0; y < height; y++) {
        const row = (top + y) * this.mask.width + area.x;
        for (let x = 0; x < area.width; x++, i++) words[i] = ((this.mask.levels[row + x] << 24) | 0xffffff) >>> 0;
      }
      this.matteContext.putImageData(pixels, area.x, top);
    }
    for (let i = 1, part = area; i < this.mattes.length; i++) part = halve(this.mattes[i - 1], this.mattes[i], part);
  }

  /** Draw. `look` is {mode, color, opacity, outside}. */
  draw(view, look) {
    const { canvas, context } = this;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, canvas.width, canvas.height);
    if (look.mode === "mask") {
      this.place(context, view, (on) => on.fillRect(0, 0, this.mask.width, this.mask.height), "#000");
      this.image(context, view, this.mattes);
    } else if (look.mode === "tint") {
      this.image(context, view, this.photos);
      this.tint(view, look);
    } else if (look.mode === "photo") {
      this.image(context, view, this.photos);
    } else {
      this.cutOut(view, look.mode);
    }
  }

  tint(view, look) {
    const layer = this.cleanLayer();
    this.place(layer, view, (on) => on.fillRect(0, 0, this.mask.width, this.mask.height), look.color);
    layer.globalCompositeOperation = look.outside ? "destination-out" : "destination-in";
    this.image(layer, view, this.mattes);
    this.context.setTransform(1, 0, 0, 1, 0, 0);
    this.context.globalAlpha = look.opacity;
    this.context.drawImage(this.layer, 0, 0);
    this.context.globalAlpha = 1;
  }

  cutOut(view, mode) {
    const fill = { white: "#fff", black: "#000" }[mode] ?? this.context.createPattern(this.checker, "repeat");
    const layer = this.cleanLayer();
    this.image(layer, view, this.photos);
    layer.globalCompositeOperation = "destination-in";
    this.image(layer, view, this.mattes);
    this.context.fillStyle = fill;
    const { scale, x, y } = view;
    this.context.fillRect(x, y, this.mask.width * scale, this.mask.height * scale);
    this.context.drawImage(this.layer, 0, 0);
  }

  cleanLayer() {
    this.layer.width = this.canvas.width; // also clears, and resets what was set
    this.layer.height = this.canvas.height;
    return this.layerContext;
  }

  place(context, view, paint, fill) {
    context.setTransform(view.scale, 0, 0, view.scale, view.x, view.y);
    context.fillStyle = fill;
    paint(context);
    context.setTransform(1, 0, 0, 1, 0, 0);
  }

  /** Draw the smallest of a picture's halvings that the screen does not show enlarged. */
  image(context, view, pictures) {
    let step = 0;
    while (step + 1 < pictures.length && view.scale * 2 ** (step + 1) <= 1) step++;
    const picture = pictures[step], scale = view.scale * 2 ** step;
    context.setTransform(scale, 0, 0, scale, view.x, view.y);
    context.imageSmoothingEnabled = view.scale < 2; // near, single pixels are what one wants to see
    context.imageSmoothingQuality = "medium";
    context.drawImage(picture, 0, 0);
    context.setTransform(1, 0, 0, 1, 0, 0);
  }
}

const SMALLEST = 900;

/** A picture, and copies of half the size, a quarter, and so on, for screens that show all of a large one. */
function halvings(picture) {
  const all = [picture];
  while (Math.max(all.at(-1).width, all.at(-1).height) > 2 * SMALLEST) {
    const last = all.at(-1);
    all.push(new OffscreenCanvas(Math.ceil(last.width / 2), Math.ceil(last.height / 2)));
    halve(last, all.at(-1), { x: 0, y: 0, width: last.width, height: last.height });
  }
  return all;
}

/** Bring a rectangle of a picture into its half; returns that rectangle there. */
function halve(from, to, area) {
  const x = Math.max(0, (area.x >> 1) - 1), y = Math.max(0, (area.y >> 1) - 1);
  const width = Math.min(to.width, ((area.x + area.width + 1) >> 1) + 1) - x;
  const height = Math.min(to.height, ((area.y + area.height + 1) >> 1) + 1) - y;
  const context = to.getContext("2d");
  context.imageSmoothingQuality = "medium";
  context.clearRect(x, y, width, height);
  context.drawImage(from, 2 * x, 2 * y, 2 * width, 2 * height, x, y, width, height);
  return { x, y, width, height };
}

function makeChecker(side = 10) {
  const tile = new OffscreenCanvas(2 * side, 2 * side);
  const context = tile.getContext("2d");
  context.fillStyle = "#fff";
  context.fillRect(0, 0, 2 * side, 2 * side);
  context.fillStyle = "#cfcfcf";
  context.fillRect(0, 0, side, side);
  context.fillRect(side, side, side, side);
  return tile;
}
