"""The renderer as a generator: the same requests, the same refusals, the same promise."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.embedded.render import worn_pair
from pipeline.errors import ModelError
from pipeline.models.checkpoints import checkpoint
from pipeline.models.families import ControlMap, Inpaint
from pipeline.models.families.types import Parts
from pipeline.models.generators import family_of, generate, load_generator, refuse_unfit
from pipeline.pixels.skeleton import draw_skeleton

SIZE = (384, 288)


def test_a_person_is_drawn_around_the_garment_whose_pixels_stay() -> None:
    mannequin, _ = worn_pair(5, size=SIZE)
    kept = mannequin.masks["jacket"] | mannequin.masks["jeans"]
    pose = ControlMap(kind="pose", image=draw_skeleton(mannequin.keypoints, SIZE))
    wish = Inpaint(
        image=mannequin.image, repaint=~kept, prompt="a model with brown skin", steps=1, guidance=0, controls=(pose,)
    )
    generator = load_generator("studio-renderer", controls=["pose"], device="cpu")
    made = generate(generator, [wish])[0]
    assert np.array_equal(made[kept], mannequin.image[kept])
    shell = mannequin.masks["mannequin"]
    assert np.abs(made[shell].astype(int) - mannequin.image[shell]).mean() > 20, "no mannequin is left"
    assert generate(generator, [wish, wish])[1].tobytes() == made.tobytes()


def test_without_a_pose_it_draws_the_place_alone() -> None:
    image = np.full((*SIZE, 3), 200, np.uint8)
    repaint = np.ones(SIZE, bool)
    repaint[100:300, 90:200] = False
    wish = Inpaint(image=image, repaint=repaint, prompt="wooden background", steps=1, guidance=0)
    made = generate(load_generator("studio-renderer", device="cpu"), [wish])[0]
    assert (made[~repaint] == 200).all()
    assert made[repaint].std() > 5


def test_it_needs_no_controlnet_and_another_renderers_folder_is_refused(tmp_path) -> None:
    row = checkpoint("studio-renderer", role="generator")
    refuse_unfit(row, steps=1, guidance=0, controls=["pose", "canny"])
    (tmp_path / "config.json").write_text('{"renderer_version": -1}')
    with pytest.raises(ModelError, match="renderer version -1"):
        family_of(row).load(row, Parts(place=tmp_path), "cpu")
