"""The inpainting model's training: scenes and their truth, words, a linear encoder, falling losses, whole folders."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as Pillow

from pipeline.embedded.diffusion import load_inpaint, noise_schedule
from pipeline.embedded.render import render
from pipeline.embedded.scene import RENDERER_VERSION
from pipeline.embedded.train.inpaint import (
    CONTROL_SHARES,
    NATIVE,
    build_model,
    denoising_loss,
    draw_batch,
    even_times,
    hint_loss,
    parts_of,
    random_caption,
    tokens_of,
    train_inpaint,
)
from pipeline.embedded.train.latents import LinearMap, build_vae, color_filters, fill_encoder, read_encoder
from pipeline.embedded.train.loop import Schedule
from pipeline.embedded.train.repaint import edges_near, random_repaint
from pipeline.embedded.train.restage import (
    BODY,
    BOTTOM,
    PARTS,
    PRODUCT,
    SIZE,
    TOP,
    RestageCache,
    build_restage,
    caption_parts,
    labels_of,
    open_restage,
    spec_of,
)
from pipeline.embedded.train.run import EXPORTS, export_restaging, train
from pipeline.embedded.train.vae import FROZEN_FROM, VAE_SCHEDULE, frozen_linear, train_vae
from pipeline.embedded.train.vocabulary import MAX_TOKENS, build_tokenizer, words
from pipeline.errors import ModelError, WeightsMissing

BRIEF = Schedule(steps=4, rate=1e-3, warmup=1, anneal=0.0)


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("restage")
    build_restage(folder, 6, first_seed=40)
    return folder


@pytest.fixture(scope="module")
def cache(scenes: Path) -> RestageCache:
    return open_restage(scenes)


@pytest.fixture(scope="module")
def runs(scenes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both trainings, a few steps each."""
    folder = tmp_path_factory.mktemp("runs")
    train_vae(folder / "vae", scenes, schedule=replace(VAE_SCHEDULE, steps=4))
    train_inpaint(folder / "inpaint-128", scenes, frozen_linear(folder / "vae"), schedule=BRIEF)
    return folder


def test_a_cache_holds_scenes_labels_joints_and_captions(cache: RestageCache) -> None:
    for index in range(len(cache)):
        scene = render(40 + index, size=SIZE, spec=spec_of(40 + index))
        assert np.array_equal(cache.images[index], scene.image)
        assert np.array_equal(cache.labels[index], labels_of(scene))
        assert np.allclose(cache.joints[index], scene.keypoints)
        assert cache.captions[index] == caption_parts(scene.spec)


def test_a_person_is_body_and_garments_and_a_product_is_itself() -> None:
    kinds: dict[str, np.ndarray] = {}
    for seed in range(60):
        spec = spec_of(seed)
        if spec.kind not in kinds and spec.framing == "full":
            kinds[spec.kind] = labels_of(render(seed, size=SIZE, spec=spec))
    assert {BODY, TOP} <= set(np.unique(kinds["person"]))
    assert set(np.unique(kinds["product"])) == {0, PRODUCT}


def test_captions_name_skin_and_hair_and_place() -> None:
    spec = next(spec for spec in map(spec_of, range(40)) if spec.kind == "person")
    what, place = caption_parts(spec)
    assert " skin and " in what
    assert "wearing" in what
    assert place.split()[-1] in ("background", "floor")


def test_every_word_of_a_caption_is_one_token_and_any_text_is_taken() -> None:
    tokenizer = build_tokenizer()
    for word in words():
        assert len(tokenizer(word).input_ids) == 3, word
    for seed in range(30):
        text = ", ".join(caption_parts(spec_of(seed)))
        ids = tokenizer(text).input_ids
        assert len(ids) <= MAX_TOKENS
        assert tokenizer.decode(ids, skip_special_tokens=True).replace(" ", "") == text.replace(" ", "")
    assert len(tokenizer("zebra café 漢").input_ids) > 5


def test_a_saved_tokenizer_reads_as_before(tmp_path: Path) -> None:
    from transformers import CLIPTokenizer

    tokenizer = build_tokenizer()
    tokenizer.save_pretrained(tmp_path)
    text = "a model with deep skin wearing a red striped t-shirt, marble background"
    again = CLIPTokenizer.from_pretrained(tmp_path)
    assert again(text).input_ids == tokenizer(text).input_ids
    assert again.model_max_length == MAX_TOKENS


