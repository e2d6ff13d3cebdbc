"""Grounding DINO weights from transformers' layout to groundingdino-py's: train in one, run in either.

The two packages hold the same network. Query, key and value lie in one tensor in the package and in three in
transformers; everything else differs by name only.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import ModelError

if TYPE_CHECKING:
    import torch

RENAMED: tuple[tuple[str, str], ...] = (
    # the picture's backbone
    (r"^model\.backbone\.conv_encoder\.model\.swin\.embeddings\.norm\.", "backbone.0.patch_embed.norm."),
    (r"^model\.backbone\.conv_encoder\.model\.swin\.embeddings\.\w+\.projection\.", "backbone.0.patch_embed.proj."),
    (r"^model\.backbone\.conv_encoder\.model\.swin\.encoder\.", "backbone.0."),
    (r"^(backbone\.0\..*)\.attention\.o_proj\.", r"\1.attn.proj."),
    (r"^(backbone\.0\..*)\.attention\.relative_position_bias\.", r"\1.attn."),
    (r"^(backbone\.0\..*)\.attention\.qkv\.", r"\1.attn.qkv."),
    (r"^(backbone\.0\..*)\.layernorm_before\.", r"\1.norm1."),
    (r"^(backbone\.0\..*)\.layernorm_after\.", r"\1.norm2."),
    # what lies around the layers
    (r"^model\.text_backbone\.", "bert."),
    (r"^model\.text_projection\.", "feat_map."),
    (r"^model\.input_proj_vision\.", "input_proj."),
    (r"^model\.level_embed$", "transformer.level_embed"),
    (r"^model\.enc_output", "transformer.enc_output"),
    (r"^model\.encoder_output_bbox_embed\.", "transformer.enc_out_bbox_embed."),
    (r"^model\.query_position_embeddings\.", "transformer.tgt_embed."),
    (r"^model\.decoder\.reference_points_head\.", "transformer.decoder.ref_point_head."),
    (r"^model\.decoder\.layer_norm\.", "transformer.decoder.norm."),
    (r"^model\.decoder\.bbox_embed\.", "transformer.decoder.bbox_embed."),
    # encoder layers: deformable attention over the picture, attention within the text, fusion of both
    (r"^model\.encoder\.layers\.(\d+)\.deformable_layer\.", r"transformer.encoder.layers.\1."),
    (r"^model\.encoder\.layers\.(\d+)\.text_enhancer_layer\.", r"transformer.encoder.text_layers.\1."),
    (r"^model\.encoder\.layers\.(\d+)\.fusion_layer\.", r"transformer.encoder.fusion_layers.\1."),
    (r"^(transformer\.encoder\.layers\.\d+\.)self_attn_layer_norm\.", r"\1norm1."),
    (r"^(transformer\.encoder\.layers\.\d+\.)final_layer_norm\.", r"\1norm2."),
    (r"^(transformer\.encoder\.text_layers\.\d+\.)layer_norm_before\.", r"\1norm1."),
    (r"^(transformer\.encoder\.text_layers\.\d+\.)layer_norm_after\.", r"\1norm2."),
    (r"^(transformer\.encoder\.fusion_layers\.\d+\.)vision_param$", r"\1gamma_v"),
    (r"^(transformer\.encoder\.fusion_layers\.\d+\.)text_param$", r"\1gamma_l"),
    (r"^(transformer\.encoder\.fusion_layers\.\d+\.)layer_norm_vision\.", r"\1layer_norm_v."),
    (r"^(transformer\.encoder\.fusion_layers\.\d+\.)layer_norm_text\.", r"\1layer_norm_l."),
    (r"^(transformer\.encoder\.fusion_layers\.\d+\.attn\.(?:values_|out_)?)vision_proj\.", r"\1v_proj."),
    (r"^(transformer\.encoder\.fusion_layers\.\d+\.attn\.(?:values_|out_)?)text_proj\.", r"\1l_proj."),
    # decoder layers: the norms are numbered in another order than they are applied
    (r"^model\.decoder\.layers\.", "transformer.decoder.layers."),
    (r"^(transformer\.decoder\.layers\.\d+\.)encoder_attn_text_layer_norm\.", r"\1catext_norm."),
    (r"^(transformer\.decoder\.layers\.\d+\.)encoder_attn_layer_norm\.", r"\1norm1."),
    (r"^(transformer\.decoder\.layers\.\d+\.)self_attn_layer_norm\.", r"\1norm2."),
    (r"^(transformer\.decoder\.layers\.\d+\.)final_layer_norm\.", r"\1norm3."),
    (r"^(transformer\.decoder\.layers\.\d+\.)encoder_attn_text\.", r"\1ca_text."),
    (r"^(transformer\.decoder\.layers\.\d+\.)encoder_attn\.", r"\1cross_attn."),
    # both
    (r"^(transformer\.(?:en|de)coder\.(?:text_)?layers\.\d+\.)fc(\d)\.", r"\1linear\2."),
    (r"^(transformer\..*\.(?:self_attn|ca_text))\.in_proj\.(weight|bias)$", r"\1.in_proj_\2"),
)
"""Applied in this order, each at most once a name."""

LEFT_OUT = re.compile(r"^model\.backbone\.conv_encoder\.model\.swin\.layernorm\.")
"""The norm after Swin's last stage: transformers keeps it, and no output uses it."""

