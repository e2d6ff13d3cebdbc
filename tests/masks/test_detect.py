"""Detectors: both packages on the same tiny weights, and the traps of the field by name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from masks.detect import Detector, _phrase_scores, boxes_at, detect, fit_size, load_detector, to_pixels
from masks.detectors import package
from masks.detectors.captions import caption_of, clean_phrase, word_tokens
from masks.detectors.types import RawDetections
from pipeline.errors import LicenceRefused, ModelError, RecipeError, StoreError, WeightsMissing
from pipeline.models.devices import choose_dtype
from pipeline.types import Image
from tests.tiny_models import FIT, save_hub_detector, save_package_detector, tiny_grounding_dino, tiny_tokenizer

PHRASES = ["red dress", "shirt", "t-shirt"]


@pytest.fixture(scope="module", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("HF_HOME", str(tmp_path_factory.mktemp("hf")))
        patch.delenv("SEAMLINE_WEIGHTS", raising=False)
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("weights")


@pytest.fixture(scope="module")
def detectors(folder: Path) -> dict[str, Detector]:
    model = tiny_grounding_dino()
    rows = {
        "hub": save_hub_detector(model, folder / "hub"),
        "package": save_package_detector(model, folder / "package"),
    }
    return {name: load_detector(row, device="cpu") for name, row in rows.items()}


@pytest.fixture(scope="module")
def photo() -> Image:
    """A wide picture with something in it; not square, so that swapped sides would show."""
    rng = np.random.default_rng(3)
    image = rng.integers(180, 256, (150, 220, 3), dtype=np.uint8)
    image[40:120, 60:110] = (200, 30, 40)
    return image


@pytest.fixture(scope="module")
def found(detectors: dict[str, Detector], photo: Image) -> dict[str, RawDetections]:
    return {name: detect(model, photo, PHRASES) for name, model in detectors.items()}


# --- one interface, two packages --------------------------------------------------------------------


def test_both_packages_agree_on_the_same_weights(found: dict[str, RawDetections]) -> None:
    for one, other in zip(found["hub"].phrases, found["package"].phrases, strict=True):
        assert one.phrase == other.phrase
        np.testing.assert_allclose(one.word_scores, other.word_scores, atol=1e-3)
        np.testing.assert_allclose(one.boxes, other.boxes, atol=1e-3 * 220)


def test_logits_and_boxes_agree_before_any_postprocessing(detectors: dict[str, Detector], photo: Image) -> None:
    outputs = []
    for model in detectors.values():
        with torch.inference_mode():
            pixels = to_pixels(photo, model.network.fit)
            outputs.append(model.family.forward(model.network, pixels, [caption_of("red dress")]))
    (logits, boxes), (package_logits, package_boxes) = outputs
    finite = torch.isfinite(logits)
    assert torch.equal(finite, torch.isfinite(package_logits))
    assert finite.sum() == 30 * 5  # [CLS] red dress . [SEP] of every query
    assert float(logits[finite].std()) > 0.5  # random, not constant
    torch.testing.assert_close(package_logits[finite], logits[finite], atol=1e-3, rtol=0)
    torch.testing.assert_close(package_boxes, boxes, atol=1e-3, rtol=0)


def test_boxes_as_wide_as_the_picture_are_refined_alike(tmp_path: Path, photo: Image) -> None:
    """The package clamps shares beyond 0.999 before it refines them, transformers beyond 0.99999."""
    model = tiny_grounding_dino()
    with torch.no_grad():
        model.model.encoder_output_bbox_embed.layers[-1].bias[2:] += 9.0
        model.bbox_embed[-1].layers[-1].bias[2:] -= 8.0
    rows = save_hub_detector(model, tmp_path / "hub"), save_package_detector(model, tmp_path / "package")
    by_hub, by_package = (detect(load_detector(row, device="cpu"), photo, ["shirt"]).of("shirt") for row in rows)
    np.testing.assert_allclose(by_package.boxes, by_hub.boxes, atol=1e-3 * 220)
    np.testing.assert_allclose(by_package.word_scores, by_hub.word_scores, atol=1e-3)


def test_the_authors_pickle_gives_what_safetensors_give(detectors: dict[str, Detector], photo: Image) -> None:
    row = detectors["package"].row.model_copy(update={"file": "model.pth", "pickle": True})
    by_pickle = detect(load_detector(row, device="cpu"), photo, ["shirt"])
    np.testing.assert_array_equal(
        by_pickle.of("shirt").boxes, detect(detectors["package"], photo, ["shirt"]).of("shirt").boxes
    )


def test_raw_detections_have_one_entry_a_phrase_with_every_query(found: dict[str, RawDetections]) -> None:
    raw = found["package"]
    assert [entry.phrase for entry in raw.phrases] == PHRASES
    assert raw.size == (150, 220)
    assert raw.fingerprint
    for entry in raw.phrases:
        assert entry.boxes.shape == (30, 4)
        assert entry.boxes.dtype == np.float32
        assert entry.word_scores.shape == (30, len(entry.phrase.split()))
        assert entry.boxes.min() >= 0
        assert (entry.boxes <= [220, 150, 220, 150]).all()


def test_raw_detections_survive_the_store(found: dict[str, RawDetections]) -> None:
    data = found["hub"].to_bytes()
    back = RawDetections.from_bytes(data)
    assert back.to_bytes() == data == found["hub"].to_bytes()
    assert back.size == (150, 220)
    np.testing.assert_array_equal(back.of("T-Shirt.").boxes, found["hub"].of("t-shirt").boxes)
    assert back.of("red dress").words == ("red", "dress")
    with pytest.raises(StoreError, match="detect again"):
        RawDetections.from_bytes(data[:100])


@pytest.mark.parametrize("name", ["hub", "package"])
def test_several_phrases_equal_one_phrase_at_a_time(
    name: str, detectors: dict[str, Detector], found: dict[str, RawDetections], photo: Image
) -> None:
    for phrase in PHRASES:
        alone = detect(detectors[name], photo, [phrase]).of(phrase)
        np.testing.assert_allclose(found[name].of(phrase).boxes, alone.boxes, atol=1e-2)
        np.testing.assert_allclose(found[name].of(phrase).word_scores, alone.word_scores, atol=1e-5)


@pytest.mark.parametrize("name", ["hub", "package"])
def test_the_backbone_runs_once_a_picture_and_again_for_the_next(
    name: str, detectors: dict[str, Detector], photo: Image
) -> None:
    runs = []
    backbone = detectors[name].network.backbone
    hook = next(iter(backbone.children())).register_forward_hook(lambda *_: runs.append(1))
    first = detect(detectors[name], photo, PHRASES)
    assert len(runs) == 1
    other = detect(detectors[name], photo[:, ::-1].copy(), PHRASES)
    hook.remove()
    assert len(runs) == 2
    assert not np.allclose(first.of("shirt").boxes, other.of("shirt").boxes)


def test_bf16_is_close_to_float32(detectors: dict[str, Detector], photo: Image) -> None:
    half = load_detector(detectors["hub"].row, device="cpu", dtype="bfloat16")
    assert half.dtype == choose_dtype("bfloat16", "cpu")  # float32 where the processor has no bfloat16
    scores = [detect(model, photo, ["shirt"]).of("shirt").scores for model in (half, detectors["hub"])]
    assert scores[0].max() == pytest.approx(scores[1].max(), abs=0.1)


# --- traps, by name --------------------------------------------------------------------------------


def test_trap_batch_of_captions_is_refused_by_the_package(detectors: dict[str, Detector], photo: Image) -> None:
    model = detectors["package"]
    with pytest.raises(ModelError, match="one caption at a time"):
        model.family.forward(model.network, to_pixels(photo, model.network.fit), ["shirt .", "red dress ."])


def test_trap_padding_of_a_batch_changes_nothing_in_transformers(detectors: dict[str, Detector], photo: Image) -> None:
    model = detectors["hub"]
    pixels = to_pixels(photo, model.network.fit)
    with torch.inference_mode():
        together = model.family.forward(model.network, pixels, ["shirt .", "a red dress ."])
        alone = model.family.forward(model.network, pixels, ["shirt ."])
    finite = torch.isfinite(alone[0][0])
    torch.testing.assert_close(together[0][0][finite], alone[0][0][finite], atol=1e-3, rtol=0)
    torch.testing.assert_close(together[1][0], alone[1][0], atol=1e-3, rtol=0)


def test_trap_special_tokens_and_full_stops_score_for_no_word(
    detectors: dict[str, Detector], found: dict[str, RawDetections], photo: Image
) -> None:
    model = detectors["package"]
    with torch.inference_mode():
        logits, _ = model.family.forward(model.network, to_pixels(photo, model.network.fit), ["red dress ."])
    per_token = logits.sigmoid().numpy()[0]
    np.testing.assert_allclose(found["package"].of("red dress").word_scores, per_token[:, 1:3], atol=1e-5)


def test_trap_a_confident_special_token_is_no_score() -> None:
    drawn = np.zeros((1, 256), np.float32)
    drawn[0, :5] = [0.9, 0.1, 0.2, 0.8, 0.9]  # [CLS] red dress . [SEP]
    centred = np.full((1, 4), 0.5, np.float32)
    entry = _phrase_scores("red dress", [[1], [2]], drawn, centred, (10, 20))
    assert entry.scores.tolist() == pytest.approx([0.2])
    drawn[0, 1] = np.nan
    with pytest.raises(ModelError, match="not finite"):
        _phrase_scores("red dress", [[1], [2]], drawn, centred, (10, 20))


def test_trap_a_word_in_pieces_is_scored_by_its_best_piece(
    detectors: dict[str, Detector], found: dict[str, RawDetections], photo: Image
) -> None:
    model = detectors["hub"]
    with torch.inference_mode():
        logits, _ = model.family.forward(model.network, to_pixels(photo, model.network.fit), ["t-shirt ."])
    best = logits.sigmoid().numpy()[0][:, 1:4].max(axis=1)  # t, -, shirt
    np.testing.assert_allclose(found["hub"].of("t-shirt").word_scores[:, 0], best, atol=1e-5)


def test_trap_words_are_found_by_place_and_not_by_spelling(tmp_path: Path) -> None:
    tokenizer = tiny_tokenizer(tmp_path)
    assert word_tokens("a bag a .", ["a", "bag", "a"], tokenizer, 64) == [[1], [2], [3]]
    assert word_tokens("hand bag .", ["hand", "bag"], tokenizer, 64) == [[1], [2]]
    assert word_tokens("zebra .", ["zebra"], tokenizer, 64) == [[1, 2, 3, 4, 5]]


def test_trap_the_picture_is_scaled_as_the_checkpoint_says_and_not_to_800() -> None:
    assert fit_size((600, 400), 800, 1333) == (1200, 800)
    assert fit_size((400, 2000), 800, 1333) == (267, 1335 - 0)
    assert fit_size((128, 128), 128, 192) == (128, 128)


def test_trap_fit_is_read_from_the_checkpoint(detectors: dict[str, Detector], photo: Image) -> None:
    for model in detectors.values():
        assert (model.network.fit.shortest_px, model.network.fit.longest_px) == (FIT["shortest_px"], FIT["longest_px"])
        assert to_pixels(photo, model.network.fit).shape == (1, 3, 128, 187)


def test_trap_rgb_is_not_read_as_bgr(detectors: dict[str, Detector]) -> None:
    red = np.zeros((10, 10, 3), np.uint8)
    red[..., 0] = 255
    channels = to_pixels(red, detectors["hub"].network.fit)[0].mean(dim=(1, 2))
    assert channels.argmax() == 0


def test_trap_a_file_that_does_not_fit_is_refused(detectors: dict[str, Detector], folder: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    tensors = load_file(folder / "package" / "model.safetensors")
    tensors["transformer.decoder.norm.wieght"] = tensors.pop("transformer.decoder.norm.weight")
    save_file(tensors, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_bytes((folder / "package" / "config.json").read_bytes())
    row = detectors["package"].row.model_copy(update={"address": str(tmp_path)})
    with pytest.raises(ModelError, match=r"1 missing \(transformer\.decoder\.norm\.weight\); 1 unknown"):
        load_detector(row, device="cpu")


def test_trap_a_hub_folder_that_lacks_a_name_is_refused(detectors: dict[str, Detector], tmp_path: Path) -> None:
    import shutil

    from safetensors.torch import load_file, save_file

    shutil.copytree(detectors["hub"].row.address, tmp_path / "hub")
    tensors = load_file(tmp_path / "hub" / "model.safetensors")
    del tensors["model.text_projection.weight"]
    save_file(tensors, tmp_path / "hub" / "model.safetensors", metadata={"format": "pt"})
    row = detectors["hub"].row.model_copy(update={"address": str(tmp_path / "hub")})
    with pytest.raises(ModelError, match=r"1 missing \(model\.text_projection\.weight\)"):
        load_detector(row, device="cpu")


def test_trap_a_bool_mask_is_silently_wrong_with_eager_attention(detectors: dict[str, Detector], photo: Image) -> None:
    """The adapter's additive mask gives the same with every attention; a 4-D bool mask would not."""
    model = detectors["package"]
    bert = model.network.module.bert
    before = bert.config._attn_implementation
    try:
        results = []
        for implementation in ("sdpa", "eager"):
            bert.set_attn_implementation(implementation)
            results.append(detect(model, photo, ["red dress"]).of("red dress").word_scores)
    finally:
        bert.set_attn_implementation(before)
    np.testing.assert_allclose(results[0], results[1], atol=1e-4)


