"""SAM by Meta's package segment-anything. Kirillov et al., Segment Anything, arXiv 2304.02643.

An architecture is a row of numbers, so another size is another row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from masks.segmenters.types import Network, Prompts, SegmenterFamily
from pipeline.errors import ModelError
from pipeline.models.checkpoints import Checkpoint
from pipeline.models.tensors import load_strictly, read_state


@dataclass(frozen=True, kw_only=True)
class SamArchitecture:
    """The sizes of one SAM.

    Attributes:
        width: channels of the image encoder.
        depth: its blocks.
        heads: its attention heads.
        global_blocks: blocks whose attention sees the whole picture; the others see windows.
        frame_px: side of the square picture.
        patch_px: side of a patch.
        window: side of an attention window, in patches.
        mlp_ratio: hidden width of a block's MLP, in units of ``width``.
        prompt_width: channels of the embedding and of prompts.
        mask_channels: channels between a mask prompt and its embedding.
        decoder_heads: attention heads of the mask decoder.
        decoder_mlp: hidden width of the mask decoder's MLP.
        iou_depth: layers of the head that predicts the IoU.
        iou_width: hidden width of that head.
    """

    width: int
    depth: int
    heads: int
    global_blocks: tuple[int, ...]
    frame_px: int = 1024
    patch_px: int = 16
    window: int = 14
    mlp_ratio: float = 4.0
    prompt_width: int = 256
    mask_channels: int = 16
    decoder_heads: int = 8
    decoder_mlp: int = 2048
    iou_depth: int = 3
    iou_width: int = 256


ARCHITECTURES: Mapping[str, SamArchitecture] = {
    "vit_h": SamArchitecture(width=1280, depth=32, heads=16, global_blocks=(7, 15, 23, 31)),
    "vit_l": SamArchitecture(width=1024, depth=24, heads=16, global_blocks=(5, 11, 17, 23)),
    "vit_b": SamArchitecture(width=768, depth=12, heads=12, global_blocks=(2, 5, 8, 11)),
    "tiny": SamArchitecture(
        width=96, depth=4, heads=4, global_blocks=(1, 3), frame_px=256, window=8, mlp_ratio=3.0, prompt_width=64,
        mask_channels=8, decoder_heads=4, decoder_mlp=256, iou_depth=2, iou_width=64,
    ),
}  # fmt: skip


def build_sam(size: SamArchitecture) -> Any:
    """The package's network of that size with random weights, in eval mode."""
    import torch
    from segment_anything.modeling import ImageEncoderViT, MaskDecoder, PromptEncoder, Sam, TwoWayTransformer

    grid = size.frame_px // size.patch_px
    encoder = ImageEncoderViT(
        img_size=size.frame_px, patch_size=size.patch_px, embed_dim=size.width, depth=size.depth, num_heads=size.heads,
        mlp_ratio=size.mlp_ratio, norm_layer=partial(torch.nn.LayerNorm, eps=1e-6), qkv_bias=True, use_rel_pos=True,
        global_attn_indexes=size.global_blocks, window_size=size.window, out_chans=size.prompt_width,
    )  # fmt: skip
    prompts = PromptEncoder(
        embed_dim=size.prompt_width,
        image_embedding_size=(grid, grid),
        input_image_size=(size.frame_px, size.frame_px),
        mask_in_chans=size.mask_channels,
    )
    decoder = MaskDecoder(
        num_multimask_outputs=3,
        transformer=TwoWayTransformer(
            depth=2, embedding_dim=size.prompt_width, mlp_dim=size.decoder_mlp, num_heads=size.decoder_heads
        ),
        transformer_dim=size.prompt_width,
        iou_head_depth=size.iou_depth,
        iou_head_hidden_dim=size.iou_width,
    )
    return Sam(image_encoder=encoder, prompt_encoder=prompts, mask_decoder=decoder).eval()


def load(row: Checkpoint, place: Path, device: str) -> Network:
    """Build the architecture that the row's ``config`` names and fill it strictly from the file.

    Raises:
        ModelError: no such architecture, or a file that does not fit it.
    """
    size = ARCHITECTURES.get(row.config or "")
    if size is None:
        raise ModelError(f"Checkpoint {row.id!r}: 'config' must be one of {', '.join(ARCHITECTURES)}")
    module = build_sam(size)
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
