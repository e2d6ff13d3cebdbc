"""GGUF files as llama.cpp's tools write them: the makers' names, blocks quantised, small layers in half precision."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch
from numpy.typing import NDArray

QUANTISED = ("Q2_K", "Q3_K", "Q4_0", "Q4_1", "Q4_K", "Q5_0", "Q5_1", "Q5_K", "Q6_K", "Q8_0")
SCALES = {"Q2_K": (80, 82), "Q3_K": (108,), "Q4_K": (0, 2), "Q5_K": (0, 2), "Q6_K": (208,)}
"""Where the half-precision scales stand in a K-quant's block, whose encoder the gguf package does not have."""

TOP = {
    "time_text_embed.timestep_embedder.linear_1": "time_in.in_layer",
    "time_text_embed.timestep_embedder.linear_2": "time_in.out_layer",
    "time_text_embed.text_embedder.linear_1": "vector_in.in_layer",
    "time_text_embed.text_embedder.linear_2": "vector_in.out_layer",
    "time_text_embed.guidance_embedder.linear_1": "guidance_in.in_layer",
    "time_text_embed.guidance_embedder.linear_2": "guidance_in.out_layer",
    "context_embedder": "txt_in", "x_embedder": "img_in", "proj_out": "final_layer.linear",
}  # fmt: skip
DOUBLE = {
    "norm1.linear": "img_mod.lin", "norm1_context.linear": "txt_mod.lin", "ff.net.0.proj": "img_mlp.0",
    "ff.net.2": "img_mlp.2", "ff_context.net.0.proj": "txt_mlp.0", "ff_context.net.2": "txt_mlp.2",
    "attn.to_out.0": "img_attn.proj", "attn.to_add_out": "txt_attn.proj",
}  # fmt: skip
NORMS = {
    "attn.norm_q": "img_attn.norm.query_norm", "attn.norm_k": "img_attn.norm.key_norm",
    "attn.norm_added_q": "txt_attn.norm.query_norm", "attn.norm_added_k": "txt_attn.norm.key_norm",
}  # fmt: skip
JOINED = {
    "img_attn.qkv": ("attn.to_q", "attn.to_k", "attn.to_v"),
    "txt_attn.qkv": ("attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj"),
}


