"""Tiny random checkpoints in the true layout on disk of each family, for tests: the real classes at a small size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from masks.detectors.convert import save_package
from masks.segmenters.meta import ARCHITECTURES, build_sam
from pipeline.models.checkpoints import Checkpoint

WORDS = ("a", "the", "red", "shirt", "dress", "shoe", "bag", "hair", "hand", "t", "-")
FIT = {"shortest_px": 128, "longest_px": 192}


def save_vocabulary(folder: Path) -> Path:
    """Write a small WordPiece vocabulary with BERT's own ids of the special tokens, which both packages rely on."""
    vocabulary = [f"[unused{index}]" for index in range(1100)]
    for index, token in {0: "[PAD]", 100: "[UNK]", 101: "[CLS]", 102: "[SEP]", 103: "[MASK]"}.items():
        vocabulary[index] = token
    vocabulary[1012], vocabulary[1029] = ".", "?"
    for index, word in enumerate(WORDS):
        vocabulary[200 + index] = word
    for index, letter in enumerate("abcdefghijklmnopqrstuvwxyz"):
        vocabulary[400 + index] = f"##{letter}"
        vocabulary[430 + index] = letter if letter not in WORDS else f"[unused{430 + index}]"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "vocab.txt"
    path.write_text("\n".join(vocabulary), encoding="utf-8")
    return path


def tiny_tokenizer(folder: Path) -> Any:
    """A BERT tokenizer over that vocabulary."""
    from transformers import BertTokenizerFast

    return BertTokenizerFast(str(save_vocabulary(folder)), model_max_length=64)


def tiny_grounding_dino(seed: int = 0) -> Any:
    """A transformers Grounding DINO of 0.6 M parameters with random weights in which every path matters."""
    import torch
    from transformers import BertConfig, GroundingDinoConfig, GroundingDinoForObjectDetection, SwinConfig

    torch.manual_seed(seed)
    config = GroundingDinoConfig(
        backbone_config=SwinConfig(
            image_size=128, embed_dim=16, depths=[1, 1, 2, 1], num_heads=[1, 2, 4, 4], window_size=4,
            drop_path_rate=0.0, out_indices=[2, 3, 4],
        ),
        text_config=BertConfig(
            vocab_size=1100, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64,
            max_position_embeddings=64, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
        ),
        num_queries=30, encoder_layers=2, encoder_ffn_dim=64, encoder_attention_heads=4, decoder_layers=2,
        decoder_ffn_dim=64, decoder_attention_heads=4, d_model=64, dropout=0.0, fusion_droppath=0.0,
        num_feature_levels=4, max_text_len=256, disable_custom_kernels=True,
    )  # fmt: skip
    model = GroundingDinoForObjectDetection(config).eval()
    with torch.no_grad():
        # As built, fusion is scaled by 1e-4 and the last layers of the box heads are zero: wrong names would not show.
        for name, parameter in model.named_parameters():
            if "vision_param" in name or "text_param" in name:
                parameter.fill_(0.5)
            elif parameter.dim() == 1 or "bbox" in name or "attention_weights" in name or "sampling_offsets" in name:
                parameter.add_(torch.randn_like(parameter) * 0.05)
            elif "text_backbone" in name:
                parameter.mul_(3.0)
    return model


def row(**fields: Any) -> Checkpoint:
    """A detector's row with the fields that a test does not care about filled in."""
    common = {
        "id": "tiny",
        "role": "detector",
        "size_gb": 0.003,
        "year": 2026,
        "licence": "Apache-2.0",
        "commercial": True,
    }
    return Checkpoint(**{**common, **fields})


def save_hub_detector(model: Any, folder: Path) -> Checkpoint:
    """Write the hub's layout: config.json, model.safetensors, preprocessor_config.json, tokenizer.json, vocab.txt."""
    import json

    _save(model, folder)
    tiny_tokenizer(folder).save_pretrained(folder)
    size = {"shortest_edge": FIT["shortest_px"], "longest_edge": FIT["longest_px"]}
    stored = {"image_processor_type": "GroundingDinoImageProcessor", "size": size}
    (folder / "preprocessor_config.json").write_text(json.dumps(stored), encoding="utf-8")
    return row(id="tiny-hub", family="grounding-dino-transformers", address=str(folder))


