"""The trainings by name, start to finish: scenes, stages, weights. Each goes on where it stopped."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from pipeline.embedded.sam import TINY, save_sam
from pipeline.embedded.scene import RENDERER_VERSION
from pipeline.embedded.train.backbone import train_backbone
from pipeline.embedded.train.data import build_cache
from pipeline.embedded.train.detector import FULL_PX as DETECTOR_PX
from pipeline.embedded.train.detector import SMALL_PX as DETECTOR_SMALL_PX
from pipeline.embedded.train.detector import train_detector
from pipeline.embedded.train.foreground import export_foreground, train_foreground
from pipeline.embedded.train.loop import Schedule
from pipeline.embedded.train.mix import HARD
from pipeline.embedded.train.restage import build_restage
from pipeline.embedded.train.sam import FULL_PX, SMALL_PX, train_stage
from pipeline.errors import RecipeError, WeightsMissing

TRAIN_SCENES: Final = 12_000
RESTAGE_SCENES: Final = 20_000
VALID_SCENES: Final = 400
SAM_SMALL: Final = Schedule(steps=6_000, rate=1.2e-3)
SAM_FULL: Final = Schedule(steps=8_800, rate=6e-4, anneal=0.7, average=0.995)
BACKBONE: Final = Schedule(steps=2_400, rate=1e-3, warmup=60, average=0.99, clip=5.0)
DETECTOR_SMALL: Final = Schedule(steps=3_500, rate=8e-4, warmup=100, average=0.995)
DETECTOR_FULL: Final = Schedule(steps=5_800, rate=6e-4, warmup=100, anneal=0.76, average=0.995, clip=2.0)

ONWARD: Final = Schedule(steps=5_000, rate=6e-4, warmup=100, anneal=0.75, average=0.995, clip=2.0)
DETECTOR_ONWARD: Final = "detector-onward"
SAM_ONWARD: Final = "sam-onward"
INPAINT_ONWARD: Final = "inpaint-onward"


def averaged(folder: Path) -> dict[str, Any]:
    """The running average of the weights in a run's checkpoint.

    Raises:
        WeightsMissing: the run has no checkpoint yet.
    """
    import torch

    path = folder / "checkpoint.pt"
    if not path.exists():
        raise WeightsMissing(f"{folder} holds no checkpoint; train first")
    state: dict[str, Any] = torch.load(path, weights_only=True)["average"]
    return state


def prepare(runs: Path) -> tuple[Path, Path]:
    """Render the training's and the validation's scenes, as far as they are missing."""
    scenes, valid = runs / f"train-r{RENDERER_VERSION}", runs / f"valid-r{RENDERER_VERSION}"
    build_cache(valid, VALID_SCENES, first_seed=0)
    build_cache(scenes, TRAIN_SCENES)
    return scenes, valid


def train_sam(runs: Path) -> None:
    """Both stages of the segmenter."""
    scenes, valid = prepare(runs)
    small, full = runs / "sam-128", runs / "sam-256"
    train_stage(small, scenes, side=SMALL_PX, schedule=SAM_SMALL, batch=6, start=None, valid=valid)
    start = small / "checkpoint.pt"
    train_stage(full, scenes, side=FULL_PX, schedule=SAM_FULL, batch=3, start=start, valid=valid)


def train_grounding_dino(runs: Path) -> None:
    """The detector: its backbone by itself, then all of it on small pictures, then on large ones."""
    scenes, valid = prepare(runs)
    train_backbone(runs / "backbone", scenes, schedule=BACKBONE)
    small, full = runs / f"detector-{DETECTOR_SMALL_PX}", runs / f"detector-{DETECTOR_PX}"
    start = runs / "backbone" / "checkpoint.pt"
    train_detector(small, scenes, schedule=DETECTOR_SMALL, side=DETECTOR_SMALL_PX, batch=8, start=start, valid=valid)
    start = small / "checkpoint.pt"
    train_detector(full, scenes, schedule=DETECTOR_FULL, side=DETECTOR_PX, batch=6, start=start, valid=valid)


def train_sam_onward(runs: Path, start: Path, schedule: Schedule) -> None:
    """The segmenter, further from a folder of its weights, of as many blocks as now or fewer."""
    scenes, valid = prepare(runs)
    onward = replace(schedule, clip=1.0)
    train_stage(runs / SAM_ONWARD, scenes, side=FULL_PX, schedule=onward, batch=4, start=start, valid=valid)


def train_detector_onward(runs: Path, start: Path, schedule: Schedule) -> None:
    """The detector, further from a folder of its weights, on scenes and captions of what it mistakes most."""
    scenes, valid = prepare(runs)
    folder = runs / DETECTOR_ONWARD
    train_detector(folder, scenes, schedule=schedule, batch=6, start=start, valid=valid, mix=HARD)


def export_sam(runs: Path, folder: Path) -> None:
    """Write the segmenter's averaged weights as a folder that loads."""
    save_sam(averaged(runs / "sam-256"), TINY, folder)


def export_detector(runs: Path, folder: Path) -> None:
    """Write the detector's averaged weights as a folder that loads."""
    _save_detector(runs / f"detector-{DETECTOR_PX}", folder)


def export_sam_onward(runs: Path, folder: Path) -> None:
    """Write what the segmenter's further training made of it as a folder that loads."""
    save_sam(averaged(runs / SAM_ONWARD), TINY, folder)


def export_detector_onward(runs: Path, folder: Path) -> None:
    """Write what a detector's further training made of it as a folder that loads."""
    _save_detector(runs / DETECTOR_ONWARD, folder)


def _save_detector(run: Path, folder: Path) -> None:
    from pipeline.embedded.detector import save_detector
    from pipeline.embedded.train.detector import detector_of

    save_detector(detector_of(averaged(run)), folder)