JOINED: tuple[tuple[str, tuple[str, str, str], str], ...] = (
    (r"^model\.backbone\..*\.attention\.", ("q_proj", "k_proj", "v_proj"), "qkv"),
    (r"^model\.(?:encoder|decoder)\..*\.(?:self_attn|encoder_attn_text)\.", ("query", "key", "value"), "in_proj"),
)
"""Where three tensors become one: the attention's prefix, the three names, the joint name."""


REFINEMENT_EPS = 1e-5
"""Shares of the picture nearer to 0 or 1 than this are clamped before a decoder layer refines a box, in transformers.

groundingdino-py clamps at 1e-3, so a side longer than 0.999 of the picture is refined from another start: measured, one
coordinate of a box differed by 0.0069 of the picture while all scores agreed to 3e-7.
"""


def to_package(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The tensors of a ``GroundingDinoForObjectDetection`` under groundingdino-py's names.

    Raises:
        ModelError: a name that neither layout knows, or a query without its key and value.
    """
    converted: dict[str, torch.Tensor] = {}
    for name, tensor in _joined(state).items():
        if LEFT_OUT.match(name):
            continue
        norm = re.fullmatch(r"model\.backbone\.conv_encoder\.model\.hidden_states_norms\.stage(\d)\.(.*)", name)
        if norm:
            converted[f"backbone.0.norm{int(norm[1]) - 1}.{norm[2]}"] = tensor
            continue
        renamed = name
        for pattern, replacement in RENAMED:
            renamed = re.sub(pattern, replacement, renamed, count=1)
        if renamed.startswith("model."):
            raise ModelError(f"No name in groundingdino-py for {name!r}: is it a Grounding DINO of transformers 5?")
        converted[renamed] = tensor.contiguous()
    return converted


def _joined(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    import torch

    left = dict(state)
    joined: dict[str, torch.Tensor] = {}
    for name in state:
        for prefix, (query, key, value), target in JOINED:
            found = re.fullmatch(rf"({prefix.removeprefix('^')}){query}\.(weight|bias)", name)
            if found:
                names = [f"{found[1]}{part}.{found[2]}" for part in (query, key, value)]
                if any(part not in left for part in names):
                    raise ModelError(f"{name!r} has no key and value beside it; the weights are incomplete")
                joined[f"{found[1]}{target}.{found[2]}"] = torch.cat([left.pop(part) for part in names])
    return left | joined


def package_settings(config: Any, fit: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The JSON configuration of the package's network that equals a transformers ``GroundingDinoConfig``.

    Args:
        config: the transformers configuration, with a Swin backbone.
        fit: the fields of ``PictureFit`` that differ from the defaults.
    """
    swin = config.backbone_config
    settings = {
        "base": "GroundingDINO_SwinT_OGC",
        "hidden_dim": config.d_model,
        "nheads": config.encoder_attention_heads,
        "dim_feedforward": config.encoder_ffn_dim,
        "enc_layers": config.encoder_layers,
        "dec_layers": config.decoder_layers,
        "num_queries": config.num_queries,
        "num_feature_levels": config.num_feature_levels,
        "enc_n_points": config.encoder_n_points,
        "dec_n_points": config.decoder_n_points,
        "max_text_len": config.max_text_len,
        "fusion_droppath": 0.0,
        "refinement_eps": REFINEMENT_EPS,
        "swin": {
            "embed_dim": swin.embed_dim,
            "depths": list(swin.depths),
            "num_heads": list(swin.num_heads),
            "window_size": swin.window_size,
            "drop_path_rate": 0.0,
        },
    }
    return settings | ({"fit": dict(fit)} if fit else {})


def save_package(model: Any, tokenizer: Any, folder: Path, *, fit: Mapping[str, Any] | None = None) -> Path:
    """Write a transformers Grounding DINO as a checkpoint of groundingdino-py.

    Args:
        model: a ``GroundingDinoForObjectDetection``.
        tokenizer: its tokenizer.
        folder: gets ``model.safetensors``, ``config.json`` and ``text_encoder/`` (BERT's configuration, tokenizer).
        fit: the fields of ``PictureFit`` that differ from the defaults.

    Returns:
        The weights file. Its row: ``family: groundingdino-py``, ``config: config.json``,
        ``needs: {text_encoder: <folder>/text_encoder}``.
    """
    from safetensors.torch import save_file

    text_encoder = folder / "text_encoder"
    text_encoder.mkdir(parents=True, exist_ok=True)
    model.config.text_config.save_pretrained(text_encoder)
    tokenizer.save_pretrained(text_encoder)
    settings = package_settings(model.config, fit)
    (folder / "config.json").write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
    weights = folder / "model.safetensors"
    # safetensors refuses tensors that share memory: layers that share a box head are written one by one.
    save_file({name: tensor.detach().clone() for name, tensor in to_package(model.state_dict()).items()}, weights)
    return weights
