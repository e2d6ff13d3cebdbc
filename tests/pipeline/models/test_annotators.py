"""Networks that draw control maps, as the packages build them, on random weights in their files' true layouts."""

from __future__ import annotations

import dataclasses
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.errors import ItemError, LicenceRefused, ModelError, WeightsMissing
from pipeline.models.annotators import ANNOTATORS, annotate
from pipeline.models.checkpoints import checkpoint
from pipeline.models.controls import MAPS, Known, border_canny, control_maps
from pipeline.models.devices import loaded_models
from pipeline.models.weights import MIRROR
from pipeline.types import Image

SIZE = (150, 100)


@pytest.fixture(scope="module")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights as their repositories hold them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from controlnet_aux.hed import ControlNetHED_Apache2
        from controlnet_aux.lineart import Generator
        from controlnet_aux.pidi.model import pidinet
    from transformers import DepthAnythingConfig, DepthAnythingForDepthEstimation, Dinov2Config, DPTImageProcessor

    folder = tmp_path_factory.mktemp("annotators")
    torch.manual_seed(1)
    for row_id, network in (("hed", ControlNetHED_Apache2()), ("lineart", Generator(3, 1, 3))):
        row = checkpoint(row_id)
        path = folder / row.address / str(row.file)
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save(network.state_dict(), path)
    edges = pidinet()
    torch.nn.init.constant_(edges.classifier.weight, 50)  # untrained, it is all but the same grey everywhere
    trained = {f"module.{name}": value for name, value in edges.state_dict().items()}
    torch.save({"epoch": 1, "state_dict": trained}, folder / checkpoint("pidinet").address / "table5_pidinet.pth")
    backbone = Dinov2Config(
        hidden_size=16, num_hidden_layers=4, num_attention_heads=2, intermediate_size=32, image_size=56, patch_size=14,
        out_indices=[1, 2, 3, 4], reshape_hidden_states=False,
    )  # fmt: skip
    config = DepthAnythingConfig(
        backbone_config=backbone, reassemble_hidden_size=16, neck_hidden_sizes=[8, 8, 8, 8], fusion_hidden_size=8,
        head_hidden_size=4, patch_size=14,
    )  # fmt: skip
    place = folder / checkpoint("depth-anything-v2-small").address
    DepthAnythingForDepthEstimation(config).save_pretrained(place)
    DPTImageProcessor(size={"height": 56, "width": 56}, ensure_multiple_of=14, keep_aspect_ratio=True).save_pretrained(
        place
    )
    return folder


@pytest.fixture
def here(mirror: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(MIRROR, str(mirror))
    loaded_models().clear()


def photo() -> Image:
    rng = np.random.default_rng(2)
    coarse = rng.integers(0, 256, (15, 10, 3), dtype=np.uint8)
    return np.repeat(np.repeat(coarse, 10, 0), 10, 1)


@pytest.mark.parametrize("kind", sorted(ANNOTATORS))
def test_a_map_has_the_photos_size_and_follows_it(kind: str, here: None) -> None:
    image = photo()
    made = annotate(kind, image)
    assert made.shape == image.shape
    assert made.dtype == np.uint8
    assert np.array_equal(made, annotate(kind, image))
    assert np.abs(made.astype(int) - annotate(kind, image[::-1].copy())).max() > 0


def test_soft_edges_are_drawn_by_the_network_that_is_named(here: None) -> None:
    image = photo()
    own, hed = annotate("softedge", image), annotate("softedge", image, by={"softedge": "hed"})
    other = annotate("softedge", image, by={"softedge": "pidinet"}, accept_licence=["pidinet"])
    assert np.array_equal(own, hed)
    assert other.shape == image.shape
    assert other.dtype == np.uint8
    assert not np.array_equal(own, other)
    with pytest.raises(LicenceRefused, match="accept_licence: pidinet"):
        annotate("softedge", image, by={"softedge": "pidinet"})


def test_garment_lines_are_drawn_on_the_garment_near_its_border_only(here: None) -> None:
    kept = np.zeros(SIZE, np.bool_)
    kept[30:120, 20:80] = True
    known = Known(image=photo(), kept=kept, joints=None)
    band = kept.copy()
    band[40:110, 30:70] = False
    for kind in ("softedge", "lineart"):
        drawn = MAPS[kind](known).any(axis=2)
        assert drawn.any()
        assert not drawn[~band].any()
    depth = control_maps(known, ["depth", "canny"])
    assert depth[0].image[~kept].any(), "depth is the whole photo's"
    assert np.array_equal(depth[1].image, border_canny(known))


def test_a_map_that_shows_nothing_is_an_items_error(here: None, monkeypatch: pytest.MonkeyPatch) -> None:
    flat = np.zeros((*SIZE, 3), np.uint8)
    for kind in ("softedge", "lineart"):
        with pytest.raises(ItemError, match="the mask of what is kept is empty"):
            MAPS[kind](Known(image=flat, kept=np.zeros(SIZE, np.bool_), joints=None))
    dull = dataclasses.replace(ANNOTATORS["depth"], draw=lambda *_: flat + 3)
    monkeypatch.setattr("pipeline.models.annotators.ANNOTATORS", {**ANNOTATORS, "depth": dull})
    with pytest.raises(ItemError, match=r"depth map.*shows nothing: leave depth out of garment\.controls"):
        annotate("depth", photo())


def test_missing_and_misfit_weights_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(MIRROR, str(tmp_path))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    loaded_models().clear()
    with pytest.raises(WeightsMissing, match="seamline checkpoints fetch hed"):
        annotate("softedge", photo())
    torch.save({"norm": torch.zeros(1, 3, 1, 1)}, tmp_path / "ControlNetHED.pth")
    with pytest.raises(ModelError, match=r"hed.*block1"):
        annotate("softedge", photo())
