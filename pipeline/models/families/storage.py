"""How a denoiser's weights are stored: 8-bit floats by diffusers; 8-bit integers and 4-bit NF4 by bitsandbytes.

LLM.int8(): Dettmers et al., arXiv 2208.07339; NF4 with its constants quantised, too: Dettmers et al., QLoRA,
arXiv 2305.14314. diffusers' own way into bitsandbytes refuses machines without a GPU, though its layers run on
processors: so the layers are exchanged here, on whatever device.
"""

from __future__ import annotations

import logging
from typing import Any

from pipeline.errors import ModelError
from pipeline.models.checkpoints import Checkpoint

INSTALL = "pip install 'seamline[small]'"


def store_small(row: Checkpoint, network: Any, dtype: Any) -> None:
    """Store a network's weights as the row's ``quantisation`` says, and compute in ``dtype``; LoRAs must be fused.

    By bitsandbytes every linear layer but those that diffusers keeps in float32. Its place in memory is freed as soon
    as it is stored small, so that a network that is loaded never stands there twice.

    Raises:
        ModelError: bitsandbytes is not installed.
    """
    import torch

    if row.quantisation == "fp8":
        network.enable_layerwise_casting(storage_dtype=torch.float8_e4m3fn, compute_dtype=dtype)
        return
    library = _bitsandbytes(row)
    make = _four_bits if row.quantisation == "nf4" else _eight_bits
    kept = getattr(network, "_keep_in_fp32_modules", None) or ()
    for name, layer in list(network.named_modules()):
        for child, linear in list(layer.named_children()):
            if type(linear) is torch.nn.Linear and not any(part in f"{name}.{child}".split(".") for part in kept):
                setattr(layer, child, make(library, linear, dtype))


def refuse_without_library(row: Checkpoint) -> None:
    """Raise ModelError, before gigabytes are read, where the row is stored by a library that is not installed."""
    if row.quantisation not in (None, "fp8"):
        _bitsandbytes(row)


def _bitsandbytes(row: Checkpoint) -> Any:
    log = logging.getLogger("bitsandbytes")
    before = log.level
    log.setLevel(logging.ERROR)  # it tells of kernels that it could fetch from a hub
    try:
        import bitsandbytes
    except ImportError as error:
        raise ModelError(
            f"Checkpoint {row.id!r} stores weights as {row.quantisation} by bitsandbytes, which is not installed here: "
            f"run {INSTALL}, or choose a row of another storage"
        ) from error
    finally:
        log.setLevel(before)
    return bitsandbytes


def _four_bits(library: Any, linear: Any, dtype: Any) -> Any:
    weight = library.nn.Params4bit(linear.weight.data, requires_grad=False, quant_type="nf4")
    made = library.nn.Linear4bit(
        linear.in_features, linear.out_features, bias=False, compute_dtype=dtype, quant_type="nf4", device="meta"
    )
    return _filled(made, weight, linear)


def _eight_bits(library: Any, linear: Any, dtype: Any) -> Any:
    weight = library.nn.Int8Params(linear.weight.data, requires_grad=False, has_fp16_weights=False)
    made = library.nn.Linear8bitLt(
        linear.in_features, linear.out_features, bias=False, has_fp16_weights=False, device="meta"
    )
    return _filled(made, weight, linear)


def _filled(made: Any, weight: Any, linear: Any) -> Any:
    """The layer with its weight and bias; going to a device, if only its own, is what quantises."""
    made.weight, made.bias = weight, linear.bias
    return made.to(linear.weight.device)
