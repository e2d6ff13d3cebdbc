"""Reference pictures on FLUX.1 dev, by a tiny IP-Adapter in XLabs' names."""

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
from pipeline.models.families import Generator
from pipeline.models.generators import generate, load_generator, readable_controls, refuse_unfit
from tests.pipeline.models import tiny_flow as tiny
from tests.pipeline.models.test_image_prompt import apart, reference, request

ACCEPTED = ("flux1-dev", "flux1-dev-q8-0", "flux1-dev-turbo-alpha", "ip-adapter-flux")


pytestmark = pytest.mark.usefixtures("one_thread", "flow_rows")


def load(name: str, **fields: Any) -> Generator:
    return load_generator(name, device="cpu", accept_licence=ACCEPTED, **fields)


@pytest.mark.parametrize("name", ["flux1-dev", "flux1-dev-turbo-alpha", "flux1-dev-q8-0"])
def test_a_reference_is_followed_as_strongly_as_asked(name: str) -> None:
    asked = request(guidance=3.5, steps=8, reference_scale=1.0)
    plain = generate(load(name), [asked])[0]
    generator = load(name, reference=True)
    one, other = (generate(generator, [replace(asked, reference=reference(seed))])[0] for seed in (1, 2))
    unheard = generate(generator, [replace(asked, reference=reference(1), reference_scale=0.0)])[0]
    assert apart(one, other) > 0.5
    assert apart(one, plain) > 0.5
    assert apart(unheard, plain) < 0.3 * apart(one, plain), "at a scale of 0 only number formats differ"
    assert np.array_equal(one, generate(generator, [replace(asked, reference=reference(1))])[0])
    assert generator.prompts.hits >= 2, "a reference is encoded once"


def test_one_reference_serves_a_batch() -> None:
    generator = load("flux1-dev", reference=True)
    asked = [request(seed, guidance=3.5, steps=8, reference=reference(1)) for seed in (1, 2)]
    calls: list[int] = []
    generator.pipe.transformer.register_forward_pre_hook(
        lambda _, __, named: calls.append(named["hidden_states"].shape[0]), with_kwargs=True
    )
    both = generate(generator, asked)
    assert set(calls) == {2}
    alone = [generate(generator, [one])[0] for one in asked]
    assert apart(both[0], both[1]) > 4 * max(apart(many, one) for many, one in zip(both, alone, strict=True))


def test_it_is_read_without_controls_alone_and_by_dev_alone() -> None:
    row = checkpoint("flux1-dev")
    assert "pose" in readable_controls(row)
    assert not readable_controls(row, reference=True)
    with pytest.raises(RecipeError, match="flux1-dev: no control canny beside a reference; its row has none"):
        refuse_unfit(row, steps=28, guidance=3.5, controls=("canny",), reference=True)
    with pytest.raises(ModelError, match="without controls alone"):
        load_generator("flux1-dev", controls=("pose",), device="cpu", reference=True,
                       accept_licence=[*ACCEPTED, "controlnet-flux-union-pro-2"])  # fmt: skip
    with pytest.raises(RecipeError, match="flux1-fill-dev: its row has no IP-Adapter"):
        refuse_unfit(checkpoint("flux1-fill-dev"), steps=50, guidance=30, reference=True)
    with pytest.raises(LicenceRefused, match=r"accept_licence: \[flux1-dev, ip-adapter-flux\]"):
        load_generator("flux1-dev", device="cpu", reference=True, accept_licence=["flux1-dev"])


def test_an_adapter_of_another_network_or_encoder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def own(**fields: Any) -> None:
        rows = [
            checkpoint(name).model_dump(mode="json", exclude_unset=True) for name in ("ip-adapter-flux", "flux1-dev")
        ]
        rows[0] |= {"id": "own", "commercial": True, "address": str(tmp_path), **fields}
        rows[1] |= {"ip_adapter": "own"}
        path = tmp_path / "own.yaml"
        path.write_text(yaml.safe_dump({"checkpoints": rows}))
        monkeypatch.setenv(EXTRA_ROWS, str(path))
        loaded_models().clear()

    tiny.write_flux_ip_adapter(tmp_path / "ip_adapter.safetensors", sizes=tiny.BLOCK_SIZES, blocks=2)
    own()
    with pytest.raises(ModelError, match=r"weights of own do not fit its architecture: 4 unknown \(1.to_k_ip.bias"):
        load("flux1-dev", reference=True)
    tiny.write_flux_ip_adapter(tmp_path / "ip_adapter.safetensors", sizes=tiny.BLOCK_SIZES)
    monkeypatch.setattr(tiny, "SEEN", 12)
    tiny.write_clip(tmp_path / "clip")
    own(needs={"image_encoder": str(tmp_path / "clip")})
    with pytest.raises(ModelError, match=r"'own'.*gives 12 numbers for a picture, and it reads 24"):
        load("flux1-dev", reference=True)
