"""References for Stable Diffusion 3.5: an IP-Adapter through SigLIP, on tiny weights in its true layout."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from pipeline.errors import LicenceRefused, ModelError, RecipeError
from pipeline.models.checkpoints import EXTRA_ROWS, checkpoint
from pipeline.models.devices import loaded_models
from pipeline.models.families import ControlMap, Generator, Inpaint
from pipeline.models.families.sd3 import CONTROLLED
from pipeline.models.generators import generate, load_generator, refuse_unfit
from tests.pipeline.models import tiny_flow as tiny
from tests.pipeline.models.test_image_prompt import apart, reference, request

ACCEPTED = ("sd3.5-large", "ip-adapter-sd3.5-large", "controlnet-sd3-canny")
pytestmark = pytest.mark.usefixtures("one_thread", "flow_rows")


def load(name: str = "sd3.5-large", **fields: Any) -> Generator:
    return load_generator(name, device="cpu", accept_licence=ACCEPTED, **fields)


@pytest.mark.parametrize("guidance", [1.0, 3.5])
def test_a_reference_is_followed_as_strongly_as_asked_at_every_step(guidance: float) -> None:
    asked = request(guidance=guidance, steps=8, reference_scale=1.0)
    plain = generate(load(), [asked])[0]
    generator = load(reference=True)
    seen: list[tuple[float, ...]] = []
    generator.pipe.transformer.image_proj.register_forward_pre_hook(
        lambda _, told: seen.append(tuple(told[1].tolist()))
    )
    one = generate(generator, [replace(asked, reference=reference(1))])[0]
    assert len({times[0] for times in seen}) == len(seen) == 8, "the resampler is told the time of each step"
    other = generate(generator, [replace(asked, reference=reference(2))])[0]
    unheard = generate(generator, [replace(asked, reference=reference(1), reference_scale=0.0)])[0]
    assert apart(one, other) > 0
    assert apart(one, plain) > 0.5
    assert apart(unheard, plain) < 0.3 * apart(one, plain), "at a scale of 0 only number formats differ"
    assert np.array_equal(one, generate(generator, [replace(asked, reference=reference(1))])[0])
    assert generator.prompts.hits >= 2, "a reference is encoded once"


@pytest.mark.parametrize("guidance", [1.0, 3.5])
def test_one_reference_serves_a_batch(guidance: float) -> None:
    generator = load(reference=True)
    asked = [request(seed, guidance=guidance, steps=4, reference=reference(1)) for seed in (1, 2)]
    both = generate(generator, asked)
    alone = [generate(generator, [one])[0] for one in asked]
    assert apart(both[0], both[1]) > 4 * max(apart(many, one) for many, one in zip(both, alone, strict=True))


def test_it_is_read_beside_a_control(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = np.random.default_rng(4).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    fields = checkpoint("sd3.5-large").model_dump(mode="json", exclude_unset=True)
    path = tmp_path / "own.yaml"
    path.write_text(yaml.safe_dump({"checkpoints": [fields | {"controlnets": {"canny": "controlnet-sd3-canny"}}]}))
    monkeypatch.setenv(EXTRA_ROWS, str(path))
    generator = load(controls=("canny",), reference=True)
    assert type(generator.pipe).__name__ == CONTROLLED
    pictures = []
    for seed, scale in ((1, 1.0), (2, 1.0), (1, 0.0)):
        asked: Inpaint = request(guidance=3.5, steps=4, reference=reference(seed), reference_scale=1.0)
        maps = (ControlMap(kind="canny", image=drawn[: asked.size[0], : asked.size[1]], scale=scale),)
        pictures.append(generate(generator, [replace(asked, controls=maps)])[0])
    one, other, unheard = pictures
    assert apart(one, other) > 0
    assert apart(one, unheard) > 0


def test_the_licence_and_rows_without_an_adapter_are_refused() -> None:
    with pytest.raises(LicenceRefused, match=r"accept_licence: \[sd3.5-large, ip-adapter-sd3.5-large\]"):
        load_generator("sd3.5-large", device="cpu", reference=True, accept_licence=["sd3.5-large"])
    with pytest.raises(RecipeError, match="sd3-medium: its row has no IP-Adapter"):
        refuse_unfit(checkpoint("sd3-medium"), steps=28, guidance=7.0, reference=True)


def test_an_adapter_of_another_network_or_encoder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def own(**fields: Any) -> None:
        rows = [
            checkpoint(name).model_dump(mode="json", exclude_unset=True)
            for name in ("ip-adapter-sd3.5-large", "sd3.5-large")
        ]
        rows[0] |= {"id": "own", "commercial": True, "address": str(tmp_path), **fields}
        rows[1] |= {"ip_adapter": "own"}
        path = tmp_path / "own.yaml"
        path.write_text(yaml.safe_dump({"checkpoints": rows}))
        monkeypatch.setenv(EXTRA_ROWS, str(path))
        loaded_models().clear()

    for blocks, said in ((3, r"7 unknown \(2\."), (1, r"7 missing \(1\.")):
        tiny.write_sd3_ip_adapter(tmp_path / "ip-adapter.safetensors", blocks=blocks)
        own()
        with pytest.raises(ModelError, match=rf"weights of own do not fit its architecture: {said}"):
            load(reference=True)
    tiny.write_sd3_ip_adapter(tmp_path / "ip-adapter.safetensors")
    tiny.write_siglip(tmp_path / "siglip", wide=32)
    own(needs={"image_encoder": str(tmp_path / "siglip")})
    with pytest.raises(ModelError, match=r"'own'.*gives 32 numbers for a picture, and it reads 48"):
        load(reference=True)
