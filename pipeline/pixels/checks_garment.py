"""What is measured on a restaged garment, and what a buyer would reject: measures, problems in words, merit."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Final

import numpy as np
from scipy import ndimage

from pipeline.pixels.checks import delta_e, is_near_black, is_near_uniform, outside_difference
from pipeline.pixels.pose import Joints
from pipeline.types import Alpha, Image, Mask

HEAD: Final = (0, 14, 15)
"""Nose and eyes: where these are asked for, a face must be seen."""
EDGE_ALPHA: Final = 0.75


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What an estimator saw in a generated picture.

    ``people`` counts bodies and faces, ``has_face`` is whether the main body has one, ``followed`` the share of its
    joints where the asked pose has them (see `pose.share_followed`). ``beside`` is the body that shows beside the old
    figure below the shoulders, as a share of that figure: None where the old figure's outline is not known.
    ``face_detail`` is how much detail its face has (see `faces.face_detail`), None where no face is large enough.
    """

    people: int
    has_face: bool
    followed: float
    beside: float | None = None
    face_detail: float | None = None


@dataclass(frozen=True, kw_only=True)
class Measures:
    """Measures of one restaged picture; None where nothing could judge.

    ``core_difference`` is the largest channel difference (0..255) to the photo in the garment's core,
    ``border_delta_e`` the mean CIEDE2000 of the garment's border pixels to the photo, ``border_jump`` how much stronger
    the step at the core's edge is than in the photo (levels), ``expansion`` the garment's growth past its mask as a
    share of its area.
    """

    core_difference: int
    border_delta_e: float
    border_jump: float
    expansion: float | None
    empty: bool
    face_asked: bool
    seen: Seen | None

    def flat(self) -> dict[str, float | int | bool]:
        """The measures by name, those that were made, rounded for records."""
        data = asdict(self)
        seen = data.pop("seen") or {}
        data.pop("face_asked")
        return {name: round(float(v), 4) for name, v in {**data, **seen}.items() if v is not None}


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Beyond these a picture is not published."""

    border_delta_e: float = 3.0
    border_jump: float = 6.0
    expansion: float = 0.03
    followed: float = 0.6
    beside: float = 0.05
    face_detail: float = 5.0


def border_delta_e(photo: Image, result: Image, alpha: Alpha, core: Mask) -> float:
    """Mean CIEDE2000 over the garment's border: at least ``EDGE_ALPHA`` garment, and not in the core; 0 if none."""
    band = (alpha >= EDGE_ALPHA) & ~core
    if not band.any():
        return 0.0
    rows, columns = np.nonzero(band)
    return float(delta_e(photo[rows, columns][None], result[rows, columns][None]).mean())


def border_jump(photo: Image, result: Image, alpha: Alpha, core: Mask) -> float:
    """How much stronger the steps from the core to the garment's border became, in levels (0..255).

    Mean over neighbours of which one lies in the core and the other in the border (see `border_delta_e`): both are
    garment, so that a new surrounding behind the edge is no step. 0 if there are none.
    """
    band = (alpha >= EDGE_ALPHA) & ~core
    change = []
    gray = [picture.astype(np.float32).mean(axis=2) for picture in (photo, result)]
    for axis in (0, 1):
        first, second = np.s_[:-1], np.s_[1:]
        a, b = ((first, np.s_[:]), (second, np.s_[:])) if axis == 0 else ((np.s_[:], first), (np.s_[:], second))
        pairs = (core[a] & band[b]) | (band[a] & core[b])
        before, after = (np.abs(one[a] - one[b])[pairs] for one in gray)
        change.append(after - before)
    steps = np.concatenate(change)
    return float(steps.mean()) if steps.size else 0.0


def grown_share(source: Mask, result: Mask, *, slack_px: int) -> float:
    """Area of ``result`` further than ``slack_px`` outside ``source``, as a share of the source's (gate: 0.03).

    Segmenters differ by a pixel or two along an edge; what is counted is growth that can be seen.
    """
    area = int(source.sum())
    if not area:
        return 0.0
    wide = ndimage.binary_dilation(source, iterations=slack_px) if slack_px else source
    return float((result & ~wide).sum() / area)


