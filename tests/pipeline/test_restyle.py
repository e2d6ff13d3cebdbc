"""Restyle mode: what stays, what is drawn in its place, and the join, on drawn scenes."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.embedded.palette import DYES, rgb
from pipeline.embedded.redress import draw_redressed, person_stays
from pipeline.embedded.render import worn_pair
from pipeline.embedded.scene import Scene
from pipeline.errors import CheckFailed
from pipeline.garment import Plan, draw_controls, native_size_of, paint
from pipeline.models.generators import load_generator
from pipeline.passes.inpaint import Wish
from pipeline.pixels import geometry
from pipeline.restyle import join_restyled, measure_restyle, restyle_plan
from pipeline.types import Mask, Picture, Subject

SIZE = (384, 288)


@pytest.fixture(scope="module")
def person() -> Scene:
    """Somebody in a top and trousers."""
    for seed in range(300, 340):
        _, scene = worn_pair(seed, size=SIZE)
        kinds = [garment.kind for garment in scene.spec.garments]
        if kinds[-1] in ("sweater", "shirt", "t-shirt") and kinds[0] in ("trousers", "jeans") and scene.keypoints[0, 2]:
            return scene
    raise AssertionError("no such scene")


def top_of(scene: Scene) -> Mask:
    return scene.masks[scene.spec.garments[-1].kind]


def plan_of(scene: Scene) -> Plan:
    top = top_of(scene)
    subject = Subject(mask=top, alpha=top.astype(np.float32), foreground=scene.image, confidence=1.0, finder="file")
    relaxed = np.asarray(geometry.resize_mask(top, SIZE)).copy()
    relaxed[1:] |= top[:-1]
    relaxed[:-1] |= top[1:]
    return restyle_plan(
        Picture(image=scene.image), subject, joints=scene.keypoints, figure=scene.alpha > 0.5, relaxed=relaxed,
        protected=scene.masks["skin"],
    )  # fmt: skip


def test_the_plan_repaints_the_garment_only_and_shows_the_model_the_head(person: Scene) -> None:
    plan = plan_of(person)
    assert not (plan.repaint & person.masks["skin"]).any()
    assert np.array_equal(plan.core, ~plan.repaint)
    x0, y0, x1, y1 = plan.box
    x, y = person.keypoints[0, :2]
    assert x0 < x < x1
    assert y0 < y < y1


def test_nothing_to_repaint_is_said(person: Scene) -> None:
    top = top_of(person)
    subject = Subject(mask=top, alpha=top.astype(np.float32), foreground=person.image, confidence=1.0, finder="file")
    with pytest.raises(ValueError, match="may be repainted"):
        restyle_plan(
            Picture(image=person.image), subject, joints=None, figure=person.alpha > 0.5, relaxed=top, protected=top
        )  # fmt: skip


def test_a_join_leaves_everything_outside_bit_for_bit(person: Scene) -> None:
    plan = plan_of(person)
    x0, y0, x1, y1 = plan.box
    noise = np.random.default_rng(1).integers(0, 255, (y1 - y0, x1 - x0, 3)).astype(np.uint8)
    result = join_restyled(plan, noise)
    assert np.array_equal(result[~plan.repaint], person.image[~plan.repaint])
    assert (result[plan.repaint] != person.image[plan.repaint]).any(axis=1).mean() > 0.9
    same = join_restyled(plan, geometry.crop(person.image, plan.box))
    assert np.abs(same.astype(int) - person.image.astype(int)).max() <= 1, "the photo itself joins without a trace"


@pytest.mark.parametrize("color", ["teal", "mustard"])
def test_the_renderer_draws_the_garment_of_the_words_on_the_person_who_stays(person: Scene, color: str) -> None:
    plan = plan_of(person)
    generator = load_generator("studio-renderer", controls=("pose",))
    maps = draw_controls(plan, ("pose",), native_size_of(generator, plan))
    made = paint(generator, plan, Wish(prompt=f"a model wearing a {color} t-shirt, wall", seed=1), maps)
    result = join_restyled(plan, geometry.resize_image(made, geometry.box_size(plan.box)))
    x, y = person.keypoints[[1, 8, 11], :2].mean(axis=0).astype(int)
    chest = np.median(result[y - 25 : y - 5, x - 8 : x + 8].reshape(-1, 3), axis=0) / 255
    nearest = min(
        DYES, key=lambda name: float(np.abs(rgb(DYES[name]) / rgb(DYES[name]).sum() - chest / chest.sum()).sum())
    )
    assert nearest == color
    measures = measure_restyle(plan, result, seen=None)
    assert measures.outside == 0
    assert measures.leak < 0.03


def test_the_person_stays_where_head_is_kept_and_trunk_repainted(person: Scene) -> None:
    top = top_of(person)
    assert person_stays(person.keypoints, ~top)
    assert not person_stays(person.keypoints, top), "keep mode: all but the garment is drawn"
    assert not person_stays(person.keypoints, np.ones(SIZE, np.bool_))
    assert not person_stays(np.zeros((18, 3), np.float32), ~top)


def test_the_same_words_give_the_same_bytes_and_none_is_refused(person: Scene) -> None:
    kept = ~top_of(person)
    first = draw_redressed(person.image, person.keypoints, kept, "a model wearing a red striped shirt", 5)
    assert np.array_equal(
        first, draw_redressed(person.image, person.keypoints, kept, "a model wearing a red striped shirt", 5)
    )
    assert np.array_equal(first[kept], person.image[kept])
    plain = draw_redressed(person.image, person.keypoints, kept, "a model wearing a red shirt", 5)
    assert np.abs(first.astype(int) - plain.astype(int))[~kept].mean() > 5, "stripes are read from the words"
    with pytest.raises(CheckFailed, match="names no garment"):
        draw_redressed(person.image, person.keypoints, kept, "a model, white studio", 5)


def test_a_new_top_hangs_down_to_the_trousers_that_stay(person: Scene) -> None:
    room = geometry.grow_mask(top_of(person), 16)
    made = draw_redressed(person.image, person.keypoints, ~room, "a model wearing a green t-shirt", 5)
    shoulders, hips = (person.keypoints[pair, :2].mean(axis=0) for pair in ([2, 5], [8, 11]))
    x, trunk = round(float(hips[0])), float(hips[1] - shoulders[1])
    column = made[:, x].astype(int)
    green = room[:, x] & (column[:, 1] > column[:, 0] + 20)
    end = int(np.flatnonzero(room[:, x])[-1])
    assert 0 <= end - int(np.flatnonzero(green)[-1]) < 0.06 * trunk
