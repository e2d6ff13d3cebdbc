"""SAM by Meta's package segment-anything. Kirillov et al., Segment Anything, arXiv 2304.02643.

An architecture is a row of numbers, so another size is another row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from masks.segmenters.types import Network, Prompts, SegmenterFamily
from pipeline.embedded.sam import TINY, VIT, SamSize, build_sam
from pipeline.errors import ModelError
from pipeline.models.checkpoints import Checkpoint
from pipeline.models.tensors import load_strictly, read_state

ARCHITECTURES: Mapping[str, SamSize] = {
    "vit_h": replace(VIT, width=1280, depth=32, heads=16, global_blocks=(7, 15, 23, 31)),
    "vit_l": replace(VIT, width=1024, depth=24, heads=16, global_blocks=(5, 11, 17, 23)),
    "vit_b": VIT,
    "tiny": TINY,
}


def load(row: Checkpoint, place: Path, device: str) -> Network:
    """Build the architecture that the row's ``config`` names and fill it strictly from the file.

    Raises:
        ModelError: no such architecture, or a file that does not fit it.
    """
    size = ARCHITECTURES.get(row.config or "")
    if size is None:
        raise ModelError(f"Checkpoint {row.id!r}: 'config' must be one of {', '.join(ARCHITECTURES)}")
    module = build_sam(size).eval()
    load_strictly(module, read_state(place, pickle=row.pickle), name=row.id)
    module.to(device)
    return Network(
        module=module,
        frame_px=size.frame_px,
        keeps_aspect=True,
        mean=tuple(module.pixel_mean.flatten().tolist()),
        std=tuple(module.pixel_std.flatten().tolist()),
    )


def encode(network: Network, pixels: Any) -> tuple[Any, ...]:
    """Pixels to the image embedding."""
    return (network.module.image_encoder(pixels),)


def decode(network: Network, arrays: tuple[Any, ...], prompts: Prompts, several: bool) -> tuple[Any, Any]:
    """Prompts on an embedding to low-resolution logits and predicted IoUs."""
    module = network.module
    points = None if prompts.points is None else (prompts.points, prompts.labels)
    sparse, dense = module.prompt_encoder(points=points, boxes=prompts.boxes, masks=prompts.mask_logits)
    logits, ious = module.mask_decoder(
        image_embeddings=arrays[0],
        image_pe=module.prompt_encoder.get_dense_pe(),
        sparse_prompt_embeddings=sparse,
        dense_prompt_embeddings=dense,
        multimask_output=several,
    )
    return logits, ious


FAMILY = SegmenterFamily(id="segment-anything", load=load, encode=encode, decode=decode)
