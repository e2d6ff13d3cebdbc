// Showing photo and mask: the mask as a tint over the photo, as a cut-out on a backdrop, or alone.

export const MODES = ["tint", "white", "checker", "black", "mask", "photo"];

/** Draws a photo and its mask through a viewport onto a canvas. Full-size pixels are kept once, as canvases. */
export class Display {
  constructor(canvas, photo, mask) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    this.photo = photo;
    this.mask = mask;
    this.matte = new OffscreenCanvas(mask.width, mask.height); // white, as opaque as the mask's level
    this.matteContext = this.matte.getContext("2d");
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
  }

  /** Draw. `look` is {mode, color, opacity, outside}. */
  draw(view, look) {
    const { canvas, context } = this;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, canvas.width, canvas.height);
    if (look.mode === "mask") {
      this.place(context, view, (on) => on.fillRect(0, 0, this.mask.width, this.mask.height), "#000");
      this.image(context, view, this.matte);
    } else if (look.mode === "tint") {
      this.image(context, view, this.photo);
      this.tint(view, look);
    } else if (look.mode === "photo") {
      this.image(context, view, this.photo);
    } else {
      this.cutOut(view, look.mode);
    }
  }

  tint(view, look) {
    const layer = this.cleanLayer();
    this.place(layer, view, (on) => on.fillRect(0, 0, this.mask.width, this.mask.height), look.color);
    layer.globalCompositeOperation = look.outside ? "destination-out" : "destination-in";
    this.image(layer, view, this.matte);
    this.context.setTransform(1, 0, 0, 1, 0, 0);
    this.context.globalAlpha = look.opacity;
    this.context.drawImage(this.layer, 0, 0);
    this.context.globalAlpha = 1;
  }

  cutOut(view, mode) {
    const fill = { white: "#fff", black: "#000" }[mode] ?? this.context.createPattern(this.checker, "repeat");
    const layer = this.cleanLayer();
    this.image(layer, view, this.photo);
    layer.globalCompositeOperation = "destination-in";
    this.image(layer, view, this.matte);
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

  image(context, view, picture) {
    context.setTransform(view.scale, 0, 0, view.scale, view.x, view.y);
    context.imageSmoothingEnabled = view.scale < 2; // near, single pixels are what one wants to see
    context.imageSmoothingQuality = "medium";
    context.drawImage(picture, 0, 0);
    context.setTransform(1, 0, 0, 1, 0, 0);
  }
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
