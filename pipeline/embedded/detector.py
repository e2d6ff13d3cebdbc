"""The studio's Grounding DINO: transformers' classes at a tiny size, with a vocabulary of the catalog's words.

Liu et al., Grounding DINO, arXiv 2303.05499. A folder holds what the hub's do: ``config.json``, ``model.safetensors``
(float16), ``preprocessor_config.json``, ``tokenizer.json``, ``vocab.txt`` and the model card.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pipeline.embedded.captions import SYNONYMS
from pipeline.embedded.palette import DENIM, DYES
from pipeline.embedded.patterns import PATTERNS
from pipeline.errors import WeightsMissing

SIDE_PX: Final = 256
SPECIAL: Final[Mapping[int, str]] = {
    0: "[PAD]",
    100: "[UNK]",
    101: "[CLS]",
    102: "[SEP]",
    103: "[MASK]",
    1010: ",",
    1012: ".",
    1029: "?",
}
"""BERT's own numbers, which both implementations of Grounding DINO rely on."""
FILLERS: Final = ("a", "an", "the", "-", "and", "with", "of", "garment", "clothing", "product", "light", "dark")
LATER: Final = ("hair", "hand", "face", "skin")
VOCABULARY: Final = 1100


def words() -> list[str]:
    """Every word that scenes are described with, sorted."""
    found = set(FILLERS)
    for phrase in (*DYES, *DENIM, *PATTERNS, *SYNONYMS, *(name for names in SYNONYMS.values() for name in names)):
        found.update(phrase.replace("-", " - ").split())
    return sorted(found)


def vocabulary() -> list[str]:
    """Tokens by number: BERT's special ones, the catalog's words, letters for everything else."""
    tokens = [f"[unused{index}]" for index in range(VOCABULARY)]
    for index, token in SPECIAL.items():
        tokens[index] = token
    known = words()
    for index, word in enumerate(known):
        tokens[200 + index] = word
    for index, word in enumerate(LATER):  # apart, so that the others keep their numbers
        tokens[460 + index] = word
    for index, letter in enumerate("abcdefghijklmnopqrstuvwxyz0123456789"):
        tokens[500 + index] = f"##{letter}"
        if letter not in known:
            tokens[550 + index] = letter
    return tokens


SWIN: Final[Mapping[str, Any]] = {
    "image_size": SIDE_PX,
    "patch_size": 4,
    "embed_dim": 32,
    "depths": [1, 1, 4, 1],
    "num_heads": [2, 4, 8, 8],
    "window_size": 4,
    "drop_path_rate": 0.0,
    "out_indices": [2, 3, 4],
}
BERT: Final[Mapping[str, Any]] = {
    "vocab_size": VOCABULARY,
    "hidden_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 192,
    "max_position_embeddings": 64,
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
}
SIZES: Final[Mapping[str, Any]] = {
    "num_queries": 30,
    "encoder_layers": 1,
    "encoder_n_points": 2,
    "encoder_ffn_dim": 256,
    "encoder_attention_heads": 4,
    "decoder_layers": 2,
    "decoder_ffn_dim": 256,
    "decoder_attention_heads": 4,
    "d_model": 128,
    "dropout": 0.0,
    "fusion_droppath": 0.0,
    "auxiliary_loss": True,
    "num_feature_levels": 4,
    "disable_custom_kernels": True,
}


def build_detector() -> Any:
    """``GroundingDinoForObjectDetection`` at the studio's size, initialised so that it trains from scratch.

    As built, fusion is scaled by 1e-4 and the queries start far too loud; a run from there does not come down.
    """
    import torch
    from transformers import BertConfig, GroundingDinoConfig, GroundingDinoForObjectDetection, SwinConfig

    config = GroundingDinoConfig(backbone_config=SwinConfig(**SWIN), text_config=BertConfig(**BERT), **SIZES)
    model = GroundingDinoForObjectDetection(config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "vision_param" in name or "text_param" in name:
                parameter.fill_(0.1)
            elif ".swin." in name and name.endswith("weight") and parameter.ndim > 1:
                # 0.02, as built, is too quiet for so narrow a network
                parameter.normal_(0, parameter[0].numel() ** -0.5)
        model.model.decoder.layer_norm.weight.fill_(0.3)
        model.model.enc_output_norm.weight.fill_(0.3)
        model.model.encoder.layers[-1].text_enhancer_layer.layer_norm_after.weight.fill_(0.5)
    return model


def build_tokenizer(folder: Path) -> Any:
    """A BERT tokenizer over ``vocabulary()``, written to ``folder``."""
    from transformers import BertTokenizerFast  # type: ignore[attr-defined]

    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "vocab.txt"
    path.write_text("\n".join(vocabulary()), encoding="utf-8")
    return BertTokenizerFast(str(path), model_max_length=64)


def save_detector(state: Mapping[str, Any], folder: Path) -> None:
    """Write a detector's weights in float16 with everything that loads it, in the hub's layout."""
    model = build_detector()
    model.load_state_dict(dict(state))
    model.half().save_pretrained(folder)
    (folder / "model.safetensors").chmod(0o644)  # the library writes it for its owner alone
    build_tokenizer(folder).save_pretrained(folder)
    # Never less than 128 px: Swin's last stage would be smaller than its window, which the packages treat differently.
    size = {"shortest_edge": SIDE_PX, "longest_edge": SIDE_PX * 4}
    stored = {"image_processor_type": "GroundingDinoImageProcessor", "size": size}
    (folder / "preprocessor_config.json").write_text(json.dumps(stored, indent=2) + "\n", encoding="utf-8")


def open_detector(folder: Path) -> tuple[Any, Any]:
    """A folder's detector in float32 and its tokenizer, by transformers.

    Raises:
        WeightsMissing: the folder holds no detector.
    """
    from transformers import AutoTokenizer, GroundingDinoForObjectDetection

    if not (folder / "model.safetensors").exists():
        raise WeightsMissing(f"{folder} holds no tiny detector; train it: seamline studio train detector")
    model: Any = GroundingDinoForObjectDetection.from_pretrained(folder, local_files_only=True)
    return model.float().eval(), AutoTokenizer.from_pretrained(folder, local_files_only=True)
