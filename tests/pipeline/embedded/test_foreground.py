"""The foreground network: its folder, its lessons, its training, and what the shipped one sees."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from pipeline.embedded.foreground import (
    SIDE_PX,
    build_foreground,
    foreground,
    load_foreground,
    save_foreground,
)
from pipeline.embedded.render import render_product
from pipeline.embedded.train.foreground import SCHEDULE, export_foreground, mask_loss, train_foreground
from pipeline.embedded.train.lessons import (
    LESSON_PX,
    Lessons,
    drawn,
    lessons_of,
    rendered,
    rendered_places,
    surroundings,
)
from pipeline.errors import WeightsMissing

WIDTHS = (8, 8, 8, 8)


@pytest.fixture(scope="module")
def renders() -> Lessons:
    return rendered(6, seed=40)


def tiny() -> torch.nn.Module:
    torch.manual_seed(3)
    network: torch.nn.Module = build_foreground(WIDTHS).eval()
    return network


def test_every_pixel_of_any_picture_gets_a_probability() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (90, 211, 3), np.uint8)
    seen = foreground(picture, tiny())
    assert seen.shape == (90, 211)
    assert seen.dtype == np.float32
    assert 0 <= seen.min() < seen.max() <= 1


def test_a_mirrored_picture_gets_the_mirrored_answer() -> None:
    picture = np.random.default_rng(1).integers(0, 256, (SIDE_PX, SIDE_PX, 3), np.uint8)
    network = tiny()
    np.testing.assert_allclose(foreground(picture[:, ::-1], network), foreground(picture, network)[:, ::-1], atol=1e-5)


def test_a_folder_brings_the_network_back(tmp_path) -> None:
    network = tiny()
    save_foreground(network.state_dict(), tmp_path, widths=WIDTHS)
    picture = np.random.default_rng(2).integers(0, 256, (64, 64, 3), np.uint8)
    np.testing.assert_allclose(foreground(picture, load_foreground(tmp_path)), foreground(picture, network), atol=2e-2)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_folder_without_a_file_is_refused_by_name(tmp_path, name: str) -> None:
    save_foreground(tiny().state_dict(), tmp_path, widths=WIDTHS)
    (tmp_path / name).unlink()
    with pytest.raises(WeightsMissing, match=name):
        load_foreground(tmp_path)


def test_lessons_survive_their_file(tmp_path, renders: Lessons) -> None:
    unknown = lessons_of([(np.zeros((30, 50, 3), np.uint8), None)])
    assert not unknown.known.any()
    assert unknown.images.shape == (1, LESSON_PX, LESSON_PX, 3)
    renders.save(tmp_path / "deep" / "lessons.npz")
    opened = Lessons.open(tmp_path / "deep" / "lessons.npz")
    np.testing.assert_array_equal(opened.images, renders.images)
    np.testing.assert_array_equal(opened.alphas, renders.alphas)
    assert opened.known.all()
    assert 0.02 < (opened.alphas > 127).mean() < 0.9


def test_a_drawn_lesson_depends_on_its_generator_alone(renders: Lessons) -> None:
    places = rendered_places(8, seed=40)
    first, truth = drawn(np.random.default_rng(5), [renders], renders, places, SIDE_PX)
    again, same = drawn(np.random.default_rng(5), [renders], renders, places, SIDE_PX)
    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal(truth, same)
    assert first.shape == (SIDE_PX, SIDE_PX, 3)
    assert truth.shape == (SIDE_PX, SIDE_PX)
    assert truth.max() <= 1


def test_subjects_stand_in_many_places(renders: Lessons) -> None:
    places = rendered_places(8, seed=40)
    assert places.shape == (8, LESSON_PX, LESSON_PX, 3)
    made = [surroundings(np.random.default_rng(seed), renders, places) for seed in range(12)]
    assert all(place.shape == (LESSON_PX, LESSON_PX, 3) for place in made)
    assert len({round(float(place.mean()), 1) for place in made}) > 9
    shares = [float(drawn(np.random.default_rng(s), [renders], renders, places, SIDE_PX)[1].mean()) for s in range(20)]
    assert max(shares) > 3 * min(shares)


def test_the_loss_is_least_for_the_truth() -> None:
    truth = torch.zeros(2, 1, 16, 16)
    truth[:, :, 4:9, 4:9] = 1
    right = mask_loss(20 * truth - 10, truth)
    assert right < 0.01
    assert mask_loss(torch.zeros_like(truth), truth) > 1
    assert mask_loss(10 - 20 * truth, truth) > 5


def test_training_goes_on_where_it_stopped_and_exports_a_network(tmp_path, renders: Lessons) -> None:
    renders.save(tmp_path / "lessons-renders.npz")
    train_foreground(tmp_path, schedule=replace(SCHEDULE, steps=2), batch=2)
    train_foreground(tmp_path, schedule=replace(SCHEDULE, steps=3), batch=2)
    assert torch.load(tmp_path / "foreground" / "checkpoint.pt", weights_only=True)["step"] == 3
    export_foreground(tmp_path, tmp_path / "out")
    seen = foreground(renders.images[0], load_foreground(tmp_path / "out"))
    assert seen.shape == (LESSON_PX, LESSON_PX)


@pytest.mark.parametrize(("kind", "seed", "place"), [("shoe", 3, "wood"), ("bottle", 6, "marble"), ("mug", 8, "wall")])
def test_the_shipped_network_sees_products_before_any_backdrop(kind: str, seed: int, place: str) -> None:
    scene = render_product(kind, seed, (384, 384), backdrop=place)
    seen, true = foreground(scene.image) > 0.5, scene.alpha > 0.5
    assert np.count_nonzero(seen & true) / np.count_nonzero(seen | true) > 0.9
