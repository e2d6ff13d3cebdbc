"""A generator whose answer is known: what it is shown, times a gain, with its own detail made stronger."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np

from pipeline.models.checkpoints import Checkpoint
from pipeline.models.families import Family, Generator, Inpaint
from tests.pipeline.models.generator_folders import as_row, generator_row


class ConstantGain:
    """Answers each request with its own picture times the next of ``gains``, and ``detail`` times its finest contrast.

    It paints the whole crop, masked or not, as autoencoders do. ``asked`` are the requests that it got.
    """

    def __init__(self, *gains: float, detail: float = 0.0, side: int = 64) -> None:
        self.gains = gains or (1.0,)
        self.detail = detail
        self.side = side
        self.asked: list[Inpaint] = []

    def __call__(self, *, requests: Sequence[Inpaint]) -> SimpleNamespace:
        pictures = []
        for one in requests:
            gain = self.gains[len(self.asked) % len(self.gains)]
            self.asked.append(one)
            picture = one.image.astype(np.float32)
            fine = picture - cv2.blur(picture, (3, 3))
            pictures.append(np.clip(picture * gain + fine * self.detail, 0, 255) / 255)
        return SimpleNamespace(images=np.stack(pictures))

    @property
    def generator(self) -> Generator:
        """As a loaded checkpoint whose native size is a square of ``side`` px."""
        row: Checkpoint = as_row(
            generator_row(Path("x"), sampling={"native_px": [self.side, self.side], "multiple_of": 8})
        )

        def call(_: Generator, requests: tuple[Inpaint, ...]) -> dict[str, Any]:
            return {"requests": requests}

        family = Family(
            id=row.family, multiple_of=8, controls=frozenset({"tile", "canny"}), negative_prompt=True,
            load=lambda *_: None, call=call,
        )  # fmt: skip
        return Generator(row=row, family=family, pipe=self, device="cpu", fingerprint="")