def is_empty(result: Image, repaint: Mask) -> bool:
    """Whether what was generated is practically black, or one colour all over."""
    made = result[repaint][None]
    return bool(made.size) and (is_near_black(made) or is_near_uniform(made))


def face_asked(joints: Joints | None) -> bool:
    """Whether nose and eyes lie inside the picture."""
    return joints is not None and bool((joints[list(HEAD), 2] > 0).all())


def core_difference(photo: Image, result: Image, core: Mask) -> int:
    """The largest channel difference in the core: 0, or the garment was touched."""
    return outside_difference(photo, result, ~core)


def problems(measures: Measures, limits: Limits = Limits()) -> tuple[str, ...]:
    """What a buyer would reject, in words; empty if the picture can be published."""
    said = []
    if measures.core_difference > 0:
        said.append(f"the garment's core differs from the photo by {measures.core_difference} levels")
    if measures.empty:
        said.append("what was generated is black or of one colour")
    if measures.border_delta_e > limits.border_delta_e:
        said.append(
            f"the garment's border is off by ΔE {measures.border_delta_e:.1f} (limit {limits.border_delta_e:g})"
        )
    if measures.border_jump > limits.border_jump:
        said.append(
            f"a step of {measures.border_jump:.1f} levels shows around the garment (limit {limits.border_jump:g})"
        )
    if measures.expansion is not None and measures.expansion > limits.expansion:
        said.append(f"the garment grew by {measures.expansion:.1%} past its mask (limit {limits.expansion:.0%})")
    return (*said, *_body_problems(measures, limits))


def _body_problems(measures: Measures, limits: Limits) -> tuple[str, ...]:
    seen = measures.seen
    if seen is None:
        return ("no person can be seen in what was generated",)
    said = []
    if seen.people > 1:
        said.append(f"{seen.people} people are seen instead of one")
    if measures.face_asked and not seen.has_face:
        said.append("no face can be seen on the person")
    elif seen.has_face and _is_blurred(seen, limits):
        said.append(
            f"the face is a smear: its detail is {seen.face_detail:.1f} levels (limit {limits.face_detail:g}); take "
            "another checkpoint, more generate.candidates, or have upscale.refine_faces draw it anew"
        )
    if seen.followed < limits.followed:
        said.append(f"the pose is followed by {seen.followed:.0%} of the joints (limit {limits.followed:.0%})")
    if seen.beside is not None and seen.beside > limits.beside:
        said.append(f"the body shows beside the garment by {seen.beside:.1%} of the figure, over {limits.beside:.0%}")
    return tuple(said)


def _is_blurred(seen: Seen, limits: Limits) -> bool:
    return seen.face_detail is not None and seen.face_detail < limits.face_detail


def share_beside(body: Mask, figure: Mask, *, below: float, slack: float = 0.02) -> float:
    """Share of ``figure`` by which ``body`` reaches out of it below the row ``below``; arms drawn through sleeves do.

    What lies within ``slack`` of the picture's longer side does not count.
    """
    area = int(figure.sum())
    if not area:
        return 0.0
    wide = ndimage.distance_transform_edt(~figure) > slack * max(figure.shape)
    wide[: max(0, round(below))] = False
    return float((body & wide).sum() / area)


def merit(measures: Measures) -> float:
    """One number to rank candidates by: a person with a face in the asked pose first, then a quiet border."""
    seen = measures.seen
    body = 0.0 if seen is None else 1.0 + 2.0 * seen.has_face + 2.0 * seen.followed - 1.0 * (seen.people > 1)
    body -= 1.0 * (seen is not None and _is_blurred(seen, Limits()))
    edge = 0.1 * measures.border_delta_e + 0.05 * max(0.0, measures.border_jump)
    body -= 5.0 * min(0.4, (seen.beside or 0.0) if seen is not None else 0.0)
    grown = 5.0 * min(0.4, measures.expansion or 0.0)
    return round(body - edge - grown - 5.0 * measures.empty - 10.0 * (measures.core_difference > 0), 4)
