"""Garments on a skeleton: worn, laid flat or hollow ("ghost"). One spec draws the same piece in every way."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipeline.embedded.bottoms import draw_skirt, draw_trousers
from pipeline.embedded.canvas import Canvas, Material
from pipeline.embedded.cloth import Cut, GarmentSpec, Way, material_of
from pipeline.embedded.figure import arm_parts
from pipeline.embedded.paint import Dressing, paint
from pipeline.embedded.parts import Part
from pipeline.embedded.pose import ARMS, Skeleton
from pipeline.embedded.tops import draw_top, sleeve_parts


def draw_garment(canvas: Canvas, skeleton: Skeleton, spec: GarmentSpec, way: Way = "worn") -> None:
    """Draw one garment over what is there; its label is its kind."""
    rng = np.random.default_rng(spec.seed)
    offset = (float(rng.integers(1024)), float(rng.integers(1024)))
    cut = Cut(
        canvas=canvas,
        skeleton=skeleton,
        spec=spec,
        way=way,
        material=material_of(spec, skeleton.unit),
        dark=np.asarray(spec.color * np.float32(0.55), np.float32),
        offset=offset,
    )
    if spec.kind in ("trousers", "jeans", "shorts"):
        draw_trousers(cut)
    elif spec.kind == "skirt":
        draw_skirt(cut)
    else:
        draw_top(cut)


def draw_arm_in_front(
    canvas: Canvas,
    skeleton: Skeleton,
    spec: GarmentSpec | None,
    skin: Material,
    skin_name: str,
    hands: tuple[bool, bool] = (True, True),
    lowest: float = 0.02,
    sleeved: tuple[int, int] = (0, 0),
) -> None:
    """Draw again the arms whose hands come back over the trunk, so that they lie on the cloth.

    ``hands`` and ``sleeved`` are those of `draw_body`, ``lowest`` is how far under the hips a hand lies on cloth.
    """
    u = skeleton.unit
    for side in (0, 1):
        wrist = skeleton.joints[ARMS[side][2]] - skeleton.hips
        aside = abs(float(wrist @ skeleton.right)) / u
        raised = float(wrist @ skeleton.up) / u
        if aside > 0.125 or raised < -lowest:
            continue
        parts = arm_parts(skeleton, side)[max(1, sleeved[side]) : None if hands[side] else 2]
        _redraw_arm(canvas, skeleton, side, parts, spec, skin, skin_name)


def _redraw_arm(
    canvas: Canvas,
    skeleton: Skeleton,
    side: int,
    parts: Sequence[Part],
    spec: GarmentSpec | None,
    skin: Material,
    skin_name: str,
) -> None:
    u = skeleton.unit
    paint(canvas, parts, skin, skin_name, u, Dressing(shadow=0.45), blend=0.010)
    if spec is None or spec.sleeve <= 0.75:
        return
    material = material_of(spec, u)
    dark = np.asarray(spec.color * np.float32(0.55), np.float32)
    cut = Cut(
        canvas=canvas, skeleton=skeleton, spec=spec, way="worn", material=material, dark=dark, offset=(31.0, 77.0)
    )
    paint(canvas, sleeve_parts(cut, side)[1:], material, spec.kind, u, Dressing(fold_offset=cut.offset), blend=0.009)
