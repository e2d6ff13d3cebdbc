"""Segmenters: one interface over three architectures, tiny weights in their true layouts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from masks.segment import _to_frame, embed, load_segmenter, predict, stability
from masks.segmenters.meta import ARCHITECTURES, build_sam
from masks.segmenters.types import Embedding, Segmenter
from pipeline.errors import LicenceRefused, ModelError, RecipeError, StoreError, WeightsMissing
from pipeline.types import Image
from tests.tiny_models import save_sam, save_sam2, save_sam_hq

BOXES = [[10, 10, 60, 70], [20, 5, 100, 80]]
FAMILIES = ["segment-anything", "sam2", "sam-hq"]


@pytest.fixture(scope="module", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("HF_HOME", str(tmp_path_factory.mktemp("hf")))
        patch.delenv("SEAMLINE_WEIGHTS", raising=False)
        yield


@pytest.fixture(scope="module")
def segmenters(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Segmenter]:
    folder = tmp_path_factory.mktemp("weights")
    rows = (save_sam(folder / "sam"), save_sam2(folder / "sam2"), save_sam_hq(folder / "hq"))
    return {row.family: load_segmenter(row, device="cpu") for row in rows}


@pytest.fixture(scope="module")
def photo() -> Image:
    """A wide picture; not square, so that swapped sides would show."""
    rng = np.random.default_rng(5)
    image = rng.integers(150, 256, (90, 140, 3), dtype=np.uint8)
    image[20:70, 30:80] = (30, 60, 200)
    return image


@pytest.fixture(scope="module")
def embeddings(segmenters: dict[str, Segmenter], photo: Image) -> dict[str, Embedding]:
    return {name: embed(model, photo) for name, model in segmenters.items()}


def test_segment_anything_answers_as_its_own_predictor(
    segmenters: dict[str, Segmenter], embeddings: dict[str, Embedding], photo: Image
) -> None:
    from segment_anything import SamPredictor

    model = segmenters["segment-anything"]
    predictor = SamPredictor(model.network.module)
    predictor.set_image(photo)
    ours = predict(model, embeddings["segment-anything"], boxes=BOXES)
    for at, box in enumerate(BOXES):
        masks, ious, logits = predictor.predict(box=np.array(box), multimask_output=False)
        # Ours went through float16 once; the encoder's input is bit for bit the predictor's.
        np.testing.assert_allclose(ours.logits[at], logits[0], atol=0.02)
        assert (ours.masks[at] == masks[0]).mean() > 0.995
        assert ours.ious[at] == pytest.approx(float(ious[0]), abs=5e-3)
    clicks = predict(
        model,
        embeddings["segment-anything"],
        points=[[[40, 40], [100, 20]]],
        labels=[[1, 0]],
        mask_logits=ours.logits[:1],
    )
    masks, ious, _ = predictor.predict(
        point_coords=np.array([[40, 40], [100, 20]]), point_labels=np.array([1, 0]), mask_input=ours.logits[:1],
        multimask_output=False,
    )  # fmt: skip
    assert (clicks.masks[0] == masks[0]).mean() > 0.995
    assert clicks.ious[0] == pytest.approx(float(ious[0]), abs=5e-3)


def test_sam2_answers_as_transformers_own_processor(
    segmenters: dict[str, Segmenter], embeddings: dict[str, Embedding], photo: Image
) -> None:
    from transformers import Sam2ImageProcessor, Sam2Processor

    module = segmenters["sam2"].network.module
    images = Sam2ImageProcessor(size={"height": 128, "width": 128}, mask_size={"height": 32, "width": 32})
    processor = Sam2Processor(images, target_size=128)
    inputs = processor(images=photo, input_boxes=[[[float(v) for v in box] for box in BOXES]], return_tensors="pt")
    with torch.inference_mode():
        out = module(**{k: v for k, v in inputs.items() if k != "original_sizes"}, multimask_output=False)
    masks = processor.post_process_masks(out.pred_masks, inputs["original_sizes"])[0][:, 0].numpy()
    ours = predict(segmenters["sam2"], embeddings["sam2"], boxes=BOXES)
    assert (ours.masks == masks).mean() > 0.98
    np.testing.assert_allclose(ours.ious, out.iou_scores[0, :, 0].numpy(), atol=5e-3)


def test_sam_hq_answers_as_a_whole_forward(
    segmenters: dict[str, Segmenter], embeddings: dict[str, Embedding], photo: Image
) -> None:
    model, embedding = segmenters["sam-hq"], embeddings["sam-hq"]
    pixels, _ = _to_frame(photo, model)
    in_frame = torch.tensor([BOXES]) * (128 / 140)
    with torch.inference_mode():
        out = model.network.module(pixel_values=pixels, input_boxes=in_frame, multimask_output=False)
    ours = predict(model, embedding, boxes=BOXES)
    np.testing.assert_allclose(ours.logits, out.pred_masks[0, :, 0].numpy(), atol=0.03 * float(out.pred_masks.std()))
    np.testing.assert_allclose(ours.ious, out.iou_scores[0, :, 0].numpy(), atol=1e-3)
    without = replace(embedding, arrays=(embedding.arrays[0], np.zeros_like(embedding.arrays[1])))
    assert not np.allclose(ours.logits, predict(model, without, boxes=BOXES).logits)  # the early features matter


@pytest.mark.parametrize("name", FAMILIES)
def test_boxes_clicks_and_masks_give_masks_of_the_pictures_size(
    name: str, segmenters: dict[str, Segmenter], embeddings: dict[str, Embedding]
) -> None:
    model, embedding = segmenters[name], embeddings[name]
    by_box = predict(model, embedding, boxes=BOXES)
    assert by_box.masks.shape == (2, 90, 140)
    assert by_box.masks.dtype == bool
    assert by_box.ious.shape == (2,)
    assert by_box.logits.ndim == 3
    assert 0 < by_box.masks.mean() < 1
    assert not np.array_equal(by_box.logits[0], by_box.logits[1])
    by_click = predict(model, embedding, points=[[[40, 40]], [[100, 20]], [[10, 80]]])
    assert by_click.masks.shape == (3, 90, 140)
    removed = predict(model, embedding, points=[[[40, 40], [60, 60]]], labels=[[1, 0]])
    added = predict(model, embedding, points=[[[40, 40], [60, 60]]])
    assert not np.array_equal(removed.logits, added.logits)
    again = predict(model, embedding, mask_logits=by_box.logits)
    assert again.masks.shape == (2, 90, 140)


@pytest.mark.parametrize("name", FAMILIES)
def test_prompts_together_equal_prompts_alone(
    name: str, segmenters: dict[str, Segmenter], embeddings: dict[str, Embedding]
) -> None:
    model, embedding = segmenters[name], embeddings[name]
    together = predict(model, embedding, boxes=BOXES * 9)  # more than one run of the decoder
    for at in (0, 1, 16, 17):
        alone = predict(model, embedding, boxes=[BOXES[at % 2]])
        np.testing.assert_allclose(together.logits[at], alone.logits[0], atol=1e-4)
    earlier = predict(model, embedding, boxes=BOXES).logits * 40
    corrected = predict(model, embedding, boxes=BOXES, mask_logits=earlier)
    alone = predict(model, embedding, boxes=BOXES[1:], mask_logits=earlier[1:])
    np.testing.assert_allclose(corrected.logits[1], alone.logits[0], atol=1e-4)


@pytest.mark.parametrize("name", FAMILIES)
def test_a_stored_embedding_answers_exactly_the_same(
    name: str, segmenters: dict[str, Segmenter], embeddings: dict[str, Embedding]
) -> None:
    data = embeddings[name].to_bytes()
    back = Embedding.from_bytes(data)
    assert back.to_bytes() == data
    assert all(array.dtype == np.float16 for array in back.arrays)
    first = predict(segmenters[name], embeddings[name], boxes=BOXES)
    np.testing.assert_array_equal(predict(segmenters[name], back, boxes=BOXES).logits, first.logits)


def test_a_damaged_embedding_is_refused(embeddings: dict[str, Embedding]) -> None:
    with pytest.raises(StoreError, match="embed again"):
        Embedding.from_bytes(embeddings["sam2"].to_bytes()[:200])


def test_an_embedding_of_other_weights_is_refused(
    segmenters: dict[str, Segmenter], embeddings: dict[str, Embedding]
) -> None:
    with pytest.raises(ModelError, match="made with other weights"):
        predict(segmenters["sam2"], embeddings["sam-hq"], boxes=BOXES)


def test_one_click_lets_the_network_propose_and_takes_its_best(
    segmenters: dict[str, Segmenter], embeddings: dict[str, Embedding]
) -> None:
    model, embedding = segmenters["segment-anything"], embeddings["segment-anything"]
    click = [[[40, 40]]]
    best, single = predict(model, embedding, points=click), predict(model, embedding, points=click, several=False)
    np.testing.assert_array_equal(best.logits, predict(model, embedding, points=click, several=True).logits)
    assert not np.array_equal(best.logits, single.logits)
    two = [[[40, 40], [50, 50]]]
    np.testing.assert_array_equal(
        predict(model, embedding, points=two).logits, predict(model, embedding, points=two, several=False).logits
    )


def test_trap_boxes_follow_the_picture_and_not_its_padding(segmenters: dict[str, Segmenter]) -> None:
    """A tall and a wide picture: the same thing at mirrored places gives masks inside the picture's own size."""
    model = segmenters["segment-anything"]
    for size in ((200, 80), (80, 200)):
        embedding = embed(model, np.full((*size, 3), 200, np.uint8))
        assert embedding.size == size
        assert max(embedding.input_size) == 256
        assert min(embedding.input_size) == 102
        assert predict(model, embedding, boxes=[[0, 0, size[1], size[0]]]).masks.shape == (1, *size)


