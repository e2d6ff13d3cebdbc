// Where the picture lies on the screen: screen = picture * scale + (x, y), in device pixels. Pure.

const LOWEST = 0.02, HIGHEST = 32;

/** A viewport that shows all of a picture in the middle of a screen, never enlarged. */
export function fit(picture, screen, margin = 0.04) {
  const room = 1 - 2 * margin;
  const scale = Math.min(1, (screen.width * room) / picture.width, (screen.height * room) / picture.height);
  return centred(picture, screen, scale);
}

/** A viewport at `scale` with the picture's middle in the screen's middle, on whole pixels. */
export function centred(picture, screen, scale) {
  return {
    scale,
    x: Math.round((screen.width - picture.width * scale) / 2),
    y: Math.round((screen.height - picture.height * scale) / 2),
  };
}

/** Zoom by a factor; the picture's point under `at` (screen) stays where it is. */
export function zoom(view, at, factor) {
  const scale = Math.min(HIGHEST, Math.max(LOWEST, view.scale * factor));
  const ratio = scale / view.scale;
  return { scale, x: at.x - (at.x - view.x) * ratio, y: at.y - (at.y - view.y) * ratio };
}

/** Zoom to a scale of its own. */
export function zoomTo(view, at, scale) {
  return zoom(view, at, scale / view.scale);
}

/** Move by screen pixels; a strip of the picture always stays in sight. */
export function pan(view, dx, dy, picture, screen, keep = 60) {
  const clamp = (value, size, room) => Math.min(room - keep, Math.max(keep - size, value));
  return {
    scale: view.scale,
    x: clamp(view.x + dx, picture.width * view.scale, screen.width),
    y: clamp(view.y + dy, picture.height * view.scale, screen.height),
  };
}

/** The picture's point under a screen point. */
export function toPicture(view, at) {
  return { x: (at.x - view.x) / view.scale, y: (at.y - view.y) / view.scale };
}
