"""Keep mode: what is kept, what is repainted, and the join, on drawn scenes and without a model."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from pipeline.embedded.render import worn_pair
from pipeline.embedded.scene import Scene
from pipeline.errors import CheckFailed
from pipeline.garment import (
    Plan,
    draw_controls,
    join,
    kept_place,
    make_plan,
    measure,
    paint,
    paint_all,
    prompt_of,
    repaint_mask,
)
from pipeline.models.controls import CANNY_LOW, MAPS, Known, border_canny
from pipeline.models.families import Inpaint
from pipeline.models.generators import load_generator
from pipeline.passes.inpaint import Wish
from pipeline.pixels.checks_garment import Seen, problems
from pipeline.pixels.geometry import crop, grow_mask, resize_mask
from pipeline.pixels.pose_outline import from_outline
from pipeline.pixels.skeleton import read_skeleton
from pipeline.types import Mask, Picture, Subject
from tests.pipeline.passes.test_inpaint import painter

SIZE = (256, 192)


@pytest.fixture(scope="module")
def scenes() -> tuple[Scene, Scene]:
    return worn_pair(201, size=SIZE)


def subject_of(scene: Scene) -> Subject:
    mask = np.logical_or.reduce([scene.masks[g.kind] for g in scene.spec.garments if g.kind in scene.masks])
    return Subject(
        mask=mask, alpha=mask.astype(np.float32), foreground=scene.image, confidence=1.0, finder="file"
    )  # fmt: skip


def plan_of(scene: Scene, repaint: str = "everything") -> Plan:
    return make_plan(
        Picture(image=scene.image), subject_of(scene), joints=from_outline(scene.alpha > 0.5), figure=scene.alpha > 0.5,
        repaint=repaint,  # type: ignore[arg-type]
    )  # fmt: skip


def test_every_visible_piece_of_the_mannequin_is_repainted(scenes: tuple[Scene, Scene]) -> None:
    photo, _ = scenes
    for repaint in ("everything", "figure"):
        plan = plan_of(photo, repaint)
        assert plan.repaint[photo.masks["mannequin"]].all()
        assert not (plan.repaint & plan.core).any()
        assert plan.core.any()


def test_figure_leaves_the_far_backdrop_alone_and_makes_room_for_a_head(scenes: tuple[Scene, Scene]) -> None:
    photo, truth = scenes
    plan = plan_of(photo, "figure")
    assert not plan.repaint.all()
    assert not plan.repaint[:5, :5].any()
    head = truth.masks["hair"] if "hair" in truth.masks else truth.masks["skin"]
    assert plan.repaint[head].mean() > 0.8


def test_everything_is_all_but_the_core() -> None:
    core: Mask = np.zeros((20, 20), bool)
    core[5:10, 5:10] = True
    hole = repaint_mask(core, core, repaint="everything", figure=core, joints=None)
    assert np.array_equal(hole, ~core)


def test_a_join_carries_core_and_outside_bit_for_bit(scenes: tuple[Scene, Scene]) -> None:
    photo, _ = scenes
    noise = np.random.default_rng(3).integers(0, 255, (*SIZE, 3)).astype(np.uint8)
    for repaint in ("everything", "figure"):
        plan = plan_of(photo, repaint)
        x0, y0, x1, y1 = plan.box
        result = join(plan, noise[y0:y1, x0:x1])
        assert np.array_equal(result[~plan.repaint], photo.image[~plan.repaint])
        assert (result[photo.masks["mannequin"]] != photo.image[photo.masks["mannequin"]]).any(axis=1).mean() > 0.9


def test_a_perfect_generator_gives_the_truth(scenes: tuple[Scene, Scene]) -> None:
    photo, truth = scenes
    plan = plan_of(photo)
    x0, y0, x1, y1 = plan.box
    result = join(plan, truth.image[y0:y1, x0:x1])
    measures = measure(plan, result, seen=Seen(people=1, has_face=True, followed=1.0), regarmented=plan.alpha > 0.5)
    assert problems(measures) == ()
    assert float(np.abs(result.astype(int) - truth.image).mean()) < 3


def test_a_soft_matte_mixes_its_own_colour_over_the_new_one() -> None:
    photo = np.full((40, 40, 3), 200, np.uint8)
    alpha = np.zeros((40, 40), np.float32)
    alpha[10:30, 10:30] = 1
    alpha[10:30, 30] = 0.5
    own = np.full((40, 40, 3), (180, 20, 20), np.uint8)
    subject = Subject(mask=alpha >= 0.5, alpha=alpha, foreground=own, confidence=1, finder="file")
    plan = make_plan(
        Picture(image=photo), subject, joints=None, figure=subject.mask, repaint="everything"
    )  # fmt: skip
    result = join(plan, np.full((40, 40, 3), 200, np.uint8))
    assert result[20, 30].tolist() == pytest.approx([190, 110, 110], abs=2)


def test_a_mask_without_a_solid_pixel_is_refused() -> None:
    faint = np.full((20, 20), 0.6, np.float32)
    photo = np.zeros((20, 20, 3), np.uint8)
    subject = Subject(mask=faint >= 0.5, alpha=faint, foreground=photo, confidence=1, finder="file")
    with pytest.raises(ValueError, match="solid"):
        make_plan(Picture(image=photo), subject, joints=None, figure=subject.mask, repaint="everything")


def test_the_prompt_says_who_what_and_where() -> None:
    assert prompt_of(person="a model", wearing="a coat", place="white") == "a model wearing a coat, white"
    assert prompt_of(person="a model", wearing="", place="") == "a model"
    assert prompt_of(person="", wearing="a coat", place=" street ") == "a coat, street"


def test_the_pose_map_shows_the_joints_at_the_models_size(scenes: tuple[Scene, Scene]) -> None:
    photo, _ = scenes
    maps = draw_controls(plan_of(photo), ["pose", "canny"], (192, 144))
    assert [one.kind for one in maps] == ["pose", "canny"]
    read = read_skeleton(maps[0].image)
    for joint in (2, 5):
        assert read[joint, :2] == pytest.approx(photo.keypoints[joint, :2] * 0.75, abs=6)


def test_canny_lies_near_the_garments_border_only(scenes: tuple[Scene, Scene]) -> None:
    photo, _ = scenes
    kept = subject_of(photo).mask
    drawn = border_canny(Known(image=photo.image, kept=kept, joints=None)).any(axis=2)
    assert drawn.any()
    assert CANNY_LOW < 255
    far = photo.alpha < 0.01
    assert not drawn[far & ~np.roll(kept, 3, 0) & ~np.roll(kept, -3, 0)].all()
    inner = np.zeros_like(kept)
    rows, columns = np.nonzero(kept)
    inner[int(np.median(rows)), int(np.median(columns))] = True
    assert not drawn[inner].any()


def test_empty_maps_are_refused() -> None:
    from pipeline.errors import ItemError

    blank = Known(image=np.zeros((20, 20, 3), np.uint8), kept=np.zeros((20, 20), bool), joints=None)
    for kind in ("pose", "canny", "softedge", "lineart"):
        with pytest.raises(ItemError):
            MAPS[kind](blank)


def test_a_candidate_depends_on_its_seed_alone(scenes: tuple[Scene, Scene]) -> None:
    photo, _ = scenes
    plan, generator = plan_of(photo), load_generator("studio-renderer", controls=("pose",))
    controls = draw_controls(plan, ["pose"], (192, 144))
    first, again, other = (
        paint(generator, plan, Wish(prompt="a model wearing a coat, white", seed=seed), controls) for seed in (1, 1, 2)
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_candidates_are_made_in_one_call_and_one_that_fails_leaves_the_others(scenes: tuple[Scene, Scene]) -> None:
    plan, batches = plan_of(scenes[0]), list[int]()

    def noisy(requests: tuple[Inpaint, ...]) -> SimpleNamespace:
        batches.append(len(requests))
        drawn = [np.random.default_rng(one.seed).random((*one.size, 3)) * (one.seed != 2) for one in requests]
        return SimpleNamespace(images=drawn)

    generator = replace(painter([]), pipe=noisy)
    wish = Wish(prompt="a model")
    made = paint_all(generator, plan, wish, (), [1, 3, 4, 5, 6])
    assert batches == [4, 1]
    for seed, one in zip((1, 3, 4, 5, 6), made, strict=True):
        assert np.array_equal(one, paint(generator, plan, replace(wish, seed=seed), ()))
    one, failed, other = paint_all(generator, plan, wish, (), [1, 2, 3])
    assert isinstance(failed, CheckFailed)
    assert np.array_equal(one, made[0])
    assert np.array_equal(other, made[1])


def test_repainting_fades_towards_a_place_that_is_kept_and_not_towards_the_garment(
    scenes: tuple[Scene, Scene],
) -> None:  # fmt: skip
    asked: list[Inpaint] = []
    plan = plan_of(scenes[0], "figure")
    wish = Wish(prompt="a model", soft_edge=0.04)
    paint(painter(asked), plan, wish, ())
    paint(painter(asked), plan_of(scenes[0], "everything"), wish, ())
    paint(painter(asked), plan, Wish(prompt="a model"), ())
    soft, everything, hard = (one.strengths for one in asked)
    assert everything is None, "nothing of the place is kept"
    assert hard is None
    assert soft is not None
    core = resize_mask(crop(plan.core, plan.box), asked[0].size)
    beside = grow_mask(core, 2) & asked[0].repaint & ~grow_mask(resize_mask(kept_place(plan), core.shape), 6)
    assert beside.sum() > 20
    assert (soft[beside] > 0.4).mean() > 0.9, "a cell beside the garment is half the garment's"
    border = grow_mask(resize_mask(kept_place(plan), core.shape), 1.5) & asked[0].repaint
    assert soft[border].mean() < 0.35
