"""The number format that this processor trains fastest in."""

from __future__ import annotations

from contextlib import AbstractContextManager, ExitStack
from typing import Any


def has_fast_bf16() -> bool:
    """Whether the processor multiplies bfloat16 by itself; elsewhere it is many times slower than float32."""
    import torch

    able = torch.cpu.get_capabilities()
    return bool(able.get("avx512_bf16") or able.get("amx_bf16") or able.get("amx_tile"))


def fast_format() -> AbstractContextManager[Any]:
    """Autocast to bfloat16 where that is fast, and attention by plain matrix products.

    The fused attention of processors took a quarter of a training step of the studio's inpainting model. Keep losses
    outside, in float32.
    """
    import torch
    from torch.nn.attention import SDPBackend, sdpa_kernel

    stack = ExitStack()
    stack.enter_context(torch.autocast("cpu", torch.bfloat16, enabled=has_fast_bf16()))
    stack.enter_context(sdpa_kernel(SDPBackend.MATH))
    return stack
