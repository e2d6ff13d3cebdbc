"""Tiny random parts of the rectified-flow families: tokenizers, text encoders, autoencoders, in the makers' classes."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from pipeline.embedded.train.vocabulary import build_tokenizer

CHAT = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


@contextlib.contextmanager
def quiet(seed: int) -> Iterator[None]:
    """A fixed seed, and no bars or advice while parts are built and saved."""
    from diffusers.utils import logging as diffusers_logging
    from transformers.utils import logging as transformers_logging

    torch.manual_seed(seed)
    level = diffusers_logging.get_verbosity()
    diffusers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
    transformers_logging.enable_progress_bar()
    diffusers_logging.set_verbosity(level)


def save(folder: Path, pipeline_name: str, parts: dict[str, Any]) -> Path:
    """A whole pipeline on disk under its makers' class name."""
    import diffusers

    for part in parts.values():
        if isinstance(part, torch.nn.Module):
            spread(part)
    getattr(diffusers, pipeline_name)(**parts).save_pretrained(folder)
    return folder


def spread(model: torch.nn.Module) -> None:
    """Widen zeroed and faint weights, so that prompts, masks and controls change a tiny network's picture."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() > 1 and float(parameter.float().std()) < 0.02:
                parameter.copy_(torch.randn(parameter.shape) * 0.5 / parameter[0].numel() ** 0.5)
            elif name.endswith("pad_token"):  # left uninitialised by diffusers
                parameter.fill_(1.0)


def livelier(model: torch.nn.Module) -> None:
    """Weights that hand on what they get: with torch's own start the biases drown a tiny deep network's input."""
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 2:
                parameter.copy_(torch.randn(parameter.shape) * 1.4 / parameter[0].numel() ** 0.5)
            elif parameter.dim() == 1:
                parameter.mul_(0.0 if float(parameter.std()) > 0 or not parameter.any() else 1.0)


def vae(*, channels: int = 16) -> Any:
    """An autoencoder of 8 px cells, with the shift and scale of Stable Diffusion 3 and Flux."""
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        in_channels=3, out_channels=3, block_out_channels=(4, 4, 4, 4), layers_per_block=1, latent_channels=channels,
        down_block_types=["DownEncoderBlock2D"] * 4, up_block_types=["UpDecoderBlock2D"] * 4, norm_num_groups=2,
        sample_size=32, use_quant_conv=False, use_post_quant_conv=False, shift_factor=0.0609, scaling_factor=1.5035,
        mid_block_add_attention=False,
    )  # fmt: skip


def clip(*, projection: bool) -> tuple[Any, Any]:
    """CLIP's tokenizer and text encoder."""
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    tokenizer = build_tokenizer()
    tokenizer.model_max_length = 77
    config = CLIPTextConfig(
        vocab_size=len(tokenizer), bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id, hidden_size=16, intermediate_size=32, num_attention_heads=2,
        num_hidden_layers=2, projection_dim=16,
    )  # fmt: skip
    return tokenizer, (CLIPTextModelWithProjection if projection else CLIPTextModel)(config)


def t5() -> tuple[Any, Any]:
    """T5's tokenizer and encoder."""
    from transformers import T5Config, T5EncoderModel, T5Tokenizer

    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0)]
    pieces += [(letter, -3.0) for letter in "abcdefghijklmnopqrstuvwxyz ,.0123456789"]
    tokenizer = T5Tokenizer(vocab=pieces, extra_ids=0, model_max_length=512)
    config = T5Config(vocab_size=len(tokenizer), d_model=32, d_kv=8, d_ff=37, num_layers=1, num_heads=4)
    return tokenizer, T5EncoderModel(config)


def qwen_tokenizer() -> Any:
    """Qwen2's byte-level BPE without merges, with its chat template and marks."""
    from transformers import Qwen2Tokenizer
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    letters = list(bytes_to_unicode().values())
    marks = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>"]
    marks.append("<|video_pad|>")
    tokenizer = Qwen2Tokenizer(vocab={name: at for at, name in enumerate([*letters, marks[0]])}, merges=[])
    tokenizer.add_special_tokens({"additional_special_tokens": marks[1:]})
    tokenizer.chat_template = CHAT
    return tokenizer


def letter_tokenizer(name: str) -> Any:
    """Gemma's or Llama's tokenizer with a vocabulary of letters."""
    import transformers

    marks = {
        "GemmaTokenizer": ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>"],
        "LlamaTokenizer": ["<unk>", "<s>", "</s>"],
    }[name]
    letters = [
        *"▁abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,;:<>|_/\n",
        *map(byte_name, range(256)),
    ]
    return getattr(transformers, name)(vocab={piece: at for at, piece in enumerate([*marks, *letters])}, merges=[])


def byte_name(value: int) -> str:
    """The vocabulary's name of a byte that is no letter."""
    return f"<0x{value:02X}>"
