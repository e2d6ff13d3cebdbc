"""`python -m flows.bench_words`: are printed words still read once their garment was laid on a body?

Each held-out garment bears a word. tesseract, which has to be installed, reads the flat photo, the placed garment and
the truth of `flows.bench_place`; it is shown the breast alone, upright and at one size, and asked for words anywhere.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

from flows.bench_garment import text_detector
from flows.bench_place import PHOTO, PROMPT, restaged, show
from masks.find import Detector
from pipeline.embedded.cloth import GarmentSpec
from pipeline.embedded.lettering import WORDS
from pipeline.embedded.render import render
from pipeline.embedded.scene import Scene, SceneSpec, random_garment
from pipeline.embedded.stand_in import draw_wearing
from pipeline.errors import CheckFailed, ItemError, SeamlineError
from pipeline.files.encode import encode_picture
from pipeline.models.families import Generator
from pipeline.models.generators import load_generator
from pipeline.pixels.landmarks import find_landmarks
from pipeline.types import Image, Mask

FIRST_SEED: Final = 7_500_000
"""No training and no other score draws scenes from here."""
KINDS: Final = ("t-shirt", "sweater", "tank top")
TIMEOUT_S: Final = 60
CHEST_PX: Final = 160
SPARSE: Final = "11"
"""tesseract's page segmentation mode for words anywhere in a picture."""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """One garment: its word, and whether it is read in the photo, in the result and in the truth."""

    word: str
    photo: bool
    result: bool
    truth: bool


def chest(image: Image, garment: Mask) -> Image:
    """The breast of a garment (H, W, 3), upright, with the armpits CHEST_PX px to either side of its middle.

    Raises ValueError if the garment has no landmarks.
    """
    marks = find_landmarks(garment)
    scale = CHEST_PX / (float(np.hypot(*(marks.pits[1] - marks.pits[0]))) / 2)
    turn = scale * np.stack([marks.across, marks.down]).astype(np.float64)
    to = np.array([0.95 * CHEST_PX, -0.3 * CHEST_PX]) - turn @ marks.tops.mean(axis=0).astype(np.float64)
    smooth = cv2.GaussianBlur(image, (0, 0), 0.5 / scale) if scale < 1 else image
    matrix, size = np.concatenate([turn, to[:, None]], axis=1), (round(1.9 * CHEST_PX), round(1.5 * CHEST_PX))
    shown = cv2.warpAffine(smooth, matrix, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(shown, np.uint8)


def read_words(image: Image) -> frozenset[str]:
    """The words of at least three capitals or figures that tesseract reads in a picture (H, W, 3).

    Raises SeamlineError if tesseract is not installed.
    """
    program = shutil.which("tesseract")
    if program is None:
        raise SeamlineError("tesseract is not installed: install the package tesseract-ocr to measure words")
    data = encode_picture(image, file_format="png")
    call = [program, "stdin", "stdout", "--psm", SPARSE]
    said = subprocess.run(call, input=data, capture_output=True, check=True, timeout=TIMEOUT_S).stdout  # noqa: S603
    return frozenset(re.findall(r"[A-Z0-9]{3,}", said.decode("utf-8", "replace").upper()))


def scene_of(number: int) -> tuple[GarmentSpec, Scene]:
    """A held-out plain garment with a word, lying flat, and its photo."""
    rng = np.random.default_rng([FIRST_SEED + number, 17])
    word = WORDS[number % len(WORDS)]
    spec = replace(random_garment(rng, KINDS[number % len(KINDS)]), pattern="plain", print_name=word)
    flat = SceneSpec(kind="flat", backdrop="white", backdrop_seed=number, pose_seed=number, garments=(spec,))
    return spec, render(number, size=PHOTO, spec=flat)


def read_one(number: int, detector: Detector, generator: Generator, pictures: Path | None) -> Reading | None:
    """Place one garment and read its word before and after; None where it cannot be placed."""
    spec, scene = scene_of(number)
    photo, word = scene.image, spec.print_name or ""
    try:
        placed, _, result = restaged(photo, spec.kind, number, detector, generator)
    except (ItemError, ValueError, CheckFailed) as error:
        print(f"{number} {spec.kind} {word}: {error}")
        return None
    truth, worn = draw_wearing(placed.joints, (result.shape[0], result.shape[1]), PROMPT, number, spec)
    if pictures is not None:
        show(pictures / f"{number:03}-{word.lower()}.jpg", photo, [result, truth])
    return Reading(
        word=word,
        photo=word in read_words(chest(photo, scene.alpha > 0.5)),
        result=word in read_words(chest(result, placed.alpha >= 0.5)),
        truth=word in read_words(chest(truth, worn)),
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse the command line, read, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenes", type=int, default=len(WORDS), help="held-out garments")
    parser.add_argument("--pictures", type=Path, help="folder for photo, result and truth of every garment")
    chosen = parser.parse_args(arguments)
    detector, generator = text_detector(), load_generator("studio-renderer", controls=("pose", "canny"))
    readings = [read_one(number, detector, generator, chosen.pictures) for number in range(chosen.scenes)]
    made = [one for one in readings if one is not None]
    table = Table("word", "read in the photo", "in the result", "in the truth")
    for one in made:
        table.add_row(one.word, *("yes" if yes else "no" for yes in (one.photo, one.result, one.truth)))
    read = [sum(getattr(one, name) for one in made) for name in ("photo", "result", "truth")]
    table.add_row("all", *(f"{count} of {len(made)}" for count in read))
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