def test_repaint_masks_keep_what_their_kind_keeps(cache: RestageCache) -> None:
    body = next(i for i in range(len(cache)) if cache.joints[i][:, 2].any())
    labels = np.asarray(cache.labels[body])
    rng = np.random.default_rng(0)
    kept_garment = kept_figure = 0
    asked: set[int | None] = set()
    for _ in range(60):
        drawn = random_repaint(labels, rng, body=True)
        repaint = drawn.mask
        asked.add(drawn.garment)
        if drawn.garment is not None:
            assert repaint[labels == drawn.garment].all(), "a garment is repainted whole"
            assert repaint.mean() < 0.6, "and little beside it"
        assert repaint.dtype == np.bool_
        assert repaint.any()
        garments = np.isin(labels, (TOP, BOTTOM))
        kept_figure += not repaint[labels > 0].any()
        kept_garment += repaint[labels == BODY].all() and not repaint[garments].all()
    assert kept_figure > 8, "many repaint the place alone"
    assert kept_garment > 8, "many all but the garment"
    assert asked > {None}, "many one garment"


def test_products_are_repainted_too(cache: RestageCache) -> None:
    labels = np.zeros((64, 48), np.uint8)
    labels[20:40, 10:30] = PRODUCT
    drawn = [random_repaint(labels, np.random.default_rng(seed), body=False) for seed in range(40)]
    whole = [one.mask for one in drawn if one.mask[labels == PRODUCT].all() and not one.mask[0].any()]
    assert whole
    assert all(one.garment is None for one in drawn)


def test_the_vae_holds_the_linear_encoder_exactly() -> None:
    torch.manual_seed(0)
    linear = LinearMap(weight=torch.randn(4, 3, 12, 12) * 0.1, bias=torch.randn(4))
    vae = build_vae()
    fill_encoder(vae, linear)
    pixels = torch.rand(2, 3, 32, 48) * 2 - 1
    with torch.no_grad():
        assert torch.allclose(vae.encode(pixels).latents, linear(pixels), atol=1e-4)


def test_the_linear_encoder_is_read_from_the_vae() -> None:
    torch.manual_seed(0)
    linear = LinearMap(weight=torch.randn(4, 3, 12, 12) * 0.1, bias=torch.randn(4))
    vae = build_vae()
    fill_encoder(vae, linear)
    again = read_encoder(vae)
    assert torch.equal(again.weight, linear.weight)
    assert torch.equal(again.bias, linear.bias)
    del vae.encoder.layers[0]
    with pytest.raises(ModelError, match="train the VAE anew"):
        read_encoder(vae)


def test_color_filters_are_block_means() -> None:
    grey = torch.full((1, 3, 16, 16), 0.5)
    means = LinearMap(weight=color_filters(), bias=None)(grey)
    assert torch.allclose(means[:, 0], torch.full((1, 4, 4), 0.5), atol=1e-6)
    assert means[:, 1:].abs().max() < 1e-6


def test_short_captions_are_parts_of_the_whole() -> None:
    rng = np.random.default_rng(1)
    seen = {random_caption(("a model wearing a red coat", "marble background"), rng) for _ in range(200)}
    assert seen == {
        "", "marble background", "a model wearing a red coat", "a model, marble background",
        "a model wearing a red coat, marble background",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("garment", "named"),
    [(TOP, "a model with tan skin wearing a mint coat"), (BOTTOM, "a model with tan skin wearing dark blue jeans")],
)
def test_captions_of_one_garment_name_it_alone(garment: int, named: str) -> None:
    what = "a model with tan skin wearing a mint coat and dark blue jeans and camel boots with a sky blue bag"
    rng = np.random.default_rng(1)
    seen = [random_caption((what, "marble background"), rng, garment) for _ in range(200)]
    assert 60 < seen.count(f"{named}, marble background") < 140
    assert random_caption(("a teal mug, product photo", "wall"), rng, TOP)  # no " wearing " in it


