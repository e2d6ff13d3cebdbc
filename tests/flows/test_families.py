"""Whole recipes on other generators: only `generate.checkpoint` changes."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from flows.items import process_chunk
from flows.planning import plan_batch
from flows.workplace import open_workplace
from pipeline.errors import RecipeError
from pipeline.files.picture import decode_picture
from pipeline.models.checkpoints import EXTRA_ROWS
from pipeline.models.devices import loaded_models
from pipeline.models.weights import MIRROR
from tests.flows.conftest import MakeRecipe
from tests.pipeline.models.diffusion_mirror import write_mirror, write_rows

GENERATED = ("background.kind=generated", "background.prompt=marble background", "catalog.limit=1")
DEV = ("generate.checkpoint=flux1-dev", "accept_licence=flux1-dev")
ROWS = ("sd15-inpainting", "lcm-lora-sd15", "sdxl-base", "dmd2-sdxl-4step-unet", "ip-adapter-sd15")


@pytest.fixture(scope="module")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_mirror(tmp_path_factory.mktemp("mirror"), only=ROWS)


@pytest.fixture
def here(mirror: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The mirror as this machine's weights."""
    monkeypatch.setenv(MIRROR, str(mirror))
    monkeypatch.setenv(EXTRA_ROWS, str(write_rows(tmp_path / "rows.yaml")))
    loaded_models().clear()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "overrides"),
    [
        ("sd15-lcm", ()),
        ("sd15-inpainting", ("generate.steps=8", "generate.scheduler=UniPCMultistepScheduler")),
        ("dmd2-sdxl-4step-full", ("accept_licence=[dmd2-sdxl-4step-full]",)),
    ],
)
def test_a_recipe_runs_on_a_row_of_each_family(
    name: str, overrides: tuple[str, ...], here: None, make_recipe: MakeRecipe
) -> None:
    plan = plan_batch(make_recipe(*GENERATED, f"generate.checkpoint={name}", *overrides))
    assert plan is not None
    assert process_chunk(plan.address, [("shoe0", "main")]).states == {"accepted": 1}
    work = open_workplace(plan.address)
    record = next(work.ledger.records(work.id))
    assert record.output is not None, record.reason
    assert decode_picture(Path(record.output).read_bytes(), "finished").image[:20].std() > 1
    told = work.store.get(record.keys["place"])
    assert told is not None
    assert isinstance(told.meta, dict)
    assert told.meta["checkpoint"] == name
    assert told.meta["commercial"] == name.startswith("sd15")
    assert told.meta["scheduler"] == ("UniPCMultistepScheduler" if name == "sd15-inpainting" else "LCMScheduler")


def _places(make_recipe: MakeRecipe, *overrides: str) -> tuple[dict[str, int], bytes]:
    """What was executed, and the generated place, of one item on a checkpoint with an IP-Adapter; what record and
    result say of its reference is compared.
    """
    overrides = (*GENERATED, "generate.checkpoint=sd15-lcm", *overrides)
    plan = plan_batch(make_recipe(*overrides))
    if plan is None:
        return {}, b""
    executed = dict(process_chunk(plan.address, [("shoe0", "main")]).executed)
    work = open_workplace(plan.address)
    record = next(work.ledger.records(work.id))
    assert record.output is not None, record.reason
    told = work.store.get(record.keys["place"])
    assert told is not None
    look = make_recipe(*overrides).generate.reference
    digest = hashlib.sha256(Path(look).read_bytes()).hexdigest() if look else None
    assert told.meta.get("reference") == record.scores.get("reference") == digest
    assert record.scores.get("reference_scale") == (1.0 if look else None)
    return executed, told.read("plate.png")


def test_a_reference_is_followed_and_its_bytes_decide_what_is_done_again(
    here: None, tmp_path: Path, make_recipe: MakeRecipe
) -> None:
    rng = np.random.default_rng(1)
    look = tmp_path / "look.png"
    Pillow.fromarray(rng.integers(0, 256, (64, 48, 3), dtype=np.uint8)).save(look)
    _, plain = _places(make_recipe)
    asked = (f"generate.reference={look}", "generate.reference_scale=1")
    executed, first = _places(make_recipe, *asked)
    assert executed["place"] == 1
    assert first != plain
    moved = look.rename(tmp_path / "moved.png")
    executed, _ = _places(make_recipe, f"generate.reference={moved}", "generate.reference_scale=1")
    assert "place" not in executed, "the same picture elsewhere"
    Pillow.fromarray(rng.integers(0, 256, (64, 48, 3), dtype=np.uint8)).save(look)
    executed, other = _places(make_recipe, *asked)
    assert executed["place"] == 1
    assert other != first


def test_what_a_reference_leaves_no_room_for_needs_no_licence(make_recipe: MakeRecipe) -> None:
    accepted = "accept_licence=[flux1-dev, ip-adapter-flux]"
    garment = ("generate.checkpoint=flux1-dev", accepted, "kind=garment", "subject.phrases=[shirt]")
    assert make_recipe(*garment, f"generate.reference={__file__}").kind == "garment"
    with pytest.raises(RecipeError, match=r"accept_licence: \[flux1-dev, ip-adapter-flux, controlnet-flux-"):
        make_recipe(*garment, "catalog.columns={reference: look}")  # rows without one have controls


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (("generate.reference=nowhere.png", "generate.checkpoint=sd15-lcm"), "there is no file nowhere.png"),
        ((f"generate.reference={__file__}",), "inpaint-embedded: its row has no IP-Adapter"),
        (("generate.reference_scale=2",), "generate.reference_scale"),
        (("catalog.columns={reference: look}",), "inpaint-embedded: its row has no IP-Adapter"),
        (("generate.checkpoint=dmd2-sdxl-4step-full",), "accept_licence: dmd2-sdxl-4step-full"),
        ((*DEV, "background.controls=[canny]"), r"accept_licence: \[flux1-dev, controlnet-flux-union-pro-2\]"),
        ((*DEV, "kind=garment", "subject.phrases=[shirt]"), r"accept_licence: \[flux1-dev, controlnet-flux-"),
        ((*DEV, "catalog.columns={reference: look}"), r"accept_licence: \[flux1-dev, ip-adapter-flux\]"),
        (("generate.checkpoint=hyper-sd15-4step", "generate.steps=2"), "at least 4"),
        (("generate.checkpoint=hyper-sd15-4step", "generate.steps=8"), "at most 4"),
        (("generate.checkpoint=hyper-sd15-4step", "generate.guidance=7.5"), "guidance 7.5 is outside 0 to 1"),
        (("generate.checkpoint=lcm-dreamshaper-v7", "generate.negative_prompt=people"), "negative prompt is not read"),
        (("generate.checkpoint=lcm-lora-sd15",), "there is no"),
        (
            ("generate.checkpoint=hyper-sd15-4step", "generate.scheduler=EulerDiscreteScheduler"),
            "EulerDiscreteScheduler does not fit it; it takes .*, and no other",
        ),
        (("generate.checkpoint=sd15-inpainting", "generate.scheduler=NoSuchScheduler"), "and DDIMScheduler, Euler"),
        (("generate.scheduler=euler a",), "generate.scheduler"),
    ],
)
def test_what_a_row_cannot_do_is_told_when_the_recipe_is_read(
    overrides: tuple[str, ...], said: str, make_recipe: MakeRecipe
) -> None:
    with pytest.raises(RecipeError, match=said):
        make_recipe(*GENERATED, *overrides)