def test_trap_rgb_is_not_read_as_bgr(segmenters: dict[str, Segmenter], photo: Image) -> None:
    model = segmenters["segment-anything"]
    swapped = embed(model, photo[..., ::-1].copy())
    assert not np.array_equal(swapped.arrays[0], embed(model, photo).arrays[0])


def test_the_pickle_and_the_safetensors_file_give_the_same(segmenters: dict[str, Segmenter], photo: Image) -> None:
    row = segmenters["segment-anything"].row.model_copy(update={"file": "sam.pth"})
    with pytest.raises(ModelError, match="pickle: true"):
        load_segmenter(row, device="cpu")
    by_pickle = load_segmenter(row.model_copy(update={"pickle": True}), device="cpu")
    np.testing.assert_array_equal(
        embed(by_pickle, photo).arrays[0], embed(segmenters["segment-anything"], photo).arrays[0]
    )


def test_trap_weights_of_another_size_are_refused(segmenters: dict[str, Segmenter]) -> None:
    row = segmenters["segment-anything"].row
    with pytest.raises(ModelError, match=r"missing .*of another shape"):
        load_segmenter(row.model_copy(update={"config": "vit_b"}), device="cpu")
    with pytest.raises(ModelError, match="must be one of vit_h, vit_l, vit_b, tiny"):
        load_segmenter(row.model_copy(update={"config": "vit_x"}), device="cpu")