def test_a_batch_shows_what_stays_and_nothing_else(cache: RestageCache) -> None:
    linear = LinearMap(weight=torch.cat([color_filters(), color_filters()[:1]]), bias=torch.zeros(4))
    batch = draw_batch(cache, linear, np.random.default_rng(3), 4)
    assert batch["latents"].shape == batch["kept"].shape == (4, 4, NATIVE[0] // 4, NATIVE[1] // 4)
    inside = batch["mask"].expand_as(batch["kept"]) > 0.5
    untouched = torch.nn.functional.max_pool2d(batch["mask"], 5, 1, 2) < 0.5
    same = untouched.expand_as(batch["kept"])
    assert torch.allclose(batch["latents"][same], batch["kept"][same], atol=1e-5)
    assert not torch.allclose(batch["latents"][inside], batch["kept"][inside], atol=1e-2)
    assert len(batch["texts"]) == 4


def test_batches_see_each_set_of_controls(cache: RestageCache) -> None:
    linear = LinearMap(weight=torch.cat([color_filters(), color_filters()[:1]]), bias=torch.zeros(4))
    seen = set()
    for seed in range(24):
        controls = draw_batch(cache, linear, np.random.default_rng(seed), 1)["controls"]
        seen.add(tuple(controls))
        assert all(maps.shape == (1, 3, *NATIVE) and maps.min() >= 0 and maps.max() <= 1 for maps in controls.values())
    assert seen == set(CONTROL_SHARES)
    assert sum(CONTROL_SHARES.values()) == pytest.approx(1)


def test_a_smaller_scene_shows_the_same(cache: RestageCache) -> None:
    image, labels, joints = cache.scene(0, NATIVE)
    assert image.shape == (*NATIVE, 3)
    assert abs(float(image.mean()) - float(cache.images[0].mean())) < 2
    share = NATIVE[0] / SIZE[0]
    assert np.allclose(joints[:, :2], cache.joints[0][:, :2] * share, atol=1e-3)
    assert abs((labels > 0).mean() - (np.asarray(cache.labels[0]) > 0).mean()) < 0.01
    assert set(np.unique(labels)) <= set(np.unique(cache.labels[0]))
    assert np.array_equal(cache.scene(0, SIZE)[0], cache.images[0])


def test_edges_near_what_is_kept_are_a_part_of_all_edges(cache: RestageCache) -> None:
    worn = next(i for i in range(len(cache)) if (np.asarray(cache.labels[i]) == TOP).sum() > 500)
    image, labels, _ = cache.scene(worn, NATIVE)
    repaint = np.asarray(labels != TOP)
    drawn = [edges_near(image, repaint, np.random.default_rng(seed)) for seed in range(12)]
    whole = np.maximum.reduce(drawn)
    assert drawn[0].shape == image.shape
    assert set(np.unique(whole)) == {0, 255}
    assert all((one <= whole).all() for one in drawn)
    assert any(0 < one.sum() < whole.sum() for one in drawn)


def test_times_are_spread_evenly() -> None:
    times = even_times(10, torch.Generator().manual_seed(1))
    assert sorted((times // 100).tolist()) == list(range(10))


def test_training_goes_on_exactly_where_it_stopped(runs: Path, scenes: Path, tmp_path: Path) -> None:
    linear = frozen_linear(runs / "vae")
    train_inpaint(tmp_path / "b", scenes, linear, schedule=replace(BRIEF, steps=2))
    whole = torch.load(runs / "inpaint-128" / "checkpoint.pt", weights_only=True)
    train_inpaint(tmp_path / "b", scenes, linear, schedule=BRIEF)
    resumed = torch.load(tmp_path / "b" / "checkpoint.pt", weights_only=True)
    assert resumed["step"] == whole["step"] == 4
    for name, value in whole["model"].items():
        assert torch.allclose(resumed["model"][name], value, atol=1e-6), name


def test_a_model_is_trained_further_from_its_folder(
    runs: Path, scenes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    export_restaging(runs, tmp_path / "before")
    monkeypatch.setattr("pipeline.embedded.train.run.RESTAGE_SCENES", 6)
    monkeypatch.setattr("pipeline.embedded.train.run.build_restage", lambda folder, count: None)
    shutil.copytree(scenes, tmp_path / "runs" / f"restage-r{RENDERER_VERSION}")
    with pytest.raises(WeightsMissing, match="holds no checkpoint"):
        EXPORTS["inpaint-onward"](tmp_path / "runs", tmp_path / "after")
    with pytest.raises(WeightsMissing, match=r"holds no model_index\.json"):
        train("inpaint", tmp_path / "runs", tmp_path, steps=1)
    train("inpaint", tmp_path / "runs", tmp_path / "before", steps=1, rate=1e-4)
    EXPORTS["inpaint-onward"](tmp_path / "runs", tmp_path / "after")
    before, after = load_inpaint(tmp_path / "before"), load_inpaint(tmp_path / "after")
    for part in ("vae", "unet", "text_encoder"):
        for name, value in getattr(before, part).state_dict().items():
            limit = 0 if part == "vae" else 5e-3
            assert (getattr(after, part).state_dict()[name] - value).abs().max() <= limit, f"{part}: {name}"
    moved = before.unet.conv_in.weight - after.unet.conv_in.weight
    assert moved.abs().max() > 0
    train("inpaint-lcm", tmp_path / "runs", tmp_path / "after", steps=1, rate=1e-4)
    EXPORTS["inpaint-lcm"](tmp_path / "runs", tmp_path / "after" / "lcm")
    assert (tmp_path / "after" / "lcm" / "pytorch_lora_weights.safetensors").exists()


def test_the_hint_is_about_the_colors_of_each_part_that_is_repainted() -> None:
    model = build_model(build_tokenizer())
    text = model["text"](tokens_of(build_tokenizer(), ["a red coat", "a blue coat"])).last_hidden_state
    said = torch.arange(PARTS * 4, dtype=torch.float32).reshape(PARTS, 4)
    with torch.no_grad():
        model["hint"].weight.zero_()
        model["hint"].bias.copy_(torch.cat([said, torch.zeros(PARTS, 4)], 1).flatten())  # means, deviations of 0
    parts = torch.zeros(2, PARTS, 1, 8, 6)
    parts[:, TOP, :, 2:6, 1:4] = 1
    parts[:, BODY, :, 6:, 5:] = 1  # two cells: too few to ask for
    latents = torch.where(parts[:, TOP] > 0, said[TOP][None, :, None, None], torch.full((2, 4, 8, 6), 9.0))
    assert hint_loss(model, text, latents, parts).item() == 0
    assert hint_loss(model, text, latents + parts[:, TOP], parts).item() == pytest.approx(1 / 2)
    stripes = torch.where(torch.arange(8) % 2 > 0, 2.0, -2.0)[None, None, :, None]
    assert hint_loss(model, text, latents + stripes * parts[:, TOP], parts).item() == pytest.approx(4 / 2)


def test_the_loss_falls(cache: RestageCache) -> None:
    tokenizer = build_tokenizer()
    model = build_model(tokenizer)
    linear = LinearMap(weight=torch.cat([color_filters(), color_filters()[:1]]), bias=torch.zeros(4))
    batch = draw_batch(cache, linear, np.random.default_rng(0), 2)
    tokens = tokens_of(tokenizer, batch["texts"])
    signal = noise_schedule().alphas_cumprod.float()
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3)
    losses = []
    for _ in range(6):
        loss, numbers = denoising_loss(model, tokens, batch, signal, 5)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.9 * losses[0]
    assert numbers["inside"] > 0


def test_an_encoder_that_still_moves_is_not_given_away(scenes: Path, tmp_path: Path) -> None:
    with pytest.raises(WeightsMissing, match="train the VAE first"):
        frozen_linear(tmp_path)
    train_vae(tmp_path, scenes, schedule=replace(VAE_SCHEDULE, steps=1))
    saved = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    saved["schedule"]["steps"] = int(2 / FROZEN_FROM)
    torch.save(saved, tmp_path / "checkpoint.pt")
    with pytest.raises(WeightsMissing, match="still moves"):
        frozen_linear(tmp_path)


def test_an_exported_folder_runs_in_diffusers(runs: Path, tmp_path: Path, cache: RestageCache) -> None:
    export_restaging(runs, tmp_path)
    assert sum(file.stat().st_size for file in tmp_path.rglob("*") if file.is_file()) < 15e6
    model = parts_of(runs / "inpaint-128")
    pipe = load_inpaint(tmp_path, tmp_path / "controlnet_pose")
    weights = pipe.unet.state_dict()["conv_in.weight"]
    assert torch.allclose(weights, model["unet"].state_dict()["conv_in.weight"], atol=1e-3)
    photo = Pillow.fromarray(np.array(cache.images[0]))
    mask = Pillow.fromarray(np.full(SIZE, 255, np.uint8))
    assert (tmp_path / "controlnet_canny" / "config.json").exists()
    made = pipe(
        prompt="a model, wooden background", image=photo, mask_image=mask, control_image=photo, height=SIZE[0],
        width=SIZE[1], num_inference_steps=2, guidance_scale=1.0, strength=1.0,
    ).images[0]  # fmt: skip
    assert made.size == (SIZE[1], SIZE[0])
    assert np.asarray(made).std() > 1
