"""Every row of the rectified-flow families: loads from its true layout and runs a whole inpaint as its row says."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest
import torch

from pipeline.errors import RecipeError
from pipeline.models.checkpoints import checkpoint
from pipeline.models.devices import loaded_models
from pipeline.models.families import ControlMap, Generator
from pipeline.models.generators import load_generator, refuse_unfit
from pipeline.models.on_cpu import unpack
from pipeline.passes.inpaint import Wish, inpaint
from tests.pipeline.models import flow_mirror

pytestmark = pytest.mark.usefixtures("one_thread")


def photo() -> tuple[Any, Any]:
    rng = np.random.default_rng(3)
    image = np.repeat(np.repeat(rng.integers(0, 256, (12, 12, 3), dtype=np.uint8), 8, 0), 8, 1)
    repaint = np.zeros(image.shape[:2], np.bool_)
    repaint[30:60, 24:70] = True
    return image, repaint


def counted(generator: Generator) -> list[int]:
    """Grows by one at each step of the scheduler, from now on."""
    steps: list[int] = []
    own = generator.pipe.scheduler.step

    @functools.wraps(own)
    def step(*values: Any, **said: Any) -> Any:
        steps.append(1)
        return own(*values, **said)

    generator.pipe.scheduler.step = step
    return steps


def few(name: str) -> int:
    """As few steps as the row allows, and two at least."""
    sampling = checkpoint(name).sampling
    assert sampling is not None
    return max(2, sampling.min_steps if sampling.max_steps else 2)


def paint(generator: Generator, **said: Any) -> Any:
    image, repaint = photo()
    painted = inpaint(generator, image, repaint, Wish(prompt="marble background", seed=1, **said)).image
    assert np.array_equal(painted[~repaint], image[~repaint])
    assert np.abs(painted[repaint].astype(int) - image[repaint]).mean() > 1
    return painted


@pytest.mark.parametrize("name", flow_mirror.generators())
def test_a_row_runs_a_whole_inpaint_as_it_says(name: str, flow_rows: None) -> None:
    row = checkpoint(name, role="generator")
    if row.quantisation == "nf4":
        pytest.importorskip("bitsandbytes")
    assert row.sampling is not None
    refuse_unfit(row, steps=row.sampling.steps, guidance=row.sampling.guidance)
    generator = load_generator(name, device="cpu", accept_licence=[name])
    for setting, value in row.sampling.settings.items():
        assert generator.pipe.scheduler.config[setting] == value
    steps = counted(generator)
    paint(generator, steps=few(name))
    assert len(steps) == few(name)
    if "transformer" in row.needs:
        kinds = {type(weights).__name__ for weights in generator.pipe.transformer.parameters()}
        assert "GGUFParameter" in kinds
    if row.quantisation:
        stored = {"fp8": torch.float8_e4m3fn, "nf4": torch.uint8}[row.quantisation]
        assert stored in {weights.dtype for weights in generator.pipe.transformer.parameters()}


@pytest.mark.parametrize(("name", "texts"), [("flux1-schnell", 1), ("sd3-medium", 2)])
def test_a_prompt_is_encoded_once(name: str, texts: int, flow_rows: None) -> None:
    generator = load_generator(name, device="cpu", accept_licence=[name])
    first, again = paint(generator, steps=2), paint(generator, steps=2)
    assert np.array_equal(first, again)
    assert (generator.prompts.misses, generator.prompts.hits) == (texts, texts)


CONTROLLED = [name for name in flow_mirror.generators() if name in ("flux1-dev", "qwen-image", "sd3-medium")]


@pytest.mark.parametrize("name", CONTROLLED)
def test_a_rows_controls_act_alone_and_together(name: str, flow_rows: None) -> None:
    kinds = ("pose", "canny")
    accepted = [name, *checkpoint(name).controlnets.values()]
    drawn = np.random.default_rng(4).integers(0, 256, (*photo()[0].shape[:2], 3), dtype=np.uint8)
    for controls in (kinds[:1], kinds):
        generator = load_generator(name, controls=controls, device="cpu", accept_licence=accepted)
        image, repaint = photo()
        painted = []
        for scale in (0.0, 1.0, 1.0):
            maps = tuple(ControlMap(kind=kind, image=drawn, scale=scale) for kind in controls)
            wish = Wish(prompt="marble", seed=1, steps=2)
            painted.append(inpaint(generator, image, repaint, wish, controls=maps).image)
        unheard, heard, again = painted
        assert np.array_equal(heard, again)
        assert np.abs(heard.astype(int) - unheard).max() > 0
        assert np.array_equal(heard[~repaint], image[~repaint])
        loaded_models().clear()


@pytest.mark.parametrize("name", ["flux1-dev-turbo-alpha", "qwen-image-lightning-4"])
def test_a_lora_changes_the_weights_that_it_names(name: str, flow_rows: None) -> None:
    base = str(flow_mirror.rows_of_families()[name].base)
    layer = "transformer_blocks.0.attn.to_q.weight"
    plain = unpack(load_generator(base, device="cpu", accept_licence=[base]).pipe.transformer).state_dict()
    worn = unpack(load_generator(name, device="cpu", accept_licence=[name]).pipe.transformer).state_dict()
    assert set(worn) == set(plain)
    changed = {one for one in plain if not torch.equal(plain[one], worn[one])}
    assert changed == {layer}


@pytest.mark.parametrize("name", ["flux1-dev", "qwen-image", "sd3-medium", "z-image", "lumina2"])
def test_strength_leaves_out_the_first_steps(name: str, flow_rows: None) -> None:
    generator = load_generator(name, device="cpu", accept_licence=[name])
    steps = counted(generator)
    weak = paint(generator, steps=8, strength=0.5)
    assert len(steps) == 4
    image, repaint = photo()
    strong = paint(generator, steps=4)
    distances = [np.abs(one[repaint].astype(int) - image[repaint]).mean() for one in (weak, strong)]
    assert distances[0] != distances[1]


def test_what_a_distilled_row_cannot_take_is_refused(flow_rows: None) -> None:
    lightning = checkpoint("qwen-image-lightning-4")
    for said, why in (
        ({"steps": 8, "guidance": 1.0}, "at most 4"),
        ({"steps": 4, "guidance": 4.0}, "guidance 4 is outside 1 to 1"),
        ({"steps": 4, "guidance": 1.0, "negative_prompt": "text"}, "negative prompt is not read"),
        ({"steps": 4, "guidance": 1.0, "strength": 0.5}, "at least 4"),
    ):
        with pytest.raises(RecipeError, match=why):
            refuse_unfit(lightning, **said)  # type: ignore[arg-type]
    with pytest.raises(RecipeError, match="negative prompt is not read"):
        refuse_unfit(checkpoint("flux1-dev"), steps=28, guidance=7.0, negative_prompt="text")
    with pytest.raises(RecipeError, match="no control pose"):
        refuse_unfit(checkpoint("flux1-schnell"), steps=4, guidance=0.0, controls=["pose"])
