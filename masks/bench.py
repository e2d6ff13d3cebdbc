"""Score the finders: ``python -m masks.bench`` prints IoU and boundary-F by kind, on drawn packshots and on photos.

Photos with ground truth are read from ``--photos`` or ``SEAMLINE_PHOTOS`` (default ``../shared/photos``): a folder of
pictures and a folder ``gt`` beside them with ``<stem>__person.png``, ``<stem>__alpha.png`` and the like.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image as Pillow

from masks import ops
from masks.find import find_subject
from masks.scenes import draw_packshot, packshots
from pipeline.errors import NothingFound
from pipeline.types import Alpha, Image, Picture

PARK_BELOW = 0.6
GOOD_IOU = 0.85
SHEET = ("lipstick_mirror", "sunglasses", "mug_lamp", "stool_lamp", "fur", "chain_bag")


@dataclass(frozen=True, kw_only=True)
class Case:
    """A picture, its true alpha and the kind that it is counted under. ``hard`` kinds are expected to be parked."""

    name: str
    kind: str
    image: Image
    truth: Alpha
    hard: bool = False


@dataclass(frozen=True, kw_only=True)
class Score:
    """What a finder made of a case. ``sad`` is the sum of absolute alpha differences in thousands of pixels."""

    name: str
    kind: str
    hard: bool
    finder: str
    confidence: float
    iou: float
    boundary_f: float
    sad: float
    seconds: float


def photo_cases(folder: Path) -> Iterator[Case]:
    """Photos with ground truth: persons, one matting reference, transparent things."""
    kinds = {
        "person": "person",
        "alpha": "fur on a natural background",
        "transparent": "transparent",
        "bottle": "transparent",
    }
    for truth_path in sorted((folder / "gt").glob("*__*.png")):
        stem, _, label = truth_path.stem.partition("__")
        photo = next((path for path in sorted(folder.glob(f"{stem}.*"))), None)
        if photo is None or label not in kinds:
            continue
        truth = (np.asarray(Pillow.open(truth_path).convert("L")) / np.float32(255)).astype(np.float32)
        yield Case(
            name=stem,
            kind=kinds[label],
            image=np.array(Pillow.open(photo).convert("RGB")),
            truth=truth,
            hard=kinds[label] != "person",
        )


def drawn_cases() -> Iterator[Case]:
    """The project's own packshots."""
    for shot in packshots():
        yield Case(name=shot.name, kind=shot.kind, image=shot.image, truth=shot.alpha, hard=shot.hard)


def score(case: Case) -> Score:
    """Find the subject of one case by ``auto`` and compare it with the truth."""
    begun = time.process_time()
    truth = case.truth >= 0.5
    try:
        subject = find_subject(Picture(image=case.image))
    except NothingFound:
        alpha = np.zeros_like(case.truth)
        finder, confidence = "nothing", 0.0
    else:
        alpha, finder, confidence = subject.alpha, subject.finder, subject.confidence
    return Score(
        name=case.name,
        kind=case.kind,
        hard=case.hard,
        finder=finder,
        confidence=confidence,
        iou=ops.iou(alpha >= 0.5, truth),
        boundary_f=ops.boundary_f(alpha >= 0.5, truth),
        sad=float(np.abs(alpha - case.truth).sum()) / 1000,
        seconds=time.process_time() - begun,
    )


def show(scores: Sequence[Score]) -> None:
    """Print the means by kind, and how well the confidence tells good masks from bad ones."""
    print(f"\n{'kind':30} {'n':>3} {'IoU':>6} {'least':>6} {'bound-F':>8} {'SAD/1000':>9} {'conf':>5} {'parked':>6}")
    for kind in dict.fromkeys(one.kind for one in scores):
        rows = [one for one in scores if one.kind == kind]
        parked = sum(one.confidence < PARK_BELOW for one in rows)
        print(
            f"{kind:30} {len(rows):3d} {np.mean([r.iou for r in rows]):6.3f} {min(r.iou for r in rows):6.3f} "
            f"{np.mean([r.boundary_f for r in rows]):8.3f} {np.mean([r.sad for r in rows]):9.2f} "
            f"{np.mean([r.confidence for r in rows]):5.2f} {parked:6d}"
        )
    wrong_kept = [one.name for one in scores if one.iou < GOOD_IOU and one.confidence >= PARK_BELOW]
    good_parked = [one.name for one in scores if one.iou >= GOOD_IOU and one.confidence < PARK_BELOW]
    print(f"kept though IoU < {GOOD_IOU}: {', '.join(wrong_kept) or 'none'}")
    print(f"parked though IoU >= {GOOD_IOU}: {', '.join(good_parked) or 'none'}")


def write_sheet(path: Path, names: Sequence[str] = SHEET, tile_px: int = 250) -> None:
    """Write drawn packshots above their cut-outs on saturated green, where every rim would show."""
    columns = []
    for name in names:
        image = draw_packshot(name).image
        subject = find_subject(Picture(image=image))
        share = subject.alpha[..., None]
        cut = np.clip(share * subject.foreground + (1 - share) * np.array([0, 200, 0]), 0, 255).astype(np.uint8)
        both = [Pillow.fromarray(one).resize((tile_px, tile_px), Pillow.Resampling.LANCZOS) for one in (image, cut)]
        columns.append(np.vstack([np.asarray(one) for one in both]))
    Pillow.fromarray(np.hstack(columns)).save(path, quality=88)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the bench over both sets, or the drawn one alone when there are no photos."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=Path, default=Path(os.environ.get("SEAMLINE_PHOTOS", "../shared/photos")))
    parser.add_argument("--skip-drawn", action="store_true", help="score the photos alone")
    parser.add_argument("--sheet", type=Path, help="only write a picture of cut-outs to this file")
    options = parser.parse_args(arguments)
    if options.sheet is not None:
        write_sheet(options.sheet)
        return
    cases: list[Iterator[Case]] = [] if options.skip_drawn else [drawn_cases()]
    if (options.photos / "gt").is_dir():
        cases.append(photo_cases(options.photos))
    else:
        print(f"no photos with ground truth in {options.photos}: the drawn packshots alone are scored")
    scores = []
    print(f"{'name':24} {'kind':28} {'finder':9} {'conf':>5} {'IoU':>6} {'bound-F':>8} {'SAD/1000':>9} {'CPU s':>6}")
    for source in cases:
        for case in source:
            one = score(case)
            scores.append(one)
            print(
                f"{one.name:24} {one.kind:28} {one.finder:9} {one.confidence:5.2f} {one.iou:6.3f} "
                f"{one.boundary_f:8.3f} {one.sad:9.2f} {one.seconds:6.2f}",
                flush=True,
            )
    show([one for one in scores if not one.hard])
    print("\nexpected to fail:", end="")
    show([one for one in scores if one.hard])


if __name__ == "__main__":
    main()
