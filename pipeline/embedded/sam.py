"""The studio's Segment Anything: segment-anything's own classes at a tiny size, kept as a folder.

A folder holds ``config.json`` (the sizes), ``model.safetensors`` (the package's state dict, float16) and ``README.md``
(the model card). Kirillov et al., Segment Anything, arXiv 2304.02643.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

from pipeline.errors import WeightsMissing


@dataclass(frozen=True, kw_only=True)
class SamSize:
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
    frame_px: int
    patch_px: int
    window: int
    mlp_ratio: float
    prompt_width: int
    mask_channels: int
    decoder_heads: int
    decoder_mlp: int
    iou_depth: int
    iou_width: int

    def at(self, frame_px: int) -> SamSize:
        """The same network for another side of the square picture."""
        return replace(self, frame_px=frame_px)


VIT: Final = SamSize(
    width=768, depth=12, heads=12, global_blocks=(2, 5, 8, 11), frame_px=1024, patch_px=16, window=14, mlp_ratio=4.0,
    prompt_width=256, mask_channels=16, decoder_heads=8, decoder_mlp=2048, iou_depth=3, iou_width=256,
)  # fmt: skip
"""ViT-B, as published."""
TINY: Final = SamSize(
    width=96, depth=6, heads=4, global_blocks=(2, 4), frame_px=256, patch_px=8, window=8, mlp_ratio=3.0,
    prompt_width=64, mask_channels=8, decoder_heads=4, decoder_mlp=256, iou_depth=2, iou_width=64,
)  # fmt: skip
"""The studio's."""


def build_sam(size: SamSize = TINY) -> Any:
    """``segment_anything.modeling.Sam`` with random weights."""
    import torch
    from segment_anything.modeling import ImageEncoderViT, MaskDecoder, PromptEncoder, Sam, TwoWayTransformer

    grid = size.frame_px // size.patch_px
    return Sam(
        image_encoder=ImageEncoderViT(
            img_size=size.frame_px,
            patch_size=size.patch_px,
            embed_dim=size.width,
            depth=size.depth,
            num_heads=size.heads,
            mlp_ratio=size.mlp_ratio,
            norm_layer=partial(torch.nn.LayerNorm, eps=1e-6),
            qkv_bias=True,
            use_rel_pos=True,
            global_attn_indexes=size.global_blocks,
            window_size=size.window,
            out_chans=size.prompt_width,
        ),
        prompt_encoder=PromptEncoder(
            embed_dim=size.prompt_width,
            image_embedding_size=(grid, grid),
            input_image_size=(size.frame_px, size.frame_px),
            mask_in_chans=size.mask_channels,
        ),
        mask_decoder=MaskDecoder(
            num_multimask_outputs=3,
            transformer=TwoWayTransformer(
                depth=2, embedding_dim=size.prompt_width, mlp_dim=size.decoder_mlp, num_heads=size.decoder_heads
            ),
            transformer_dim=size.prompt_width,
            iou_head_depth=size.iou_depth,
            iou_head_hidden_dim=size.iou_width,
        ),
    )


def fit_state(state: dict[str, Any], target: dict[str, Any]) -> dict[str, Any]:
    """Weights trained at one picture size made to fit another: positions are interpolated, the rest is kept.

    ``pos_embed`` (1, g, g, C) is resized bilinearly, ``rel_pos`` (2 g - 1, C) of global blocks linearly.
    """
    import torch.nn.functional as F  # noqa: N812

    fitted = {}
    for name, value in state.items():
        want = target[name].shape
        if value.shape != want and name.endswith("pos_embed"):
            grid = F.interpolate(value.permute(0, 3, 1, 2), size=want[1:3], mode="bilinear", align_corners=False)
            value = grid.permute(0, 2, 3, 1)
        elif value.shape != want and "rel_pos" in name:
            value = F.interpolate(value.T[None], size=want[0], mode="linear", align_corners=False)[0].T
        fitted[name] = value.contiguous()
    return fitted


def save_sam(state: dict[str, Any], size: SamSize, folder: Path) -> None:
    """Write config and float16 weights of a SAM into ``folder``."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    config = {"model_type": "segment-anything", **asdict(size)}
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    path = folder / "model.safetensors"
    save_file({k: v.half().contiguous() for k, v in state.items()}, path, {"format": "pt"})
    path.chmod(0o644)  # the library writes it for its owner alone


def load_sam(folder: Path) -> Any:
    """The SAM of a folder in float32, ready for ``segment_anything.SamPredictor``.

    Raises:
        WeightsMissing: the folder lacks its config or weights, or holds another kind of model.
    """
    from safetensors.torch import load_file

    if not (folder / "config.json").exists() or not (folder / "model.safetensors").exists():
        raise WeightsMissing(
            f"{folder} holds no tiny SAM (config.json, model.safetensors); train it: seamline studio train sam"
        )
    config = json.loads((folder / "config.json").read_text())
    if config.pop("model_type", None) != "segment-anything":
        raise WeightsMissing(f"{folder} holds no SAM: its config.json does not say model_type segment-anything")
    config["global_blocks"] = tuple(config["global_blocks"])
    sam = build_sam(SamSize(**config))
    sam.load_state_dict({k: v.float() for k, v in load_file(folder / "model.safetensors").items()})
    return sam.eval()