def test_trap_a_sam2_folder_that_lacks_a_name_is_refused(segmenters: dict[str, Segmenter], tmp_path: Path) -> None:
    import shutil

    from safetensors.torch import load_file, save_file

    shutil.copytree(segmenters["sam2"].row.address, tmp_path / "sam2")
    tensors = load_file(tmp_path / "sam2" / "model.safetensors")
    assert any(name.startswith("memory_") for name in tensors)  # the published files hold the video model
    del tensors["mask_decoder.iou_token.weight"]
    save_file(tensors, tmp_path / "sam2" / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"1 missing \(mask_decoder\.iou_token\.weight\)"):
        load_segmenter(segmenters["sam2"].row.model_copy(update={"address": str(tmp_path / "sam2")}), device="cpu")


@pytest.mark.parametrize("name", ["vit_b", "vit_l", "vit_h"])
def test_the_published_sizes_are_those_of_the_package(name: str) -> None:
    from segment_anything import sam_model_registry

    with torch.device("meta"):
        ours = build_sam(ARCHITECTURES[name]).state_dict()
        theirs = sam_model_registry[name]().state_dict()
    assert {key: value.shape for key, value in ours.items()} == {key: value.shape for key, value in theirs.items()}


@pytest.mark.parametrize(
    ("prompts", "message"),
    [
        ({}, "Prompts must be of one number"),
        ({"boxes": np.zeros((0, 4))}, "above 0"),
        ({"boxes": BOXES, "points": [[[1, 1]]]}, "one number"),
        ({"points": [[1, 1]]}, r"\(prompts, clicks, 2\)"),
        ({"points": [[[1, 1]]], "labels": [[1, 0]]}, "one label a click"),
    ],
)
def test_prompts_that_do_not_fit_together(
    prompts: dict[str, object], message: str, segmenters: dict[str, Segmenter], embeddings: dict[str, Embedding]
) -> None:
    with pytest.raises(ModelError, match=message):
        predict(segmenters["sam2"], embeddings["sam2"], **prompts)  # type: ignore[arg-type]


def test_what_is_refused_before_anything_loads(segmenters: dict[str, Segmenter], photo: Image) -> None:
    row = segmenters["sam2"].row
    with pytest.raises(LicenceRefused):
        load_segmenter(row.model_copy(update={"commercial": False}), device="cpu")
    with pytest.raises(RecipeError, match="segment-anything, sam2, sam-hq"):
        load_segmenter(row.model_copy(update={"family": "yolo"}), device="cpu")
    with pytest.raises(RecipeError, match="is a detector"):
        load_segmenter("grounding-dino-tiny", device="cpu")
    with pytest.raises(WeightsMissing, match="checkpoints fetch sam-vit-b"):
        load_segmenter("sam-vit-b", device="cpu")
    with pytest.raises(ModelError, match="uint8 RGB"):
        embed(segmenters["sam2"], photo.astype(np.float32))


def test_bf16_is_close_to_float32(
    segmenters: dict[str, Segmenter], embeddings: dict[str, Embedding], photo: Image
) -> None:
    half = load_segmenter(segmenters["segment-anything"].row, device="cpu", dtype="bfloat16")
    masks = predict(half, replace(embed(half, photo), fingerprint=half.fingerprint), boxes=BOXES).masks
    assert (
        masks == predict(segmenters["segment-anything"], embeddings["segment-anything"], boxes=BOXES).masks
    ).mean() > 0.9


def test_stability_is_one_for_a_sharp_mask_and_less_for_a_soft_one() -> None:
    sharp = np.full((1, 8, 8), -9.0, np.float32)
    sharp[:, :4] = 9
    soft = np.linspace(-4, 4, 64, dtype=np.float32).reshape(1, 8, 8)
    values = stability(np.concatenate([sharp, soft, np.full((1, 8, 8), -9, np.float32)]))
    assert values[0] == 1
    assert 0.5 < values[1] < 0.7
    assert values[2] == 0
