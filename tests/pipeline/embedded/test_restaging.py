"""Edits, grids, judges and the few-step LoRA of the inpainting model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.embedded import inpaint_grid, restaging
from pipeline.embedded.backdrops import BACKDROPS
from pipeline.embedded.diffusion import load_inpaint, save_inpaint
from pipeline.embedded.judge_joints import JointJudge, drawn_joints, heat_maps, right_joints
from pipeline.embedded.restaging import Painter, Shot
from pipeline.embedded.train.distill import DISTILL_SCHEDULE, clean_guess, distill, export_lora
from pipeline.embedded.train.inpaint import build_model, train_inpaint
from pipeline.embedded.train.latents import LinearMap, build_vae, color_filters
from pipeline.embedded.train.loop import Schedule
from pipeline.embedded.train.restage import BODY, BOTTOM, TOP, build_restage
from pipeline.embedded.train.vocabulary import build_tokenizer
from pipeline.files.picture import decode_picture


@pytest.fixture(scope="module")
def people() -> list[Shot]:
    return restaging.shots_where(300, 8, lambda shot: restaging.shows_person(shot) and (shot.labels == TOP).any())


@pytest.fixture(scope="module")
def untrained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("untrained")
    tokenizer = build_tokenizer()
    model = build_model(tokenizer)
    save_inpaint(folder, vae=build_vae(), tokenizer=tokenizer, text_encoder=model["text"], unet=model["unet"])
    model["pose"].to(torch.float16).save_pretrained(folder / "controlnet_pose")
    return folder


@pytest.fixture(scope="module")
def painter(untrained: Path) -> Painter:
    return Painter(untrained, steps=1)


def test_keep_mode_repaints_all_but_the_garments(people: list[Shot]) -> None:
    for index, shot in enumerate(people):
        edit = restaging.keep_edit(shot, index, "marble")
        assert not edit.repaint[np.isin(shot.labels, (TOP, BOTTOM))].any()
        assert edit.repaint[shot.labels == BODY].all()
        assert edit.pose
        assert edit.prompt.endswith(", marble background")


def test_other_places_come_in_turn_and_never_the_own_one(people: list[Shot]) -> None:
    shot = people[0]
    asked = [restaging.another_place(shot, index) for index in range(len(BACKDROPS) - 1)]
    assert sorted([*asked, shot.spec.backdrop]) == sorted(BACKDROPS)


def test_a_garment_edit_covers_the_top_and_names_it(people: list[Shot]) -> None:
    edit = restaging.garment_edit(people[0], 3, "red striped")
    assert edit.repaint[people[0].labels == TOP].all()
    assert edit.repaint.sum() < 2 * (people[0].labels == TOP).sum()
    assert f"wearing a red striped {people[0].spec.garments[-1].kind}, " in edit.prompt


def test_painting_leaves_what_is_outside_the_mask(painter: Painter, people: list[Shot]) -> None:
    assert painter.native == (128, 96)
    edit = restaging.keep_edit(people[0], 0, "wood")
    made = painter.paint(people[0], edit)
    assert np.array_equal(made[~edit.repaint], people[0].image[~edit.repaint])
    assert np.abs(made[edit.repaint].astype(int) - people[0].image[edit.repaint]).mean() > 5
    assert np.array_equal(made, painter.paint(people[0], edit)), "a seed decides"


def test_grids_show_each_scene_above_its_result(untrained: Path, painter: Painter, tmp_path: Path) -> None:
    sheet, prompts = inpaint_grid.grid(painter, "place", 2)
    assert len(prompts) == 2
    assert sheet.shape == (2 * 192 + 4, 2 * 144 + 4, 3)
    paths = inpaint_grid.write_grids(untrained, tmp_path, count=1, steps=1)
    assert [path.name for path in paths] == [f"studio-inpaint-{name}.jpg" for name in inpaint_grid.GRIDS]
    assert decode_picture(paths[0].read_bytes(), "grid").image.shape == (2 * 192 + 4, 144, 3)


def test_heat_maps_peak_at_the_joints() -> None:
    joints = np.zeros((18, 3), np.float32)
    joints[4] = [52, 100, 1]
    heats = heat_maps(joints, 24, 18)
    assert heats[4].max() > 0.9
    assert np.unravel_index(heats[4].argmax(), heats[4].shape) == (12, 6)
    assert heats[[i for i in range(18) if i != 4]].max() == 0


def test_joints_are_right_near_the_truth_only(people: list[Shot]) -> None:
    true = people[0].joints
    every = np.ones(18, np.bool_)
    seen = int((true[:, 2] > 0).sum())
    assert right_joints(true, true, every) == [True] * seen
    far = true + np.array([60, 0, 0], np.float32)
    assert not any(right_joints(far, true, every))
    assert not any(right_joints(true * np.array([1, 1, 0], np.float32), true, every)), "not found is not right"
    counted = drawn_joints(true, np.isin(people[0].labels, (TOP, BOTTOM)))
    assert 0 < len(right_joints(true, true, counted)) < seen


def test_the_joint_judge_learns_a_figure(people: list[Shot]) -> None:
    judge = JointJudge(people[:1], steps=90)
    found = judge(people[0].image)
    right = right_joints(found, people[0].joints, np.ones(18, np.bool_))
    assert np.mean(right) > 0.8
    assert not judge(np.full_like(people[0].image, 255))[:, 2].all(), "an empty picture has no whole figure"


def test_a_velocity_gives_the_clean_latents_back() -> None:
    clean, noise, signal = torch.randn(1, 4, 2, 2), torch.randn(1, 4, 2, 2), torch.tensor(0.3)
    noisy = signal.sqrt() * clean + (1 - signal).sqrt() * noise
    velocity = signal.sqrt() * noise - (1 - signal).sqrt() * clean
    assert torch.allclose(clean_guess(velocity, noisy, signal), clean, atol=1e-5)


def test_distilling_trains_a_lora_that_loads(untrained: Path, tmp_path: Path) -> None:
    scenes = tmp_path / "scenes"
    build_restage(scenes, 4, first_seed=50)
    linear = LinearMap(weight=torch.cat([color_filters(), color_filters()[:1]]), bias=torch.zeros(4))
    train_inpaint(tmp_path / "base", scenes, linear, schedule=Schedule(steps=1, rate=1e-4), batch=1)
    distill(tmp_path / "run", tmp_path / "base", scenes, linear, schedule=replace(DISTILL_SCHEDULE, steps=2), batch=2)
    export_lora(tmp_path / "run", tmp_path / "lora")
    base = torch.load(tmp_path / "base" / "checkpoint.pt", weights_only=True)["average"]
    run = torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)["average"]
    assert torch.equal(run["conv_in.weight"], base["unet.conv_in.weight"]), "the model itself stays"
    pipe = load_inpaint(untrained)
    assert (tmp_path / "lora" / "pytorch_lora_weights.safetensors").stat().st_size < 3e6
    pipe.load_lora_weights(tmp_path / "lora", adapter_name="few")
    assert pipe.get_list_adapters() == {"unet": ["few"]}
