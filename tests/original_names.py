"""Single files: a diffusers folder's weights under the names of the authors' own code, as checkpoints are traded."""

from __future__ import annotations

import re
from pathlib import Path

import torch

from tests.tiny_diffusion import read, save

RESNET = {
    "norm1": "in_layers.0", "conv1": "in_layers.2", "norm2": "out_layers.0", "conv2": "out_layers.3",
    "time_emb_proj": "emb_layers.1", "conv_shortcut": "skip_connection",
}  # fmt: skip
ENDS = {
    "time_embedding.linear_1": "time_embed.0", "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0", "add_embedding.linear_2": "label_emb.0.2",
    "conv_in": "input_blocks.0.0", "conv_norm_out": "out.0", "conv_out": "out.2",
}  # fmt: skip
VAE_ATTENTION = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out"}
OPEN_CLIP = {
    "layers.": "resblocks.", "layer_norm1": "ln_1", "layer_norm2": "ln_2", "mlp.fc1": "mlp.c_fc",
    "mlp.fc2": "mlp.c_proj", "self_attn": "attn",
}  # fmt: skip


def write_single_file(folder: Path, path: Path) -> Path:
    """The whole folder as one file; SDXL's if it has a second text tower."""
    inner = _weights(folder / "unet")
    state = {f"model.diffusion_model.{_unet(name, inner)}": value for name, value in inner.items()}
    state |= {f"first_stage_model.{name}": value for name, value in _vae(_weights(folder / "vae")).items()}
    words = {f"text_model.{_bare(name)}": value for name, value in _weights(folder / "text_encoder").items()}
    if (folder / "text_encoder_2").is_dir():
        state |= {f"conditioner.embedders.0.transformer.{name}": value for name, value in words.items()}
        second = _open_clip(_weights(folder / "text_encoder_2"))
        state |= {f"conditioner.embedders.1.model.{name}": value for name, value in second.items()}
    else:
        state |= {f"cond_stage_model.transformer.{name}": value for name, value in words.items()}
    return save(state, path)


def _weights(folder: Path) -> dict[str, torch.Tensor]:
    return read(next(folder.glob("*.safetensors")))


def _bare(name: str) -> str:
    return name.removeprefix("text_model.")


def _unet(name: str, state: dict[str, torch.Tensor], layers: int = 2) -> str:
    head, _, leaf = name.rpartition(".")
    if head in ENDS:
        return f"{ENDS[head]}.{leaf}"
    found = re.match(r"(down_blocks|up_blocks)\.(\d+)\.(resnets|attentions|downsamplers|upsamplers)\.(\d+)\.(.*)", name)
    if found is None:
        return _middle(name)
    side, block, kind, index, rest = found[1], int(found[2]), found[3], int(found[4]), found[5]
    first = block * (layers + 1)
    if side == "down_blocks":
        if kind == "downsamplers":
            return f"input_blocks.{first + layers + 1}.0.op.{rest.removeprefix('conv.')}"
        place = f"input_blocks.{first + index + 1}"
    elif kind == "upsamplers":
        after = 2 if any(other.startswith(f"up_blocks.{block}.attentions.") for other in state) else 1
        return f"output_blocks.{first + layers}.{after}.conv.{rest.removeprefix('conv.')}"
    else:
        place = f"output_blocks.{first + index}"
    return f"{place}.1.{rest}" if kind == "attentions" else f"{place}.0.{_resnet(rest)}"


def _middle(name: str) -> str:
    found = re.match(r"mid_block\.(resnets|attentions)\.(\d+)\.(.*)", name)
    if found is None:
        raise ValueError(f"unknown name {name}")
    if found[1] == "attentions":
        return f"middle_block.1.{found[3]}"
    return f"middle_block.{2 * int(found[2])}.{_resnet(found[3])}"


def _resnet(rest: str) -> str:
    head, _, leaf = rest.rpartition(".")
    return f"{RESNET[head]}.{leaf}"


def _vae(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    levels = 1 + max(int(found[1]) for name in state if (found := re.match(r"decoder\.up_blocks\.(\d+)", name)))
    made = {}
    for name, value in state.items():
        new = re.sub(r"encoder\.down_blocks\.(\d+)\.resnets\.(\d+)", r"encoder.down.\1.block.\2", name)
        new = re.sub(r"encoder\.down_blocks\.(\d+)\.downsamplers\.0", r"encoder.down.\1.downsample", new)
        if found := re.match(r"decoder\.up_blocks\.(\d+)\.(.*)", new):
            rest = re.sub(r"^resnets\.(\d+)", r"block.\1", found[2]).replace("upsamplers.0", "upsample")
            new = f"decoder.up.{levels - 1 - int(found[1])}.{rest}"
        new = re.sub(r"mid_block\.resnets\.(\d)", lambda found: f"mid.block_{int(found[1]) + 1}", new)
        new = new.replace("conv_norm_out", "norm_out").replace("conv_shortcut", "nin_shortcut")
        if "mid_block.attentions.0" in new:
            new = new.replace("mid_block.attentions.0", "mid.attn_1")
            for ours, theirs in VAE_ATTENTION.items():
                new = new.replace(f".{ours}.", f".{theirs}.")
            value = value[:, :, None, None] if value.dim() == 2 else value
        made[new] = value
    return made


def _open_clip(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    made: dict[str, torch.Tensor] = {}
    bare = {_bare(name): value for name, value in state.items()}
    ends = {
        "embeddings.position_embedding.weight": "positional_embedding",
        "embeddings.token_embedding.weight": "token_embedding.weight",
        "final_layer_norm.weight": "ln_final.weight", "final_layer_norm.bias": "ln_final.bias",
    }  # fmt: skip
    for name, value in bare.items():
        if name in ends:
            made[ends[name]] = value
        elif name == "text_projection.weight":
            made["text_projection"] = value.T
        elif ".q_proj." in name:
            whole = torch.cat([bare[name.replace("q_proj", part)] for part in ("q_proj", "k_proj", "v_proj")])
            made[_resblock(name).replace(".q_proj.", ".in_proj_")] = whole
        elif ".k_proj." not in name and ".v_proj." not in name:
            made[_resblock(name)] = value
    return made


def _resblock(name: str) -> str:
    for ours, theirs in OPEN_CLIP.items():
        name = name.replace(ours, theirs)
    return "transformer." + name.removeprefix("encoder.")
