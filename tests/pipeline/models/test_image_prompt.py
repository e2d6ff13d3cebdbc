"""Reference pictures by IP-Adapters, on tiny ones in their true layout: followed as strongly as asked, or refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from pipeline.errors import LicenceRefused, ModelError, RecipeError, WeightsMissing
from pipeline.models import on_cpu
from pipeline.models.checkpoints import EXTRA_ROWS, checkpoint, checkpoints
from pipeline.models.devices import has_bfloat16, loaded_models
from pipeline.models.families import ControlMap, Inpaint
from pipeline.models.families.image_prompt import squared
from pipeline.models.generators import generate, ip_adapter_of, load_generator, refuse_unfit
from pipeline.models.weights import MIRROR
from tests import tiny_diffusion as tiny
from tests.pipeline.models.diffusion_mirror import write_mirror, write_rows

ROWS = (
    "sd15-inpainting", "sdxl-inpainting", "lcm-lora-sd15", "controlnet-sd15-openpose", "ip-adapter-sd15", "sdxl-base",
    "ip-adapter-sdxl", "sdxl-lightning-4step-lora", "ip-adapter-plus-sd15", "controlnet-sd15-canny",
    "controlnet-sdxl-openpose", "controlnet-sdxl-canny",
)  # fmt: skip


@pytest.fixture(scope="module")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_mirror(tmp_path_factory.mktemp("mirror"), only=ROWS)


@pytest.fixture(autouse=True)
def here(mirror: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The mirror as this machine's weights."""
    monkeypatch.setenv(MIRROR, str(mirror))
    monkeypatch.setenv(EXTRA_ROWS, str(write_rows(tmp_path / "rows.yaml")))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    loaded_models().clear()


def reference(seed: int, size: tuple[int, int] = (40, 30)) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)


def request(seed: int = 1, **fields: Any) -> Inpaint:
    image = np.repeat(np.repeat(np.random.default_rng(3).integers(0, 256, (8, 8, 3), dtype=np.uint8), 8, 0), 8, 1)
    repaint = np.zeros((64, 64), np.bool_)
    repaint[16:56, 8:48] = True
    common: dict[str, Any] = {"prompt": "a red coat", "seed": seed, "steps": 4, "guidance": 1.0}
    return Inpaint(image=image, repaint=repaint, **{**common, **fields})


def apart(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(one.astype(int) - other).mean())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "guidance", "steps"),
    [("sd15-inpainting", 5.0, 8), ("sd15-lcm", 1.0, 4), ("sdxl-base", 5.0, 8), ("sdxl-lightning-4step", 0.0, 4)],
)
def test_a_reference_is_followed_as_strongly_as_asked(name: str, guidance: float, steps: int) -> None:
    asked = request(guidance=guidance, steps=steps, reference_scale=1.0)
    plain = generate(load_generator(name, device="cpu"), [asked])[0]
    generator = load_generator(name, device="cpu", reference=True)
    one, other = (generate(generator, [replace(asked, reference=reference(seed))])[0] for seed in (1, 2))
    unheard = generate(generator, [replace(asked, reference=reference(1), reference_scale=0.0)])[0]
    assert apart(one, other) > 0.5
    assert apart(one, plain) > 0.5
    assert apart(unheard, plain) < 0.2, "at a scale of 0 only number formats differ"
    again = generate(generator, [replace(asked, reference=reference(1))])[0]
    assert np.array_equal(one, again)
    assert generator.fingerprint != load_generator(name, device="cpu").fingerprint


def test_each_request_of_a_batch_has_its_own_reference_beside_its_control() -> None:
    generator = load_generator("sd15-inpainting", device="cpu", controls=("pose",), reference=True)
    sticks = np.zeros((64, 64, 3), np.uint8)
    sticks[10:50, 30:34] = 255
    pose = (ControlMap(kind="pose", image=sticks),)
    asked = [request(7, guidance=5.0, steps=8, reference=reference(seed), controls=pose) for seed in (1, 2)]
    both = generate(generator, asked)
    alone = [generate(generator, [one])[0] for one in asked]
    assert apart(both[0], both[1]) > 0.5
    assert all(np.abs(many.astype(int) - single).max() <= 3 for many, single in zip(both, alone, strict=True))
    assert generator.prompts.hits >= 2, "a reference is encoded once"


