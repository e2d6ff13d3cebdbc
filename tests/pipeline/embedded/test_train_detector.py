"""The detector's training: true phrases and boxes, losses that reach every part, exact resume, honest scores."""

from functools import partial

import numpy as np
import pytest
import torch

from pipeline.embedded.detector import build_detector, build_tokenizer, save_detector
from pipeline.embedded.score import score_detector, score_sam
from pipeline.embedded.train.backbone import KINDS, coverage, into_detector, train_backbone
from pipeline.embedded.train.detector import (
    backbone_once,
    batch_of,
    build_student,
    detector_of,
    student_loss,
    train_detector,
)
from pipeline.embedded.train.findings import Finding, average_precision, detection_scores, judged
from pipeline.embedded.train.loop import Schedule, Training
from pipeline.embedded.train.matching import (
    Target,
    answering,
    level_shapes,
    match,
    pair_iou,
    phrase_loss,
    places,
    presence_loss,
    quality_focal,
    shared_out,
)
from pipeline.embedded.train.mix import PLAIN
from pipeline.embedded.train.run import averaged
from pipeline.embedded.train.views import SECOND, shapes_at, view
from pipeline.errors import WeightsMissing


@pytest.mark.parametrize("shape", shapes_at(128))
def test_views_keep_boxes_on_their_things(cache, shape):
    rng = np.random.default_rng(1)
    checked = 0
    for index in [*range(len(cache))] * 4:
        seen = view(cache, index, rng, shape)
        assert seen.pixels.shape == (*shape, 3)
        height, width = seen.labels.shape
        for thing, (x, y, w, h) in zip(seen.things, seen.boxes, strict=True):
            rows, columns = np.isin(seen.labels, thing.labels).nonzero()
            if len(rows) > 40 and len(thing.labels) == 1:
                found = [columns.min() / width, rows.min() / height, columns.max() / width, rows.max() / height]
                assert np.allclose(found, [x - w / 2, y - h / 2, x + w / 2, y + h / 2], atol=0.06)
                checked += 1
    assert checked > 10


def test_some_views_are_far_away_and_some_show_two_scenes(cache):
    views = [view(cache, 0, np.random.default_rng(seed), (128, 128)) for seed in range(60)]
    pairs = [seen for seen in views if any(number >= SECOND for thing in seen.scene for number in thing.labels)]
    assert 2 <= len(pairs) <= 20
    for seen in pairs:
        for thing, (x, *_) in zip(seen.things, seen.boxes, strict=True):
            columns = np.isin(seen.labels, thing.labels).nonzero()[1]
            assert abs(columns.mean() / seen.labels.shape[1] - x) < 0.25
    alone = [seen for seen in views if seen.scene and max(map(max, (t.labels for t in seen.scene))) < SECOND]
    largest = [float(seen.boxes[:, 2:].prod(axis=1).max(initial=0)) for seen in alone]
    assert min(largest) < 0.6 * float(np.median(largest))


def test_cells_say_which_kind_covers_them(cache):
    seen = view(cache, 0, np.random.default_rng(2), (128, 128))
    shares = coverage(seen)
    assert shares.shape == (16, 16, len(KINDS))
    thing = next(t for t in seen.things if t.name in KINDS)
    share = np.isin(seen.labels, [number for t in seen.things if t.name == thing.name for number in t.labels]).mean()
    assert shares[..., KINDS.index(thing.name)].mean() == pytest.approx(share, abs=1e-6)


