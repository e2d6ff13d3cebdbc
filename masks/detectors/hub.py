"""Grounding DINO by transformers, for folders in the hub's layout (config.json, model.safetensors, tokenizer.json)."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence
from logging import CRITICAL
from pathlib import Path
from typing import Any

from masks.detectors.types import DetectorFamily, Network, PictureFit
from pipeline.errors import ModelError
from pipeline.models.checkpoints import Checkpoint
from pipeline.models.tensors import refuse_misfit


def read_fit(folder: Path) -> PictureFit:
    """The sizes and colours of ``preprocessor_config.json``; Grounding DINO's own if the folder has none."""
    try:
        stored = json.loads((folder / "preprocessor_config.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return PictureFit()
    except ValueError as error:
        raise ModelError(f"{folder / 'preprocessor_config.json'} is not JSON ({error}); fetch it again") from error
    default = PictureFit()
    size = stored.get("size", {})
    return PictureFit(
        shortest_px=int(size.get("shortest_edge", default.shortest_px)),
        longest_px=int(size.get("longest_edge", default.longest_px)),
        mean=tuple(stored.get("image_mean", default.mean)),
        std=tuple(stored.get("image_std", default.std)),
    )


def load_model(model_class: Any, row: Checkpoint, place: Path) -> Any:
    """A transformers model from a local folder, in float32, refused unless every name fits.

    Raises:
        ModelError: names are missing, unknown or of another shape, or the folder is no such model.
    """
    import torch

    try:
        with _silent_transformers():
            model, loaded = model_class.from_pretrained(
                place, local_files_only=True, use_safetensors=not row.pickle, dtype=torch.float32,
                output_loading_info=True,
            )  # fmt: skip
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ModelError(f"Checkpoint {row.id!r} in {place} cannot be loaded: {reason}") from error
    refuse_misfit(
        row.id,
        sorted(loaded["missing_keys"]),
        sorted(loaded["unexpected_keys"]),
        sorted(str(key) for key in loaded["mismatched_keys"]),
    )
    return model.eval()


@contextlib.contextmanager
def _silent_transformers() -> Iterator[None]:
    """Hide transformers' loading bar and its report of misfits, which is raised as an error instead."""
    from transformers.utils import logging

    bar, verbosity = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()  # type: ignore[no-untyped-call, unused-ignore]
    logging.set_verbosity(CRITICAL)
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bar:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call, unused-ignore]


def load(row: Checkpoint, place: Path, device: str) -> Network:
    """Load a folder in the hub's layout.

    Raises:
        ModelError: the folder does not fit the architecture.
    """
    from transformers import AutoTokenizer, GroundingDinoForObjectDetection

    module = load_model(GroundingDinoForObjectDetection, row, place).to(device)
    return Network(
        module=module,
        tokenizer=AutoTokenizer.from_pretrained(place, local_files_only=True),
        fit=read_fit(place),
        max_tokens=min(module.config.max_text_len, module.config.text_config.max_position_embeddings),
        backbone=module.model.backbone,
    )


def forward(network: Network, pixels: Any, captions: Sequence[str]) -> tuple[Any, Any]:
    """One forward over the same picture with one or several captions."""
    import torch

    tokens = network.tokenizer(list(captions), padding="longest", return_tensors="pt").to(pixels.device)
    several = pixels.expand(len(captions), -1, -1, -1)
    out = network.module(
        pixel_values=several,
        input_ids=tokens["input_ids"],
        token_type_ids=tokens["token_type_ids"],
        attention_mask=tokens["attention_mask"],
        pixel_mask=torch.ones(several.shape[0], *several.shape[-2:], dtype=torch.long, device=pixels.device),
    )
    return out.logits, out.pred_boxes


FAMILY = DetectorFamily(id="grounding-dino-transformers", load=load, forward=forward, max_batch=8)