def test_one_reference_serves_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = load_generator("sd15-lcm", device="cpu", reference=True)
    asked = [request(seed, reference=reference(1)) for seed in (1, 2)]
    calls: list[int] = []
    generator.pipe.unet.register_forward_pre_hook(lambda _, given: calls.append(given[0].shape[0]))
    both = generate(generator, asked)
    assert set(calls) == {2}
    alone = [generate(generator, [one])[0] for one in asked]
    assert all(np.abs(many.astype(int) - single).max() <= 3 for many, single in zip(both, alone, strict=True))
    calls.clear()
    generate(generator, [asked[0], replace(asked[1], reference=reference(2))])
    assert set(calls) == {1}


def test_a_long_reference_is_seen_whole() -> None:
    tall = np.full((90, 30, 3), 250, np.uint8)
    tall[:10] = (255, 0, 0)
    square = squared(tall)
    assert square.shape == (90, 90, 3)
    assert (square[:10, 30:60] == (255, 0, 0)).all()
    assert (square[:, :30] == 250).all()
    wide = squared(tall.transpose(1, 0, 2))
    assert wide.shape == (90, 90, 3)


def test_what_reads_no_reference_says_what_does() -> None:
    row = checkpoint("sd15-inpainting")
    refuse_unfit(row, steps=25, guidance=7.5, reference=True)
    assert ip_adapter_of(row).id == "ip-adapter-sd15"
    with pytest.raises(RecipeError, match=r"inpaint-embedded: its row has no IP-Adapter.*choose.*: dmd2"):
        refuse_unfit(checkpoint("inpaint-embedded"), steps=20, guidance=3, reference=True)
    with pytest.raises(ValueError, match="with a reference picture only"):
        generate(load_generator("sd15-lcm", device="cpu", reference=True), [request(reference=None), request()][:1])


def test_a_file_that_is_no_adapter_and_a_missing_encoder_are_named(
    tmp_path: Path, mirror: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(MIRROR, str(tmp_path))
    (tmp_path / "sd15-inpainting").symlink_to(mirror / checkpoint("sd15-inpainting").address)
    tiny.save({"unet.lora_A.weight": tiny.torch.zeros(2, 2)}, tmp_path / "ip-adapter_sd15.safetensors")
    with pytest.raises(WeightsMissing, match="clip-vit-h-vision"):
        load_generator("sd15-inpainting", device="cpu", reference=True)
    tiny.write_image_encoder(tmp_path / "clip-vit-h-vision" / "models" / "image_encoder")
    with pytest.raises(ModelError, match=r"ip-adapter-sd15.*is no IP-Adapter"):
        load_generator("sd15-inpainting", device="cpu", reference=True)


def own_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **fields: Any) -> None:
    """A generator on an adapter of the user's own, whose row differs from the built-in one by ``fields``."""
    adapter = checkpoint("ip-adapter-sd15").model_dump(mode="json", exclude_unset=True)
    generator = checkpoint("sd15-inpainting").model_dump(mode="json", exclude_unset=True)
    path = tmp_path / "own.yaml"
    path.write_text(
        yaml.safe_dump({"checkpoints": [{**adapter, "id": "own", **fields}, {**generator, "ip_adapter": "own"}]})
    )
    monkeypatch.setenv(EXTRA_ROWS, str(path))
    loaded_models().clear()


def test_an_adapter_that_reads_the_encoders_states_works_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own_rows(tmp_path, monkeypatch, file=checkpoint("ip-adapter-plus-sd15").file)
    generator = load_generator("sd15-inpainting", device="cpu", reference=True)
    assert generator.pipe.unet.encoder_hid_proj.image_projection_layers[0].latents.shape[1] == 4
    one, other = (generate(generator, [request(reference=reference(seed), guidance=5.0)])[0] for seed in (1, 2))
    assert apart(one, other) > 0.5