def test_trap_words_of_other_sentences_are_not_seen(detectors: dict[str, Detector], photo: Image) -> None:
    """With several sentences in a caption, a sentence's tokens are embedded as if it stood alone."""
    model = detectors["package"]
    seen = []
    hook = model.network.module.feat_map.register_forward_hook(lambda _m, args, _o: seen.append(args[0][0]))
    with torch.inference_mode():
        for caption in ("red dress .", "red dress . shoe ."):
            model.family.forward(model.network, to_pixels(photo, model.network.fit), [caption])
    hook.remove()
    torch.testing.assert_close(seen[0][1:4], seen[1][1:4], atol=1e-4, rtol=1e-4)


def test_trap_the_packages_names_are_put_back(detectors: dict[str, Detector], photo: Image) -> None:
    import groundingdino.models.GroundingDINO.bertwarper as bertwarper
    import groundingdino.models.GroundingDINO.groundingdino as network
    import groundingdino.models.GroundingDINO.transformer as transformer
    from groundingdino.models.GroundingDINO.utils import get_sine_pos_embed

    detect(detectors["package"], photo, ["shirt"])
    assert network.BertModelWarper is bertwarper.BertModelWarper
    assert transformer.get_sine_pos_embed is get_sine_pos_embed


def test_trap_berts_own_ids_of_special_tokens(detectors: dict[str, Detector]) -> None:
    assert detectors["package"].network.module.specical_tokens == [101, 102, 1012, 1029]