def flux_original(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """A Flux transformer of one double and one single block under Black Forest Labs' own names."""
    made: dict[str, torch.Tensor] = {}
    double, single = "transformer_blocks.0.", "single_transformer_blocks.0."
    for end in ("weight", "bias"):
        for ours, theirs in TOP.items():
            if f"{ours}.{end}" in state:
                made[f"{theirs}.{end}"] = state[f"{ours}.{end}"]
        for ours, theirs in DOUBLE.items():
            made[f"double_blocks.0.{theirs}.{end}"] = state[f"{double}{ours}.{end}"]
        for theirs, ours_all in JOINED.items():
            made[f"double_blocks.0.{theirs}.{end}"] = torch.cat([state[f"{double}{one}.{end}"] for one in ours_all])
        first = ("attn.to_q", "attn.to_k", "attn.to_v", "proj_mlp")
        made[f"single_blocks.0.linear1.{end}"] = torch.cat([state[f"{single}{one}.{end}"] for one in first])
        made[f"single_blocks.0.linear2.{end}"] = state[f"{single}proj_out.{end}"]
        made[f"single_blocks.0.modulation.lin.{end}"] = state[f"{single}norm.linear.{end}"]
        scale, shift = state[f"norm_out.linear.{end}"].chunk(2)  # the makers have them the other way round
        made[f"final_layer.adaLN_modulation.1.{end}"] = torch.cat([shift, scale])
    for ours, theirs in NORMS.items():
        made[f"double_blocks.0.{theirs}.scale"] = state[f"{double}{ours}.weight"]
    made["single_blocks.0.norm.query_norm.scale"] = state[f"{single}attn.norm_q.weight"]
    made["single_blocks.0.norm.key_norm.scale"] = state[f"{single}attn.norm_k.weight"]
    return made


LUMINA = {
    "time_caption_embed.caption_embedder": "cap_embedder", "time_caption_embed.timestep_embedder.linear_1":
    "t_embedder.mlp.0", "time_caption_embed.timestep_embedder.linear_2": "t_embedder.mlp.2",
    "norm_out.linear_1": "final_layer.adaLN_modulation.1", "norm_out.linear_2": "final_layer.linear",
    "attn.to_out.0": "attention.out", "attn.norm_q": "attention.q_norm", "attn.norm_k": "attention.k_norm",
    "feed_forward.linear_": "feed_forward.w", "norm1.linear": "adaLN_modulation.1", "norm1.norm": "attention_norm1",
}  # fmt: skip


def lumina_original(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """A Lumina 2 transformer under its makers' own names."""
    made: dict[str, torch.Tensor] = {}
    for name, tensor in state.items():
        if ".attn.to_k." in name or ".attn.to_v." in name:
            continue
        if ".attn.to_q." in name:
            joined = [state[name.replace("to_q", part)] for part in ("to_q", "to_k", "to_v")]
            made[name.replace("attn.to_q", "attention.qkv")] = torch.cat(joined)
            continue
        theirs = name
        for ours, original in LUMINA.items():
            theirs = theirs.replace(ours, original)
        if ".ffn_norm" not in theirs and ".attention_norm" not in theirs:
            theirs = theirs.replace(".norm1.", ".attention_norm1.").replace(".norm2.", ".attention_norm2.")
        made[theirs] = tensor
    return made


def write_gguf(
    place: Path, state: Mapping[str, torch.Tensor], *, kind: str, blocks: tuple[str, ...], architecture: str
) -> dict[str, torch.Tensor]:
    """Write a GGUF file whose matrices under ``blocks`` are quantised; what they stand for comes back as floats."""
    quant = gguf.GGMLQuantizationType[kind]
    writer = gguf.GGUFWriter(str(place), architecture)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q4_0)
    meant: dict[str, torch.Tensor] = {}
    for at, (name, tensor) in enumerate(state.items()):
        values = tensor.detach().float().numpy()
        if tensor.dim() == 2 and name.startswith(blocks) and values.shape[1] % gguf.GGML_QUANT_SIZES[quant][0] == 0:
            data = packed(values, quant, seed=at)
            writer.add_tensor(name, data, raw_dtype=quant)
            meant[name] = torch.from_numpy(gguf.quants.dequantize(data, quant).reshape(values.shape))
        else:
            small = values.astype(np.float16 if tensor.dim() == 2 else np.float32)
            writer.add_tensor(name, small)
            meant[name] = torch.from_numpy(small.astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return meant


def packed(values: NDArray[np.float32], quant: gguf.GGMLQuantizationType, *, seed: int) -> NDArray[np.uint8]:
    """Blocks of ``quant``: of these values, or for K-quants random ones about as large."""
    if quant.name not in SCALES:
        blocks: NDArray[np.uint8] = gguf.quants.quantize(values, quant)
        return blocks
    block, size = gguf.GGML_QUANT_SIZES[quant]
    rows, columns = values.shape
    data = np.random.default_rng(seed).integers(0, 256, (rows, columns // block, size), dtype=np.uint8)
    largest = float(np.abs(_unit(data, quant)).max())
    _set_scales(data, quant, 2 * float(values.std()) / largest)
    return data.reshape(rows, -1)


def _unit(data: NDArray[np.uint8], quant: gguf.GGMLQuantizationType) -> NDArray[np.float32]:
    unit = data[:1].copy()
    _set_scales(unit, quant, 1.0)
    numbers: NDArray[np.float32] = gguf.quants.dequantize(unit.reshape(1, -1), quant)
    return numbers


def _set_scales(data: NDArray[np.uint8], quant: gguf.GGMLQuantizationType, scale: float) -> None:
    for at in SCALES[quant.name]:
        data[..., at : at + 2] = np.array([scale], np.float16).view(np.uint8)


def linear_state(model: Any) -> dict[str, torch.Tensor]:
    """A model's weights by name, as plain tensors."""
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