def test_an_adapter_of_another_network_or_encoder_is_refused(
    mirror: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own_rows(tmp_path, monkeypatch, file=checkpoint("ip-adapter-sdxl").file)
    with pytest.raises(ModelError, match=r"weights of own do not fit its architecture: 2 unknown"):
        load_generator("sd15-inpainting", device="cpu", reference=True)
    state = tiny.read(mirror / checkpoint("ip-adapter-sd15").address / str(checkpoint("ip-adapter-sd15").file))
    more = {**state, "ip_adapter.33.to_k_ip.weight": state["ip_adapter.1.to_k_ip.weight"]}
    tiny.save(more, tmp_path / "more.safetensors")
    own_rows(tmp_path, monkeypatch, address=str(tmp_path), file="more.safetensors")
    with pytest.raises(ModelError, match=r"own do not fit its architecture: 1 unknown \(33.to_k_ip.weight\)"):
        load_generator("sd15-inpainting", device="cpu", reference=True)
    monkeypatch.setattr(tiny, "SEEN", 12)
    tiny.write_image_encoder(tmp_path / "encoder")
    own_rows(tmp_path, monkeypatch, needs={"image_encoder": str(tmp_path / "encoder")})
    with pytest.raises(ModelError, match=r"'own'.*gives 12 numbers for a picture, and it reads 24"):
        load_generator("sd15-inpainting", device="cpu", reference=True)
    own_rows(tmp_path, monkeypatch, commercial=False, licence="CC-BY-NC-4.0")
    with pytest.raises(LicenceRefused, match="accept_licence: own"):
        load_generator("sd15-inpainting", device="cpu", reference=True)


def test_several_controls_and_a_reference_act_together() -> None:
    generator = load_generator("sd15-inpainting", controls=("pose", "canny"), device="cpu", reference=True)
    maps = tuple(ControlMap(kind=kind, image=reference(5, (64, 64))) for kind in ("pose", "canny"))
    blind = tuple(replace(one, image=one.image * 0) for one in maps)
    common: dict[str, Any] = {"guidance": 5.0, "reference": reference(1)}
    seen = generate(generator, [request(controls=maps, **common)])[0]
    assert not np.array_equal(seen, generate(generator, [request(controls=blind, **common)])[0])
    assert apart(seen, generate(generator, [request(controls=maps, **{**common, "reference": reference(2)})])[0]) > 0.5


@pytest.mark.parametrize("name", ["sd15-inpainting", "sdxl-inpainting"])
def test_a_batch_under_several_controls_and_a_reference_gives_what_single_calls_give(name: str) -> None:
    generator = load_generator(name, controls=("pose", "canny"), device="cpu", reference=True)

    def asked(seed: int, drawn: int) -> Inpaint:
        maps = (
            ControlMap(kind=kind, image=reference(drawn + at, (64, 64))) for at, kind in enumerate(("pose", "canny"))
        )
        return request(seed, controls=tuple(maps), guidance=5.0, reference=reference(1))

    calls: list[int] = []
    generator.pipe.unet.register_forward_pre_hook(lambda _, given: calls.append(given[0].shape[0]))
    both = generate(generator, [asked(1, 10), asked(2, 20)])
    assert set(calls) == {4}, "two pictures, with and without the prompt"
    alone = [generate(generator, [one])[0] for one in (asked(1, 10), asked(2, 20))]
    assert all(np.abs(many.astype(int) - single).max() <= 3 for many, single in zip(both, alone, strict=True))
    assert apart(generate(generator, [asked(1, 20)])[0], alone[0]) > 0.5, "each has its own maps"


@pytest.mark.skipif(not has_bfloat16(), reason="the processor has no bfloat16")
def test_on_a_processor_its_layers_are_packed_and_stay_in_place(monkeypatch: pytest.MonkeyPatch) -> None:
    from diffusers.models.attention_processor import IPAdapterAttnProcessor2_0

    packed = load_generator("sd15-inpainting", device="cpu", reference=True)
    wanted = [request(guidance=5.0, reference=reference(seed)) for seed in (1, 2)]
    made = [generate(packed, [one])[0] for one in wanted]
    worn = [one for one in packed.pipe.unet.attn_processors.values() if isinstance(one, IPAdapterAttnProcessor2_0)]
    assert len(worn) == len(packed.pipe.unet.attn_processors) // 2 > 10
    assert all(isinstance(layer, on_cpu.PackedLinear) for one in worn for layer in (*one.to_k_ip, *one.to_v_ip))
    loaded_models().clear()
    monkeypatch.setattr(on_cpu, "prepare", lambda _: 0)
    monkeypatch.setattr(on_cpu, "_is_simple", lambda *_, **__: False)
    plain = generate(load_generator("sd15-inpainting", device="cpu", reference=True), [wanted[0]])[0]
    assert apart(made[0], plain) < 0.5 * apart(made[0], made[1]), "packing is far less than another picture"


def test_every_adapter_that_a_row_names_is_a_row_of_its_family() -> None:
    naming = [row for row in checkpoints().values() if row.ip_adapter]
    assert len(naming) > 20
    for row in naming:
        adapter = checkpoint(str(row.ip_adapter), role="ip_adapter")
        assert adapter.family == row.family, row.id
        assert checkpoint(adapter.needs["image_encoder"], role="image_encoder")
