"""The segmenter's lessons: true masks in pictures of all shapes; deeper networks that begin equal."""

import numpy as np
import pytest
import torch

from pipeline.embedded.sam import TINY, build_sam, save_sam
from pipeline.embedded.train.growing import grown
from pipeline.embedded.train.mix import Mix
from pipeline.embedded.train.run import EXPORTS, train
from pipeline.embedded.train.sam_views import SEGMENTED, frame_of, sample
from pipeline.embedded.train.views import paired

EMPTY = np.array([123.0, 116.0, 104.0], np.float32)
ALONE = Mix(far=0.0, pairs=0.0, dim=0.0)
SHALLOW = TINY.__class__(**{**TINY.__dict__, "depth": 4, "global_blocks": (2,)})


def drawn(cache, count, mix=SEGMENTED):
    found = (sample(cache, np.random.default_rng(seed), 128, EMPTY, mix) for seed in range(count))
    return [one for one in found if one is not None]


def test_boxes_stand_around_their_masks(cache):
    off = []
    for one in drawn(cache, 40):
        for box, mask in zip(one.boxes, one.masks, strict=True):
            rows, columns = np.nonzero(mask > 0.5)
            edges = 2 * np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
            sides = np.maximum(edges[2:] - edges[:2], 4)
            off.append(np.abs(edges - box) / np.tile(sides, 2))
    assert np.median(off) < 0.06
    assert np.mean(np.array(off) > 0.3) < 0.05


def test_upright_and_lying_photos_leave_the_rest_of_the_frame_empty(cache):
    shapes = {frame_of(np.random.default_rng(seed), 128) for seed in range(60)}
    assert (128, 128) in shapes
    assert any(height < width for height, width in shapes)
    assert any(height > width for height, width in shapes)
    empty = 0
    for one in drawn(cache, 40):
        nothing = (one.pixels == EMPTY).all(axis=2)
        outside = nothing[-1].all() or nothing[:, -1].all()
        empty += int(outside)
        assert not (one.masks * nothing[::2, ::2]).any() or not outside
    assert 8 < empty < 32


def test_two_scenes_stand_in_one_picture(cache):
    """Of a pair every mask keeps to its own half; the second scene's labels are not the first's."""
    pairs = drawn(cache, 12, Mix(far=0.0, pairs=1.0, dim=0.0))
    sides = set()
    for one in pairs:
        rows = np.flatnonzero((one.pixels == EMPTY).all(axis=2).all(axis=1))
        assert one.masks.shape[1:] == (64, 64)
        assert len(rows) < 128
        for mask in one.masks:
            columns = np.flatnonzero((mask > 0.5).any(axis=0))
            sides.add(bool(columns.mean() > 32))
    assert sides == {True, False}


def test_every_scene_is_paired_with_the_next(cache):
    both = paired(cache)
    assert len(both) == len(cache)
    side = cache.images.shape[1]
    middle = slice(side // 4, side // 4 + side // 2)
    assert np.array_equal(both.images[0][:, : side // 2], cache.images[0][:, middle])
    assert np.array_equal(both.images[-1][:, side // 2 :], cache.images[0][:, middle])
    for index, things in enumerate(both.things):
        for thing in things:
            columns = np.flatnonzero(both.mask(index, thing).any(axis=0))
            assert (columns < side // 2).all() or (columns >= side // 2).all()


def test_the_same_draw_gives_the_same_lesson(cache):
    one, again = (sample(cache, np.random.default_rng(3), 128, EMPTY, ALONE) for _ in range(2))
    assert one is not None
    assert again is not None
    assert np.array_equal(one.pixels, again.pixels)
    assert np.array_equal(one.boxes, again.boxes)


def test_a_deeper_network_begins_where_the_shallower_one_stands():
    torch.manual_seed(0)
    shallow, deep = build_sam(SHALLOW.at(64)), build_sam(TINY.at(64))
    for encoder in (shallow.image_encoder, deep.image_encoder):
        for block in encoder.blocks:
            torch.nn.init.normal_(block.attn.rel_pos_h, std=0.1)
    deep.load_state_dict(grown(shallow.state_dict(), deep.state_dict()))
    picture = torch.randn(1, 3, 64, 64)
    assert torch.equal(shallow.image_encoder(picture), deep.image_encoder(picture))
    with pytest.raises(ValueError, match="no weights to begin from"):
        grown({}, deep.state_dict())


def test_a_segmenter_is_trained_further_from_a_shallower_folder(tmp_path, monkeypatch, scenes):
    monkeypatch.setattr("pipeline.embedded.train.run.prepare", lambda runs: (scenes, None))
    monkeypatch.setattr("pipeline.embedded.train.run.FULL_PX", 64)
    torch.manual_seed(0)
    save_sam(build_sam(SHALLOW.at(64)).state_dict(), SHALLOW.at(64), tmp_path / "before")
    train("sam", tmp_path / "runs", tmp_path / "before", steps=2, rate=1e-3)
    EXPORTS["sam-onward"](tmp_path / "runs", tmp_path / "after")
    assert (tmp_path / "after" / "model.safetensors").exists()