def train_restaging(runs: Path) -> None:
    """The inpainting model's VAE, then its text encoder, denoiser and controls."""
    from pipeline.embedded.train.inpaint import train_inpaint
    from pipeline.embedded.train.vae import frozen_linear, train_vae

    scenes = runs / f"restage-r{RENDERER_VERSION}"
    build_restage(scenes, RESTAGE_SCENES)
    train_vae(runs / "vae", scenes)
    train_inpaint(runs / "inpaint-128", scenes, frozen_linear(runs / "vae"))


def train_few_steps(runs: Path) -> None:
    """The inpainting model's few-step LoRA, from a model that is trained."""
    from pipeline.embedded.train.distill import distill
    from pipeline.embedded.train.vae import frozen_linear

    scenes = runs / f"restage-r{RENDERER_VERSION}"
    distill(runs / "inpaint-lcm", runs / "inpaint-128", scenes, frozen_linear(runs / "vae"))


def export_restaging(runs: Path, folder: Path) -> None:
    """Write the inpainting model's folder, with its controls as ``controlnet_NAME`` inside."""
    from pipeline.embedded.train.inpaint import export_inpaint
    from pipeline.embedded.train.vae import trained_vae

    export_inpaint(runs / "inpaint-128", trained_vae(runs / "vae"), folder)


def train_inpaint_onward(runs: Path, start: Path, schedule: Schedule) -> None:
    """The inpainting model, further from a folder of it; the VAE stays as it is, and lies beside the run."""
    from pipeline.embedded.diffusion import load_inpaint
    from pipeline.embedded.train.inpaint import train_inpaint
    from pipeline.embedded.train.latents import read_encoder

    scenes, run = runs / f"restage-r{RENDERER_VERSION}", runs / INPAINT_ONWARD
    build_restage(scenes, RESTAGE_SCENES)
    vae = load_inpaint(start).vae
    vae.save_pretrained(run / "vae")
    onward = replace(schedule, clip=1.0, weight_decay=1e-3)
    train_inpaint(run, scenes, read_encoder(vae), schedule=onward, start=start)


def train_few_steps_of(runs: Path, start: Path, schedule: Schedule) -> None:
    """The few-step LoRA of a folder of the inpainting model."""
    from pipeline.embedded.diffusion import load_inpaint
    from pipeline.embedded.train.distill import DISTILL_SCHEDULE, distill
    from pipeline.embedded.train.latents import read_encoder

    scenes, linear = runs / f"restage-r{RENDERER_VERSION}", read_encoder(load_inpaint(start).vae)
    build_restage(scenes, RESTAGE_SCENES)
    steps = replace(DISTILL_SCHEDULE, steps=schedule.steps, rate=schedule.rate)
    distill(runs / "inpaint-lcm", start, scenes, linear, schedule=steps)


def export_inpaint_onward(runs: Path, folder: Path) -> None:
    """Write what the inpainting model's further training made of it, as its folder."""
    from diffusers import AutoencoderTiny

    from pipeline.embedded.train.inpaint import export_inpaint

    run = runs / INPAINT_ONWARD
    averaged(run)  # says what is missing, before the library asks a hub for it
    export_inpaint(run, AutoencoderTiny.from_pretrained(run / "vae"), folder)


def export_few_steps(runs: Path, folder: Path) -> None:
    """Write the few-step LoRA's file."""
    from pipeline.embedded.train.distill import export_lora

    export_lora(runs / "inpaint-lcm", folder)


TRAININGS: Final[Mapping[str, Callable[[Path], None]]] = {
    "sam": train_sam,
    "foreground": train_foreground,
    "detector": train_grounding_dino,
    "inpaint": train_restaging,
    "inpaint-lcm": train_few_steps,
}
EXPORTS: Final[Mapping[str, Callable[[Path, Path], None]]] = {
    "sam": export_sam,
    "foreground": export_foreground,
    "detector": export_detector,
    SAM_ONWARD: export_sam_onward,
    DETECTOR_ONWARD: export_detector_onward,
    INPAINT_ONWARD: export_inpaint_onward,
    "inpaint": export_restaging,
    "inpaint-lcm": export_few_steps,
}


FURTHER: Final[Mapping[str, Callable[[Path, Path, Schedule], None]]] = {
    "sam": train_sam_onward,
    "detector": train_detector_onward,
    "inpaint": train_inpaint_onward,
    "inpaint-lcm": train_few_steps_of,
}
"""The trainings that take a folder of weights: to go on from it, or to distil it."""


def train(name: str, runs: Path, start: Path | None = None, *, steps: int = 5_000, rate: float = 6e-4) -> None:
    """Run the training ``name`` in ``runs``; started again, it goes on from its last checkpoint.

    Args:
        name: one of ``TRAININGS``.
        runs: the folder of scenes, checkpoints and logs.
        start: a folder of the model's weights, from which it is trained further; ``runs`` then gets
            ``NAME-onward``.
        steps: of the further training.
        rate: its learning rate at first, in (0, 0.01]; it falls to nothing.

    Raises:
        RecipeError: no such training, or none that goes on from a folder.
        WeightsMissing: ``start`` holds no weights.
    """
    if name not in TRAININGS:
        raise RecipeError(f"no training {name!r}: say one of {', '.join(TRAININGS)}")
    if start is None:
        TRAININGS[name](runs)
        return
    if name not in FURTHER:
        raise RecipeError(f"--from {start}: only {', '.join(FURTHER)} are trained further from a folder, not {name}")
    index = "model_index.json" if name.startswith("inpaint") else "model.safetensors"
    if not (start / index).exists():
        raise WeightsMissing(f"--from {start}: the folder holds no {index}")
    FURTHER[name](runs, start, replace(ONWARD, steps=steps, rate=rate))
