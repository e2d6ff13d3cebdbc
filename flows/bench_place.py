"""`python -m flows.bench_garment --mode place`: flat garments on bodies, held against the same garments worn.

The renderer draws one garment flat or hollow (the photo) and worn by a person in the pose that mode `place` chose (the
truth).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table
from skimage.metrics import structural_similarity

from masks import ops
from masks.figure import look_at
from masks.find import Detector
from masks.garment import find_garment, sharpened
from pipeline.embedded.cloth import GarmentSpec
from pipeline.embedded.render import render
from pipeline.embedded.scene import SceneSpec, random_garment
from pipeline.embedded.stand_in import draw_wearing
from pipeline.errors import CheckFailed, ItemError
from pipeline.garment import Plan, draw_controls, join, make_plan, measure, native_size_of, paint
from pipeline.models.families import Generator
from pipeline.models.generators import load_generator
from pipeline.passes.inpaint import Wish
from pipeline.pixels import geometry
from pipeline.pixels.checks import delta_e
from pipeline.pixels.checks_garment import problems
from pipeline.placing import Placed, place
from pipeline.types import Image, Mask, Picture, Size, Subject

FIRST_SEED: Final = 7_300_000
"""No training and no other score draws scenes from here."""
KINDS: Final = ("t-shirt", "sweater", "shirt", "dress", "jacket", "tank top", "coat")
PROMPT: Final = "a model with tan skin and short black hair wearing charcoal trousers, grey studio background"
PHOTO: Final[Size] = (1024, 1024)
JUDGED_PX: Final = 768
"""Height at which result and truth are compared: a product page shows no more."""


@dataclass(frozen=True, kw_only=True)
class Score:
    """One garment: structural similarity and CIEDE2000 to the truth where it is worn, and how the outlines meet."""

    kind: str
    ssim: float
    delta_e: float
    iou: float
    reasons: tuple[str, ...] = ()

    @property
    def accepted(self) -> bool:
        """Whether it would be published."""
        return not self.reasons


def scene_of(number: int) -> tuple[GarmentSpec, Image]:
    """A held-out garment and its photo: two flat on a surface for each one that hangs hollow."""
    rng = np.random.default_rng([FIRST_SEED + number, 17])
    spec = random_garment(rng, KINDS[number % len(KINDS)])
    kind: Literal["flat", "ghost"] = "ghost" if number % 3 == 0 and spec.sleeve < 0.75 else "flat"
    backdrop = ("white", "grey sweep", "paper", "wood")[int(rng.integers(4 if kind == "flat" else 3))]
    flat = SceneSpec(kind=kind, backdrop=backdrop, backdrop_seed=number, pose_seed=number, garments=(spec,))
    return spec, render(number, size=PHOTO, spec=flat).image


def similarity(result: Image, truth: Image, where: Mask) -> float:
    """Mean SSIM (Wang et al. 2004) over ``where``, at JUDGED_PX."""
    size: Size = (JUDGED_PX, round(truth.shape[1] * JUDGED_PX / truth.shape[0]))
    small = [geometry.resize_image(image, size) for image in (result, truth)]
    area = cv2.resize(where.astype(np.uint8), size[::-1], interpolation=cv2.INTER_AREA) > 0
    _, full = structural_similarity(small[0], small[1], channel_axis=2, full=True)  # type: ignore[no-untyped-call]
    return float(np.asarray(full).mean(axis=2)[area].mean())


def placed_plan(placed: Placed) -> Plan:
    """The plan of a placed garment, as its stage makes it."""
    mask = placed.alpha >= 0.5
    subject = Subject(
        mask=mask, alpha=placed.alpha, foreground=placed.foreground, confidence=1.0, finder="grounding_dino"
    )  # fmt: skip
    picture = Picture(image=placed.image)
    return make_plan(picture, subject, joints=placed.joints, figure=mask, repaint="everything", whole=False)


def restaged(
    photo: Image, phrase: str, number: int, detector: Detector, generator: Generator
) -> tuple[Placed, Plan, Image]:
    """The garment of a photo on a body, and the picture of somebody who wears it.

    Raises ItemError, ValueError or CheckFailed where it cannot be placed.
    """
    subject = find_garment(Picture(image=photo), [phrase], detector, worn=False)
    placed = place(subject, [phrase])
    plan = placed_plan(placed)
    maps = draw_controls(plan, ("pose", "canny"), native_size_of(generator, plan))
    made = paint(generator, plan, Wish(prompt=PROMPT, seed=number), maps)
    return placed, plan, join(plan, geometry.resize_image(made, geometry.box_size(plan.box)))


def score_one(number: int, detector: Detector, generator: Generator, pictures: Path | None) -> Score:
    """Place one held-out garment and compare it with the truth."""
    spec, photo = scene_of(number)
    nothing = Score(kind=spec.kind, ssim=float("nan"), delta_e=float("nan"), iou=float("nan"))
    try:
        placed, plan, result = restaged(photo, spec.kind, number, detector, generator)
    except (ItemError, ValueError, CheckFailed) as error:
        return Score(**{**nothing.__dict__, "reasons": (str(error),)})
    size: Size = (result.shape[0], result.shape[1])
    truth, worn = draw_wearing(placed.joints, size, PROMPT, number, spec)
    seen, again = look_at(result, plan.joints), sharpened(result, plan.alpha >= 0.5)
    if pictures is not None:
        show(pictures / f"{number:03}-{spec.kind.replace(' ', '-')}.jpg", photo, [result, truth])
    return Score(
        kind=spec.kind,
        ssim=similarity(result, truth, worn),
        delta_e=float(np.median(delta_e(result, truth)[worn])),
        iou=ops.iou(placed.alpha >= 0.5, worn),
        reasons=(*placed.problems, *problems(measure(plan, result, seen=seen, regarmented=again))),
    )


def show(path: Path, photo: Image, pictures: list[Image]) -> None:
    """Write a photo and the pictures made of it side by side."""
    from pipeline.files.encode import encode_picture

    path.parent.mkdir(parents=True, exist_ok=True)
    tall = [geometry.resize_image(one, (700, round(one.shape[1] * 700 / one.shape[0]))) for one in (photo, *pictures)]
    path.write_bytes(encode_picture(np.concatenate(tall, axis=1), file_format="jpeg", quality=90))


def run_place(count: int, detector: Detector, pictures: Path | None = None) -> list[Score]:
    """Score ``count`` held-out garments with the renderer as the generator, and print the table of docs/garment.md."""
    generator = load_generator("studio-renderer", controls=("pose", "canny"))
    scores = [score_one(number, detector, generator, pictures) for number in range(count)]
    table = Table("garment", "placed", "accepted", "SSIM to the worn one", "ΔE2000, median", "outline IoU")
    for kind in (*KINDS, "all"):
        rows = [score for score in scores if kind in (score.kind, "all")]
        made = [score for score in rows if not np.isnan(score.ssim)]
        if not made:
            continue
        values = [np.mean([getattr(score, name) for score in made]) for name in ("ssim", "delta_e", "iou")]
        shown = (f"{values[0]:.3f}", f"{values[1]:.1f}", f"{values[2]:.3f}")
        table.add_row(kind, f"{len(made)} of {len(rows)}", str(sum(one.accepted for one in made)), *shown)
    Console(width=120).print(table)
    for number, score in enumerate(scores):
        if score.reasons:
            print(f"{number} {score.kind}: {'; '.join(score.reasons)}")
    return scores