# --- what is refused ---------------------------------------------------------------------------------


def test_a_missing_text_encoder_says_how_to_get_it(detectors: dict[str, Detector]) -> None:
    row = detectors["package"].row.model_copy(update={"needs": {"text_encoder": "bert-base-uncased"}})
    with pytest.raises(WeightsMissing, match="checkpoints fetch bert-base-uncased"):
        load_detector(row, device="cpu")


def test_a_python_configuration_of_the_users_is_not_run(detectors: dict[str, Detector]) -> None:
    row = detectors["package"].row.model_copy(update={"config": "own.py"})
    with pytest.raises(ModelError, match=r"No configuration 'own\.py'"):
        load_detector(row, device="cpu")


def test_non_commercial_weights_need_the_recipes_word(detectors: dict[str, Detector]) -> None:
    row = detectors["hub"].row.model_copy(update={"commercial": False})
    with pytest.raises(LicenceRefused):
        load_detector(row, device="cpu")
    assert load_detector(row, device="cpu", accept_licence=[row.id]).row.id == row.id


def test_an_unknown_family_names_the_known_ones(detectors: dict[str, Detector]) -> None:
    with pytest.raises(RecipeError, match="groundingdino-py"):
        load_detector(detectors["hub"].row.model_copy(update={"family": "yolo"}), device="cpu")


