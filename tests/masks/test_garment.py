"""A garment's mask follows the photo's colours, keeps to the figure, and never takes a face."""

from __future__ import annotations

import numpy as np
import pytest

from masks import ops
from masks.find import Detected
from masks.garment import find_garment, segmented_again, sharpened, with_own_edge
from pipeline.embedded.render import worn_pair
from pipeline.embedded.scene import Scene
from pipeline.errors import ItemError, NothingFound
from pipeline.types import Image, Mask, Picture, Subject

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


def found(image: Image, mask: Mask) -> Subject:
    return Subject(
        mask=mask, alpha=mask.astype(np.float32), foreground=image, confidence=0.7, finder="grounding_dino",
        reasons=("seen",),
    )  # fmt: skip


def test_a_detected_garment_gets_its_own_edge_and_keeps_its_confidence(scene: Scene) -> None:
    truth = scene.masks[scene.spec.garments[-1].kind]
    rough = found(scene.image, coarse(truth))
    better = with_own_edge(Picture(image=scene.image), rough)
    assert ops.iou(better.mask, truth) > ops.iou(rough.mask, truth) + 0.02
    assert ((better.alpha > 0) & (better.alpha < 1)).any(), "a soft edge"
    assert (better.confidence, better.finder, better.reasons) == (0.7, "grounding_dino", ("seen",))


def test_a_mask_that_sharpening_would_replace_is_left_as_it_was_detected(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    subject = found(scene.image, scene.masks[scene.spec.garments[-1].kind])
    monkeypatch.setattr("masks.garment.sharpened", lambda image, mask, *more: ops.shrink(mask, 40))
    assert with_own_edge(Picture(image=scene.image), subject) is subject


def test_a_mask_that_took_neck_and_hands_is_rid_of_them() -> None:
    scene = worn_pair(214, size=SIZE)[0]
    kinds = [garment.kind for garment in scene.spec.garments]
    shell = scene.masks["mannequin"]

    def greedy(image: Image, phrases: object) -> list[Detected]:
        return [Detected(scene.masks[kind] | shell, 0.5, kind) for kind in kinds]

    worn = find_garment(Picture(image=scene.image), kinds, greedy)  # type: ignore[arg-type]
    lying = find_garment(Picture(image=scene.image), kinds, greedy, worn=False)  # type: ignore[arg-type]
    inner = ops.shrink(shell, 2)
    assert (lying.mask & inner).sum() > 0.5 * inner.sum()
    assert (worn.mask & inner).sum() < 0.1 * (lying.mask & inner).sum()
    assert any("left out" in reason for reason in worn.reasons)
    truth = np.logical_or.reduce([scene.masks[kind] for kind in kinds])
    assert (worn.mask & truth).sum() > 0.95 * truth.sum()


def test_a_mask_that_ends_in_the_middle_of_its_cloth_is_doubted() -> None:
    image = np.full((240, 240, 3), (70, 120, 90), np.uint8)
    image[40:200, 60:180] = (150, 40, 50)
    half = np.zeros((240, 240), bool)
    half[40:120, 60:180] = True

    def torn(picture: Image, phrases: object) -> list[Detected]:
        return [Detected(half, 0.8, "skirt")]

    def right(picture: Image, phrases: object) -> list[Detected]:
        return [Detected(np.asarray(image[..., 0] == 150), 0.8, "skirt")]

    noise = np.random.default_rng(3).integers(-70, 70, (240, 240, 1))
    busy = np.where(image == image[0, 0], np.clip(image + noise, 0, 255), image).astype(np.uint8)
    assert find_garment(Picture(image=busy), ["skirt"], right).confidence == pytest.approx(0.8)  # type: ignore[arg-type]
    assert find_garment(Picture(image=busy), ["skirt"], torn).confidence == pytest.approx(0.4)  # type: ignore[arg-type]


def test_the_crook_of_an_arm_is_no_garment() -> None:
    image = np.full((300, 300, 3), 240, np.uint8)
    image[40:260, 80:220] = (40, 60, 120)
    image[120:160, 130:170] = 240
    mask = np.zeros((300, 300), bool)
    mask[40:260, 80:220] = True
    figure = mask.copy()
    figure[120:160, 130:170] = False
    assert not sharpened(image, mask, figure)[125:155, 135:165].any()


def test_cloth_of_the_backdrops_colour_stays_where_a_garment_lies(monkeypatch: pytest.MonkeyPatch) -> None:
    image = np.full((300, 300, 3), 246, np.uint8)
    cloth = np.zeros((300, 300), bool)
    cloth[40:260, 80:220] = True
    image[cloth] = (50, 60, 130)
    image[100:130, 180:220] = (204, 202, 197)  # a pale patch, which the colour key takes for backdrop
    key = cloth.copy()
    key[100:130, 180:220] = False
    monkeypatch.setattr("masks.garment.plain_figure", lambda photo: key)

    def cut(mask: Mask, *, worn: bool) -> Mask:
        def answer(photo: Image, phrases: object) -> list[Detected]:
            return [Detected(mask, 0.8, "shirt")]

        return find_garment(Picture(image=image), ["shirt"], answer, worn=worn).mask

    assert ops.iou(cut(cloth, worn=False), cloth) > 0.98
    assert not cut(cloth, worn=True)[105:125, 190:215].any(), "the crook of an arm looks the same"
    assert not cut(ops.grow(cloth, 25), worn=False)[:, :70].any(), "a segmenter that took backdrop proves nothing"


def test_what_the_photo_itself_is_taken_for_is_no_growth() -> None:
    photo = np.full((300, 300, 3), (90, 140, 90), np.uint8)
    garment = np.zeros((300, 300), np.bool_)
    garment[80:220, 100:200] = True
    photo[garment] = photo[120:160, 200:205] = (200, 60, 40)  # and a hand of the cloth's colour
    result = photo.copy()
    result[220:225, 100:200] = (200, 60, 40)  # a longer hem
    assert sharpened(result, garment)[125:155, 201:204].all()
    again = segmented_again(photo, result, garment)
    assert not again[:, 202:].any()
    assert again[221:224, 110:190].all()