def test_batches_name_the_boxes_that_they_hold(cache, tmp_path):
    tokenizer = build_tokenizer(tmp_path)
    pixels, ids, mask, targets, shares = batch_of(cache, tokenizer, np.random.default_rng(3), 8, 128)
    assert pixels.shape[:2] == (8, 3)
    assert len(ids) == len(targets) == 8 * PLAIN.captions
    assert shares.shape[1:3] == tuple(side // 8 for side in pixels.shape[2:])
    assert ids.shape == mask.shape
    assert any(len(t.boxes) for t in targets)
    for row, target in enumerate(targets):
        assert len(target.boxes) == len(target.tokens) == len(target.masks)
        assert ((target.boxes >= 0) & (target.boxes <= 1)).all()
        for tokens in target.tokens:
            assert all(200 <= int(ids[row, t]) < 600 for t in tokens)


def test_matching_gives_each_box_the_query_that_lies_on_it():
    boxes = torch.tensor([[0.2, 0.2, 0.1, 0.1], [0.7, 0.7, 0.2, 0.2], [0.5, 0.5, 0.9, 0.9]])
    target = Target(boxes=boxes[[1, 0]], tokens=((1,), (2,)), masks=torch.zeros(2, 8, 8))
    queries, things = match(torch.full((3, 4), -3.0), boxes, target)
    assert dict(zip(queries.tolist(), things.tolist(), strict=True)) == {1: 0, 0: 1}


def test_queries_that_lie_on_a_box_answer_for_it_too():
    boxes = torch.tensor([[0.2, 0.2, 0.1, 0.1], [0.7, 0.7, 0.2, 0.2], [0.71, 0.7, 0.2, 0.2], [0.5, 0.5, 0.9, 0.9]])
    target = Target(boxes=boxes[[1, 0]], tokens=((1,), (2,)), masks=torch.zeros(2, 8, 8))
    queries, things = answering(torch.full((4, 4), -3.0), boxes, target)
    assert sorted(zip(queries.tolist(), things.tolist(), strict=True)) == [(0, 1), (1, 0), (2, 0)]


def test_scores_of_absent_phrases_go_down_and_of_present_ones_up():
    logits = torch.zeros(1, 3, 4, requires_grad=True)
    wanted = torch.zeros(1, 3, 4)
    wanted[0, 2, 1] = 1
    target = Target(boxes=torch.zeros(1, 4), tokens=((1,),), masks=torch.zeros(1, 8, 8), asked=((1,), (2, 3)))
    presence_loss(logits, wanted, [target]).backward()
    assert logits.grad is not None
    assert logits.grad[0, 2, 1] < 0
    assert logits.grad[0, :, 1].count_nonzero() == 1
    assert logits.grad[0, :, 2:].sum() > 0


def test_a_thing_weighs_one_however_many_answer_for_it():
    assert shared_out(torch.tensor([4, 4, 4, 4, 9])).tolist() == [0.25, 0.25, 0.25, 0.25, 1.0]


def test_a_phrase_of_one_place_teaches_as_much_as_one_of_many():
    wanted = torch.zeros(1, 20, 3)
    wanted[0, :10, 0] = 1
    wanted[0, 10, 1] = 1
    target = Target(boxes=torch.zeros(2, 4), tokens=((0,), (1,)), masks=torch.zeros(2, 8, 8), asked=((0,), (1,)))
    each = wanted.clone().requires_grad_()
    phrase_loss(each, wanted, torch.ones(1, 3), [target]).backward()
    assert each.grad is not None
    assert each.grad[0, :10, 0].sum() == pytest.approx(float(each.grad[0, 10, 1]))


def test_a_score_is_taught_to_be_the_boxs_overlap():
    truth = torch.tensor([[0.5, 0.5, 0.4, 0.4], [0.5, 0.5, 0.4, 0.4], [0.9, 0.9, 0.1, 0.1]])
    found = torch.tensor([[0.5, 0.5, 0.4, 0.4], [0.5, 0.6, 0.4, 0.2], [0.1, 0.1, 0.1, 0.1]])
    assert pair_iou(found, truth).tolist() == pytest.approx([1, 0.5, 0.1])  # never less than 0.1: it still answers
    logits = torch.logit(torch.tensor([0.2, 0.5, 0.8])).requires_grad_()
    quality_focal(logits, torch.tensor([0.5, 0.5, 0.5])).sum().backward()
    assert logits.grad is not None
    assert [float(torch.sign(g)) for g in logits.grad] == [-1, 0, 1]


def test_places_are_covered_cells_and_a_small_thing_has_one():
    masks = torch.zeros(2, 64, 64)
    masks[0, :32, :32] = 1
    masks[1, 40, 41] = 1
    target = Target(boxes=torch.zeros(2, 4), tokens=((1,), (1,)), masks=masks)
    shapes = level_shapes(torch.zeros(1, 3, 128, 128), 4)
    assert shapes == [(16, 16), (8, 8), (4, 4), (2, 2)]
    on = places(target, shapes)
    assert on.sum(1).tolist() == [64 + 16 + 4 + 1, 1]
    assert on[1].nonzero().item() == 10 * 16 + 10


def test_the_losses_reach_every_part(cache, tmp_path):
    torch.manual_seed(0)
    student = build_student(None)
    batch = batch_of(cache, build_tokenizer(tmp_path), np.random.default_rng(0), 2, 128)
    detected, (dense, _) = student_loss(student, *batch)
    (detected + dense).backward()
    idle = {n for n, p in student.named_parameters() if p.grad is None}
    assert not [n for n in idle if "pooler" not in n and "swin.layernorm" not in n and "text_backbone" not in n]


def test_one_run_of_the_backbone_answers_for_all_captions_of_a_picture():
    torch.manual_seed(0)
    model = build_detector().model.eval()
    calls: list[int] = []
    model.backbone.conv_encoder.register_forward_pre_hook(lambda _m, args: calls.append(len(args[0])))
    pixels = torch.randn(2, 3, 128, 128).repeat_interleave(2, 0)
    mask = torch.ones(4, 128, 128, dtype=torch.long)
    with torch.no_grad():
        plain = model.backbone(pixels, mask)
        with backbone_once(model, 2):
            shared = model.backbone(pixels, mask)
        model.backbone(pixels, mask)
    assert calls == [4, 2, 4]
    for (one, _), (other, _) in zip(plain[0], shared[0], strict=True):
        torch.testing.assert_close(one, other)
    for one, other in zip(plain[1], shared[1], strict=True):
        torch.testing.assert_close(one, other)


def test_an_earlier_stage_is_taken_up_whole(scenes, tmp_path):
    train_detector(tmp_path, scenes, schedule=Schedule(steps=1, rate=1e-3, warmup=1), batch=1, side=128)
    student = build_student(tmp_path / "checkpoint.pt").state_dict()
    average = averaged(tmp_path)
    assert all(torch.equal(student[name], average[name]) for name in average)


def test_a_trained_backbone_becomes_the_detectors(scenes, tmp_path):
    train_backbone(tmp_path, scenes, schedule=Schedule(steps=2, rate=1e-3, warmup=1), batch=2)
    average = averaged(tmp_path)
    student = build_student(tmp_path / "checkpoint.pt").state_dict()
    name = "backbone.conv_encoder.model.swin.embeddings.patch_embeddings.projection.weight"
    assert torch.equal(student[f"detector.model.{name}"], average[name])
    assert torch.equal(student["heads.0.weight"], average["heads.0.weight"])
    with pytest.raises(ValueError, match="the detector lacks"):
        into_detector({"backbone.other": torch.zeros(1)}, build_detector())


# Several threads add up a gradient in whatever order they end: equal to six digits and not to the last bit.
@pytest.mark.usefixtures("one_thread")
def test_a_detector_that_was_stopped_ends_as_one_that_was_not_and_is_scored(scenes, tmp_path, monkeypatch):
    schedule = Schedule(steps=4, rate=1e-4, warmup=1)
    train_detector(tmp_path / "whole", scenes, schedule=schedule, batch=2, side=128)
    monkeypatch.setattr("pipeline.embedded.train.detector.Training", partial(Training, save_every=2))
    calls: list[int] = []

    def stop(*args):
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return student_loss(*args)

    with monkeypatch.context() as patch:
        patch.setattr("pipeline.embedded.train.detector.student_loss", stop)
        with pytest.raises(KeyboardInterrupt):
            train_detector(tmp_path / "halves", scenes, schedule=schedule, batch=2, side=128)
    assert torch.load(tmp_path / "halves" / "checkpoint.pt", weights_only=True)["step"] == 2
    train_detector(tmp_path / "halves", scenes, schedule=schedule, batch=2, side=128)
    whole, halves = averaged(tmp_path / "whole"), averaged(tmp_path / "halves")
    assert all(torch.equal(whole[name], halves[name]) for name in whole)

    save_detector(detector_of(whole), tmp_path / "folder")
    scores = score_detector(tmp_path / "folder", scenes=2)
    assert set(scores) >= {"ap50", "recall_0.35", "precision_0.35", "present_over_0.35", "absent_under_0.25"}
    assert scores["ap50"] < 0.3
    with pytest.raises(WeightsMissing, match="studio train detector"):
        score_detector(tmp_path / "nothing", scenes=1)
    with pytest.raises(WeightsMissing, match="studio train detector"):
        score_sam(scenes=1, detector=tmp_path / "nothing")


def finding(boxes, scores, truth) -> Finding:
    return Finding(
        scene=0,
        phrase="x",
        boxes=np.array(boxes, np.float32).reshape(-1, 4),
        scores=np.array(scores, np.float32),
        truth=np.array(truth, np.float32).reshape(-1, 4),
    )


HERE, THERE = (0.1, 0.1, 0.4, 0.4), (0.5, 0.5, 0.9, 0.9)


def test_a_box_is_right_once():
    found = finding([HERE, (0.1, 0.1, 0.4, 0.42), THERE], [0.9, 0.8, 0.7], [HERE, THERE])
    assert judged(found).tolist() == [True, False, True]
    assert judged(finding([HERE], [0.9], [])).tolist() == [False]


def test_average_precision_is_the_area_under_precision():
    right, scores = np.array([True, False, True]), np.array([0.9, 0.8, 0.7], np.float32)
    assert average_precision(right, scores, 2) == pytest.approx((1 + 2 / 3) / 2)
    assert average_precision(right, scores, 4) == pytest.approx((1 + 2 / 3) / 4)


def test_a_perfect_detector_scores_one_and_a_blind_one_zero():
    perfect = [finding([HERE, THERE], [0.9, 0.1], [HERE]), finding([THERE], [0.1], [])]
    scores = detection_scores(perfect)
    assert [scores[n] for n in ("ap50", "recall_0.5", "precision_0.5", "top1_right", "separation")] == [1] * 5
    assert scores["present_over_0.35"] == scores["absent_under_0.25"] == 1
    blind = detection_scores([finding([THERE], [0.3], [HERE]), finding([THERE], [0.4], [])])
    assert [blind[n] for n in ("ap50", "recall_0.25", "precision_0.25", "top1_right", "separation")] == [0] * 5