def save_package_detector(model: Any, folder: Path) -> Checkpoint:
    """Write groundingdino-py's layout as safetensors, and beside it the same as a pickle with the authors' names."""
    import torch
    from safetensors.torch import load_file

    weights = save_package(model, tiny_tokenizer(folder / "text_encoder"), folder, fit=FIT)
    tensors = {f"module.{name}": value for name, value in load_file(weights).items()}
    # What the published files hold beyond the network.
    tensors["module.label_enc.weight"] = torch.zeros(3, 2)
    tensors["module.bert.embeddings.position_ids"] = torch.arange(64)[None]
    torch.save({"model": tensors}, folder / "model.pth")
    return row(
        id="tiny-package", family="groundingdino-py", address=str(folder), file="model.safetensors",
        config="config.json", needs={"text_encoder": str(folder / "text_encoder")},
    )  # fmt: skip


def save_sam(folder: Path, seed: int = 0) -> Checkpoint:
    """Write a tiny SAM in segment-anything's layout, as safetensors and as Meta's kind of pickle."""
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(seed)
    sam = build_sam(ARCHITECTURES["tiny"])
    with torch.no_grad():
        for parameter in sam.parameters():
            if not parameter.any():  # positions and some biases start at zero, where a lost tensor would not show
                parameter.add_(torch.randn_like(parameter) * 0.02)
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(sam.state_dict(), folder / "sam.pth")
    save_file({name: tensor.clone() for name, tensor in sam.state_dict().items()}, folder / "sam.safetensors")
    return row(
        id="tiny-sam", role="segmenter", family="segment-anything", address=str(folder), file="sam.safetensors",
        config="tiny",
    )  # fmt: skip


def save_sam2(folder: Path, seed: int = 0) -> Checkpoint:
    """Write a tiny SAM 2.1 as it is published: the video model's folder, of which the image part is used."""
    import torch
    from transformers import Sam2HieraDetConfig, Sam2VideoConfig, Sam2VideoModel, Sam2VisionConfig

    torch.manual_seed(seed)
    backbone = Sam2HieraDetConfig(
        hidden_size=24, num_attention_heads=1, image_size=[128, 128], blocks_per_stage=[1, 1, 2, 1],
        embed_dim_per_stage=[24, 48, 96, 192], num_attention_heads_per_stage=[1, 2, 4, 8],
        window_size_per_stage=[8, 4, 8, 4], global_attention_blocks=[3],
    )  # fmt: skip
    vision = Sam2VisionConfig(
        backbone_config=backbone, backbone_channel_list=[192, 96, 48, 24],
        backbone_feature_sizes=[[32, 32], [16, 16], [8, 8]], fpn_hidden_size=32,
    )  # fmt: skip
    config = Sam2VideoConfig(
        vision_config=vision,
        prompt_encoder_config={"hidden_size": 32, "image_size": 128},
        mask_decoder_config={"hidden_size": 32, "mlp_dim": 64, "num_attention_heads": 2, "iou_head_hidden_dim": 32},
        image_size=128, memory_attention_hidden_size=32, memory_attention_feed_forward_hidden_size=32,
        memory_attention_num_layers=1, memory_attention_num_attention_heads=1, memory_attention_downsample_rate=1,
        memory_attention_rope_feat_sizes=[8, 8], memory_encoder_hidden_size=32, memory_encoder_output_channels=8,
        mask_downsampler_embed_dim=32, memory_fuser_embed_dim=32, memory_fuser_intermediate_dim=32,
    )  # fmt: skip
    model = _spread(Sam2VideoModel(config).eval())
    _save(model, folder)
    return row(id="tiny-sam2", role="segmenter", family="sam2", address=str(folder))


def save_sam_hq(folder: Path, seed: int = 0) -> Checkpoint:
    """Write a tiny SAM-HQ in the hub's layout."""
    import torch
    from transformers import SamHQConfig, SamHQModel

    torch.manual_seed(seed)
    config = SamHQConfig(
        vision_config={
            "hidden_size": 48, "output_channels": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
            "image_size": 128, "window_size": 4, "global_attn_indexes": [1], "num_pos_feats": 16, "mlp_ratio": 2.0,
            "initializer_range": 0.02,
        },
        prompt_encoder_config={"hidden_size": 32, "image_size": 128, "mask_input_channels": 8},
        mask_decoder_config={
            "hidden_size": 32, "mlp_dim": 64, "num_attention_heads": 2, "iou_head_hidden_dim": 32, "vit_dim": 48,
        },
    )  # fmt: skip
    _save(_spread(SamHQModel(config).eval()), folder)
    return row(id="tiny-sam-hq", role="segmenter", family="sam-hq", address=str(folder))


def _spread(model: Any) -> Any:
    """Widen random weights: transformers starts them so small that a tiny network's answers are all alike."""
    import torch

    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.mul_(0.7 / (parameter.std() * parameter[0].numel() ** 0.5 + 1e-9))
    return model


def _save(model: Any, folder: Path) -> None:
    from transformers.utils import logging

    logging.disable_progress_bar()
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    logging.enable_progress_bar()
