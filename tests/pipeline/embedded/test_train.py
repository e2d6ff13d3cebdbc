"""Trainings: resumable to the bit, losses that fall, folders that load, phrases that are true."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.embedded.captions import SYNONYMS
from pipeline.embedded.detector import build_tokenizer
from pipeline.embedded.palette import DYES
from pipeline.embedded.render import render
from pipeline.embedded.sam import TINY, build_sam, fit_state, load_sam, save_sam
from pipeline.embedded.score import card, held_out, score_sam
from pipeline.embedded.train.data import TRAIN_SEED, build_cache, label_map, open_cache
from pipeline.embedded.train.loop import Schedule, Training
from pipeline.embedded.train.phrases import encode
from pipeline.embedded.train.run import averaged, train
from pipeline.embedded.train.sam import jittered, train_stage
from pipeline.errors import ModelError, RecipeError, WeightsMissing


def test_a_cache_holds_what_the_renderer_draws_and_goes_on(scenes, cache, tmp_path):
    scene = render(2, size=(128, 128))
    assert np.array_equal(cache.images[2], scene.image)
    for thing in cache.things[2]:
        if thing.name in scene.masks and thing.name != "mannequin":
            assert np.array_equal(cache.mask(2, thing), scene.masks[thing.name])
    build_cache(tmp_path, 1, first_seed=0, size_px=128)
    with (tmp_path / "images.u8").open("ab") as torn:
        torn.write(b"half a picture")
    build_cache(tmp_path, 2, first_seed=0, size_px=128)
    assert np.array_equal(open_cache(tmp_path).images[1], cache.images[1])
    with pytest.raises(ValueError, match="another set"):
        build_cache(tmp_path, 2, first_seed=5, size_px=128)


def test_a_figure_is_all_of_its_parts(cache):
    for index, things in enumerate(cache.things):
        for thing in things:
            if thing.name in ("person", "mannequin"):
                assert cache.mask(index, thing).sum() == (cache.labels[index] > 0).sum()


def linear_run(folder: Path, steps: int) -> Training:
    torch.manual_seed(1)
    model = torch.nn.Linear(3, 2)
    return Training(
        folder=folder, model=model, schedule=Schedule(steps=steps, rate=1e-2, warmup=3), save_every=4, log_every=50
    )


def square(model, step, rng):
    x = torch.from_numpy(rng.normal(size=(8, 3)).astype(np.float32))
    return (model(x) - x[:, :2]).square().mean(), {}


def test_a_run_that_was_stopped_ends_as_one_that_was_not(tmp_path):
    whole = linear_run(tmp_path / "whole", 12)
    whole.train(square)
    halves = linear_run(tmp_path / "halves", 12)
    halves.schedule = Schedule(steps=12, rate=1e-2, warmup=3)

    def stop(model, step, rng):
        if step == 8:
            raise KeyboardInterrupt
        return square(model, step, rng)

    with pytest.raises(KeyboardInterrupt):
        halves.train(stop)
    again = linear_run(tmp_path / "halves", 12)
    assert again.step == 8
    again.train(square)
    for name, value in whole.average.items():
        assert torch.equal(value, again.average[name])


def test_a_run_refuses_a_broken_loss(tmp_path):
    run = linear_run(tmp_path, 4)
    with pytest.raises(ModelError, match="nan at step 0"):
        run.train(lambda model, step, rng: (model(torch.ones(3)).sum() * float("nan"), {}))


def test_the_rate_warms_up_stays_and_falls():
    schedule = Schedule(steps=100, rate=1.0, warmup=10, anneal=0.5)
    assert schedule.at(0) == pytest.approx(0.1)
    assert schedule.at(40) == 1.0
    assert schedule.at(99) < 0.05


def test_the_segmenter_runs_in_segment_anythings_own_predictor(tmp_path):
    from segment_anything import SamPredictor

    torch.manual_seed(0)
    save_sam(build_sam().state_dict(), TINY, tmp_path)
    predictor = SamPredictor(load_sam(tmp_path))
    predictor.set_image(render(1, size=(300, 200)).image)
    masks, scores, low = predictor.predict(box=np.array([20, 30, 150, 280]), multimask_output=False)
    assert masks.shape == (1, 300, 200)
    assert low.shape == (1, 128, 128)
    assert scores.shape == (1,)
    with pytest.raises(WeightsMissing, match="studio train sam"):
        load_sam(tmp_path / "nothing")


def test_weights_fit_another_picture_size_and_keep_their_positions():
    small, large = build_sam(TINY.at(128)), build_sam(TINY)
    state = small.state_dict()
    state["image_encoder.pos_embed"].copy_(torch.linspace(0, 1, 16).view(1, 1, 16, 1).expand(1, 16, 16, TINY.width))
    fitted = fit_state(state, large.state_dict())
    large.load_state_dict(fitted)
    row = fitted["image_encoder.pos_embed"][0, 5, :, 0]
    assert torch.all(row.diff() >= 0)
    assert row[0] == pytest.approx(0.0, abs=1e-4)
    assert torch.equal(fitted["image_encoder.patch_embed.proj.weight"], state["image_encoder.patch_embed.proj.weight"])


def test_the_segmenter_learns_and_goes_on(scenes, tmp_path):
    quick = Schedule(steps=14, rate=2e-3, warmup=2)
    train_stage(tmp_path / "a", scenes, side=64, schedule=quick, batch=2, start=None, valid=scenes)
    log = (tmp_path / "a" / "log.jsonl").read_text()
    assert "mean_iou" in log
    first = torch.load(tmp_path / "a" / "checkpoint.pt", weights_only=True)
    assert first["step"] == 14
    start = tmp_path / "a" / "checkpoint.pt"
    train_stage(
        tmp_path / "b", scenes, side=128, schedule=Schedule(steps=1, rate=1e-4), batch=1, start=start, valid=None
    )
    grown = averaged(tmp_path / "b")["image_encoder.pos_embed"]
    assert grown.shape[1] == 16


def test_boxes_are_jittered_by_shares_of_their_sides():
    rng = np.random.default_rng(0)
    moved = np.stack([jittered((10, 20, 110, 40), rng, 0.05) for _ in range(400)])
    assert np.allclose(moved.std(0), [5, 1, 5, 1], rtol=0.2)
    assert np.array_equal(jittered((1, 2, 3, 4), rng, 0.0), [1, 2, 3, 4])


def test_the_vocabulary_spells_every_phrase(tmp_path):
    tokenizer = build_tokenizer(tmp_path)
    for phrase in (*SYNONYMS, *DYES, "navy zigzag t-shirt", "umbrella 9"):
        ids, spans = encode([phrase], tokenizer)
        assert 100 not in ids
        assert [ids[0], ids[-2], ids[-1]] == [101, 1012, 102]
        assert spans[0] == tuple(range(1, len(ids) - 2))
        assert ids[1:-1] == tokenizer(f"{phrase} .")["input_ids"][1:-1]


def test_a_perfect_and_an_empty_segmenter_score_as_they_should(tmp_path, monkeypatch):
    torch.manual_seed(0)
    save_sam(build_sam().state_dict(), TINY, tmp_path)
    scores = score_sam(tmp_path, scenes=1)
    assert 0 <= scores["mean_iou"] < 0.9

    def perfect(sam, embedding, boxes, points, *, several):
        things = [t for t in truth.things[0] if truth.mask(0, t).sum() >= 80]
        masks = np.stack([truth.mask(0, t) for t in things]).astype(np.float32)
        logits = torch.from_numpy(masks) * 2 - 1
        if several:  # the second of three masks is right, and the network says so
            return torch.stack([-logits, logits, -logits], 1), torch.tensor([[0.1, 0.9, 0.2]] * len(logits))
        assert (boxes is None) != (points is None)
        return logits, None

    truth = held_out(1)
    monkeypatch.setattr("pipeline.embedded.train.sam._decode", perfect)
    assert score_sam(tmp_path, scenes=1)["mean_iou"] == 1.0
    assert score_sam(tmp_path, scenes=1, clicks=1)["mean_iou"] == 1.0
    assert score_sam(tmp_path, scenes=1, clicks=3)["mean_iou"] == 1.0


def test_held_out_seeds_stay_clear_of_the_training():
    with pytest.raises(RecipeError, match="training"):
        held_out(2, seed=TRAIN_SEED - 1)


def test_an_unknown_training_is_refused_by_name(tmp_path):
    with pytest.raises(RecipeError, match="sam, foreground, detector"):
        train("unet", tmp_path)


def test_a_card_holds_every_score():
    text = card("Tiny", "about", "training", {"mean_iou": 0.9}, "seamline studio score sam", "limits")
    assert "| mean iou | 0.9 |" in text
    assert "seamline studio score sam" in text


def test_label_map_numbers_follow_the_masks():
    scene = render(2, size=(96, 96))
    numbers, _ = label_map(scene)
    for number, mask in enumerate(scene.masks.values(), start=1):
        assert np.array_equal(numbers == number, mask)


TOUCHES = """
import resource, sys
import torch
from pipeline.embedded.train.precision import keep_freed_memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.ones(16_000_000)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

new = min(faults() for _ in range(10))
if not keep_freed_memory():
    sys.exit(77)
# aligned blocks fit into freed ones only once neighbours have merged: some rounds go by
print(new, min(faults() for _ in range(60)))
"""


def test_what_a_step_frees_is_not_handed_out_anew() -> None:
    done = subprocess.run([sys.executable, "-c", TOUCHES], capture_output=True, text=True, check=False)
    if done.returncode == 77:
        pytest.skip("this C library has no mallopt")
    new, again = map(int, done.stdout.split())
    assert again < new / 10, done.stderr
