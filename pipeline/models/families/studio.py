"""The offline studio's renderer as a family: it draws people and places by rule, from the studio's own words.

Nothing is learned, nothing is downloaded, and what it draws looks drawn. It stands in for a diffusion checkpoint where
none is at hand: it takes the same requests and reads the same pose maps.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import ModelError
from pipeline.models.checkpoints import Checkpoint
from pipeline.models.families.types import Family, Generator, Inpaint, Parts


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """What a call gives: ``images`` (N, H, W, 3) float32 in [0, 1]."""

    images: NDArray[np.float32]


def draw(requests: tuple[Inpaint, ...]) -> Drawn:
    """Draw each request: a person where it carries a pose map, else the place alone. One whose head is kept stays, and
    is given another garment."""
    from pipeline.embedded.redress import draw_redressed, person_stays
    from pipeline.embedded.stand_in import draw_place, draw_stand_in
    from pipeline.pixels.skeleton import read_skeleton

    pictures = []
    for one in requests:
        kept = ~one.repaint
        pose = next((control.image for control in one.controls if control.kind == "pose"), None)
        if pose is not None and pose.any():
            joints = read_skeleton(pose)
            if person_stays(joints, kept):
                made = draw_redressed(one.image, joints, kept, one.prompt, one.seed)
            else:
                made = draw_stand_in(joints, kept, one.prompt, one.seed)
        else:
            made = draw_place(kept, one.prompt, one.seed)
        pictures.append(np.where(kept[..., None], one.image, made))
    return Drawn(images=np.stack(pictures).astype(np.float32) / np.float32(255))


def load(row: Checkpoint, parts: Parts, device: str) -> Any:
    """The drawing function; ``device`` is not used.

    Raises:
        ModelError: the row's folder is of another version of the renderer.
    """
    from pipeline.embedded.scene import RENDERER_VERSION

    wanted = json.loads((parts.place / "config.json").read_text(encoding="utf-8")).get("renderer_version")
    if wanted != RENDERER_VERSION:
        raise ModelError(f"Checkpoint {row.id!r} is of renderer version {wanted}, and this is {RENDERER_VERSION}")
    return draw


def call(generator: Generator, requests: tuple[Inpaint, ...]) -> dict[str, Any]:
    """The requests as they are."""
    return {"requests": requests}


FAMILY = Family(
    id="studio",
    multiple_of=8,
    controls=frozenset({"pose", "canny"}),
    own_controls=frozenset({"pose", "canny"}),
    negative_prompt=False,
    load=load,
    call=call,
    batch_of_controls=True,
    starts_from_picture=False,
    compiles=False,
)
