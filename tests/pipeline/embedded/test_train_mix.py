"""What the detector is asked in training, and that it is trained further from a folder of weights."""

import numpy as np
import pytest
import torch

from pipeline.embedded.captions import SYNONYMS
from pipeline.embedded.detector import build_detector, save_detector
from pipeline.embedded.train.data import Thing
from pipeline.embedded.train.detector import build_student
from pipeline.embedded.train.mix import Mix, share_of_scenes
from pipeline.embedded.train.phrases import ALIKE, absent_phrases, called, choose_phrases
from pipeline.embedded.train.run import EXPORTS, train
from pipeline.errors import RecipeError, WeightsMissing


def test_absent_phrases_name_nothing_that_is_there(cache):
    rng = np.random.default_rng(0)
    for things in cache.things:
        kinds = {t.name for t in things}
        for phrase in absent_phrases(things, rng, 30):
            assert not any(phrase in called(t) for t in things)
            assert phrase.rsplit(" ", 1)[-1] not in kinds


def test_captions_name_what_is_seen_and_never_call_absent_what_was_cut_off(cache):
    rng = np.random.default_rng(0)
    scene = next(things for things in cache.things if len(things) > 3)
    hidden = {phrase for thing in scene[1:] for phrase in called(thing)} - set(called(scene[0]))
    for _ in range(50):
        assert not hidden & set(choose_phrases(scene[:1], rng, scene))


def test_absent_phrases_of_a_kind_are_like_what_is_there(cache):
    rng = np.random.default_rng(0)
    things = next(t for t in cache.things if any(x.name in ALIKE for x in t))
    like = {n for t in things for kind in ALIKE.get(t.name, ()) for n in SYNONYMS[kind]}
    asked = absent_phrases(things, rng, 40, near=1.0)
    assert all(any(phrase.endswith(name) for name in like) for phrase in asked)


def test_a_shoe_is_not_called_absent_where_shoes_are_worn(cache):
    worn = Thing(labels=(1,), name="sneakers", phrases=("shoes", "sneakers"), box=(0, 0, 9, 9))
    sold = Thing(labels=(1,), name="shoe", phrases=("shoe", "sneaker"), box=(0, 0, 9, 9))
    for thing, never in ((worn, {"shoe", "sneaker"}), (sold, {"shoes", "sneakers", "boots"})):
        asked = {p.rsplit(" ", 1)[-1] for p in absent_phrases((thing,), np.random.default_rng(0), 400)}
        assert not asked & never
        assert len(asked) > 20


def test_a_mix_says_how_many_phrases_are_present_and_which_scenes_come_often(cache):
    rng = np.random.default_rng(0)
    things = cache.things[0]
    for here, expected in ((0.0, 0.0), (1.0, 1.0)):
        mix = Mix(here=here, single=0.0, most=2)
        said = [p for _ in range(30) for p in choose_phrases(things, rng, things, mix)]
        assert np.mean([any(p in called(t) for t in things) for p in said]) == expected
    kind = things[-1].name
    steps = np.diff(share_of_scenes(cache, Mix(often={kind: 5.0})), prepend=0)
    often = np.array([any(t.name == kind for t in own) for own in cache.things])
    assert steps.sum() == pytest.approx(1)
    np.testing.assert_allclose(steps[often], 5 / (5 * often.sum() + (~often).sum()))


def test_training_goes_on_from_a_folder_of_weights(scenes, tmp_path, monkeypatch):
    torch.manual_seed(3)
    before = build_detector().state_dict()
    save_detector(before, tmp_path / "weights")
    student = build_student(tmp_path / "weights").state_dict()
    assert all(torch.equal(student[f"detector.{name}"], value.half().float()) for name, value in before.items())
    monkeypatch.setattr("pipeline.embedded.train.run.prepare", lambda runs: (scenes, scenes))
    train("detector", tmp_path / "runs", tmp_path / "weights", steps=1, rate=1e-4)
    EXPORTS["detector-onward"](tmp_path / "runs", tmp_path / "after")
    after = build_student(tmp_path / "after").state_dict()
    moved = [float((after[name] - student[name]).abs().max()) for name in after if name.startswith("detector.")]
    assert 0 < max(moved) < 2e-3
    with pytest.raises(WeightsMissing, match=r"no model\.safetensors"):
        train("detector", tmp_path / "runs", tmp_path)
    with pytest.raises(WeightsMissing, match="holds no SAM"):
        train("sam", tmp_path / "runs", tmp_path / "weights")
    with pytest.raises(RecipeError, match="only sam, detector, inpaint"):
        train("foreground", tmp_path / "runs", tmp_path / "weights")
