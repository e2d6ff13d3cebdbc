"""Edits that the inpainting model is asked for, on scenes it never saw: what its scores and its grids show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.embedded.backdrops import BACKDROPS
from pipeline.embedded.captions import _BACKDROP_WORDS
from pipeline.embedded.diffusion import GUIDANCE, LATENT_PX, load_inpaint
from pipeline.embedded.render import render
from pipeline.embedded.scene import SceneSpec
from pipeline.embedded.train.restage import BACKDROP, BOTTOM, SIZE, TOP, caption_parts, labels_of, spec_of
from pipeline.pixels.geometry import resize_image
from pipeline.pixels.skeleton import draw_skeleton
from pipeline.types import Image, Mask

STEPS: Final = 6


@dataclass(frozen=True, kw_only=True)
class Shot:
    """One rendered scene with its truth: ``labels`` (H, W), ``joints`` (18, 3)."""

    image: Image
    labels: NDArray[np.uint8]
    joints: NDArray[np.float32]
    spec: SceneSpec
    seed: int


@dataclass(frozen=True, kw_only=True)
class Edit:
    """What to repaint and what should be there; ``pose`` if the figure should stand as the scene's does."""

    repaint: Mask
    prompt: str
    seed: int
    pose: bool = False


def shots(seed: int, count: int) -> list[Shot]:
    """``count`` restaging scenes from ``seed`` on."""
    found = []
    for number in range(seed, seed + count):
        spec = spec_of(number)
        scene = render(number, size=SIZE, spec=spec)
        found.append(
            Shot(image=scene.image, labels=labels_of(scene), joints=scene.keypoints, spec=spec, seed=number)
        )  # fmt: skip
    return found


def shows_person(shot: Shot) -> bool:
    """Whether the scene has a body with most of its joints."""
    return bool(shot.joints[:, 2].sum() >= 10)


def shots_where(seed: int, count: int, wanted: Any) -> list[Shot]:
    """The first ``count`` scenes from ``seed`` on for which ``wanted(shot)`` holds."""
    found: list[Shot] = []
    while len(found) < count:
        found += [shot for shot in shots(seed, 8) if wanted(shot)]
        seed += 8
    return found[:count]


def another_place(shot: Shot, index: int) -> str:
    """A place other than the scene's own, each in turn."""
    others = [name for name in BACKDROPS if name != shot.spec.backdrop]
    return others[index % len(others)]


def place_edit(shot: Shot, index: int, place: str) -> Edit:
    """Another backdrop behind everything that stands there."""
    what, _ = caption_parts(shot.spec)
    return Edit(repaint=shot.labels == BACKDROP, prompt=f"{what}, {_BACKDROP_WORDS[place]}", seed=index)


def keep_edit(shot: Shot, index: int, place: str) -> Edit:
    """The garments stay; the person who wears them and the place are drawn anew, in the same pose."""
    what, _ = caption_parts(shot.spec)
    kept = np.isin(shot.labels, (TOP, BOTTOM))
    return Edit(repaint=~kept, prompt=f"{what}, {_BACKDROP_WORDS[place]}", seed=index, pose=True)


def garment_edit(shot: Shot, index: int, words: str) -> Edit:
    """The top in another colour or pattern: ``words`` stand before its kind."""
    top = (shot.labels == TOP).astype(np.uint8)
    kind, place = shot.spec.garments[-1].kind, _BACKDROP_WORDS[shot.spec.backdrop]
    grown = np.asarray(cv2.dilate(top, np.ones((7, 7), np.uint8)) > 0)
    return Edit(repaint=grown, prompt=f"a model wearing a {words} {kind}, {place}", seed=index)


class Painter:
    """The loaded model, without and with its pose control."""

    def __init__(self, folder: Path, *, steps: int = STEPS) -> None:
        """Loads a folder of `save_inpaint`; pictures are drawn at the size that it was trained at."""
        self.plain, self.posed = load_inpaint(folder), load_inpaint(folder, folder / "controlnet_pose")
        height = int(self.plain.unet.config.sample_size) * LATENT_PX
        self.native, self.steps = (height, height * SIZE[1] // SIZE[0]), steps

    def raw(self, shot: Shot, edit: Edit) -> Image:
        """The model's own picture at the scene's size, before anything is pasted back."""
        import torch
        from PIL import Image as Pillow

        height, width = self.native
        repaint = _whole_cells(edit.repaint, self.native)
        small = resize_image(shot.image, self.native)
        extra: dict[str, Any] = {}
        if edit.pose:
            joints = shot.joints.copy()
            joints[:, :2] *= np.array([width / shot.image.shape[1], height / shot.image.shape[0]], np.float32)
            extra["control_image"] = Pillow.fromarray(draw_skeleton(joints, self.native))
        made = (self.posed if edit.pose else self.plain)(
            prompt=edit.prompt, image=Pillow.fromarray(small), mask_image=Pillow.fromarray(repaint), height=height,
            width=width, num_inference_steps=self.steps, guidance_scale=GUIDANCE, strength=1.0, output_type="np",
            generator=torch.Generator().manual_seed(edit.seed), **extra,
        ).images[0]  # fmt: skip
        picture = np.rint(np.clip(made, 0, 1) * 255).astype(np.uint8)
        return resize_image(picture, (shot.image.shape[0], shot.image.shape[1]))

    def paint(self, shot: Shot, edit: Edit) -> Image:
        """Generated inside the mask, the scene's own pixels outside it."""
        return np.where(edit.repaint[..., None], self.raw(shot, edit), shot.image)


def _whole_cells(mask: Mask, size: tuple[int, int]) -> NDArray[np.uint8]:
    """The mask at ``size``, grown to whole latents, 0 or 255."""
    share = cv2.resize(mask.astype(np.float32), (size[1], size[0]), interpolation=cv2.INTER_AREA)
    cells = share.reshape(size[0] // LATENT_PX, LATENT_PX, size[1] // LATENT_PX, LATENT_PX).max((1, 3)) > 0.25
    return np.kron(cells, np.ones((LATENT_PX, LATENT_PX), np.uint8)).astype(np.uint8) * 255


def page(pictures: Sequence[Image], columns: int = 8, gap_px: int = 4) -> Image:
    """Pictures of one size in rows of ``columns`` on light grey."""
    height, width = pictures[0].shape[:2]
    rows = -(-len(pictures) // columns)
    sheet = np.full((rows * (height + gap_px) - gap_px, columns * (width + gap_px) - gap_px, 3), 222, np.uint8)
    for index, picture in enumerate(pictures):
        top, left = index // columns * (height + gap_px), index % columns * (width + gap_px)
        sheet[top : top + height, left : left + width] = picture
    return sheet