@pytest.mark.parametrize(
    ("phrases", "message"),
    [
        ([], "at least one phrase"),
        ([" . "], "is empty"),
        (["a dress. a bag"], "one phrase a thing"),
        (["dress " * 90], "more than"),
    ],
)
def test_phrases_that_make_no_caption(
    phrases: list[str], message: str, detectors: dict[str, Detector], photo: Image
) -> None:
    with pytest.raises(RecipeError, match=message):
        detect(detectors["hub"], photo, phrases)


def test_a_picture_that_is_not_rgb_is_refused(detectors: dict[str, Detector]) -> None:
    with pytest.raises(ModelError, match=r"\(H, W, 3\) uint8"):
        detect(detectors["hub"], np.zeros((20, 20, 4), np.uint8), ["shirt"])


def test_phrases_are_cleaned_and_asked_once(detectors: dict[str, Detector], photo: Image) -> None:
    assert clean_phrase("  A  Red Dress. ") == "a red dress"
    raw = detect(detectors["hub"], photo, ["Shirt.", "shirt", " shirt "])
    assert [entry.phrase for entry in raw.phrases] == ["shirt"]


def test_the_packages_own_configurations_are_read() -> None:
    tiny = package.read_settings("GroundingDINO_SwinT_OGC", Path())
    base = package.read_settings("GroundingDINO_SwinB_cfg", Path())
    assert (tiny["backbone"], base["backbone"]) == ("swin_T_224_1k", "swin_B_384_22k")
    assert not tiny["use_checkpoint"]


def test_thresholds_need_no_detector(found: dict[str, RawDetections]) -> None:
    raw = found["hub"]
    top = float(max(entry.scores.max() for entry in raw.phrases))
    assert len(boxes_at(raw, top)) == 0
    assert len(boxes_at(raw, top - 1e-4)) == 1
    assert len(boxes_at(raw, 0.0)) > 3
