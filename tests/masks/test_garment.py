"""A garment's mask follows the photo's colours, keeps to the figure, and never takes a face."""

from __future__ import annotations

import numpy as np
import pytest

from masks import ops
from masks.find import Detected
from masks.garment import find_garment, sharpened
from pipeline.embedded.render import worn_pair
from pipeline.embedded.scene import Scene
from pipeline.errors import ItemError, NothingFound
from pipeline.types import Image, Mask, Picture

SIZE = (384, 288)


@pytest.fixture(scope="module")
def scene() -> Scene:
    return worn_pair(201, size=SIZE)[0]


def coarse(mask: Mask) -> Mask:
    """What a small segmenter gives: blocks of eight pixels, half of a side lost."""
    small = mask[::8, ::8]
    return np.repeat(np.repeat(small, 8, 0), 8, 1)[: mask.shape[0], : mask.shape[1]]


def test_a_blocky_mask_gets_the_garments_own_edge(scene: Scene) -> None:
    kind = scene.spec.garments[-1].kind
    truth = scene.masks[kind]
    rough = coarse(truth)
    better = sharpened(scene.image, rough, scene.alpha > 0.5)
    assert ops.iou(better, truth) > ops.iou(rough, truth) + 0.02
    assert np.array_equal(better, sharpened(scene.image, rough, scene.alpha > 0.5))


def test_what_is_surely_no_garment_is_left_out(scene: Scene) -> None:
    truth = scene.masks[scene.spec.garments[-1].kind]
    never = np.zeros(SIZE, bool)
    rows, columns = np.nonzero(truth)
    never[rows.min() : rows.min() + 20, columns.min() : columns.max()] = True
    mask = sharpened(scene.image, truth, None, never)
    assert (mask & ops.shrink(never, 4)).sum() < 0.1 * (truth & never).sum()


def answering(scene: Scene, scores: dict[str, float]) -> object:
    def find(image: Image, phrases: object) -> list[Detected]:
        return [Detected(coarse(scene.masks[kind]), score, kind) for kind, score in scores.items()]

    return find


def test_all_phrases_are_kept_and_the_weakest_decides(scene: Scene) -> None:
    kinds = [garment.kind for garment in scene.spec.garments]
    detector = answering(scene, dict.fromkeys(kinds, 0.5) | {kinds[0]: 0.3})
    subject = find_garment(Picture(image=scene.image), kinds, detector)  # type: ignore[arg-type]
    truth = np.logical_or.reduce([scene.masks[kind] for kind in kinds])
    assert ops.iou(subject.mask, truth) > 0.85
    assert subject.confidence == pytest.approx(0.3)


def test_a_phrase_without_an_answer_is_named(scene: Scene) -> None:
    detector = answering(scene, {})
    with pytest.raises(NothingFound, match="kimono"):
        find_garment(Picture(image=scene.image), ["kimono"], detector)  # type: ignore[arg-type]
    with pytest.raises(ItemError, match="phrases"):
        find_garment(Picture(image=scene.image), [], detector)  # type: ignore[arg-type]
