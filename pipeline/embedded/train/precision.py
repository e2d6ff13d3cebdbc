"""The number format that this processor trains fastest in, and memory that it need not ask for again."""

from __future__ import annotations

import ctypes
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


_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4
"""glibc's numbers for ``mallopt``."""


def keep_freed_memory() -> bool:
    """Let this process keep the memory that it frees, for its next step; whether the C library could be told so.

    A training step frees and asks for the same hundred megabytes again and again, and the system hands out every page
    anew, filled with zeros: a quarter of the time of a step of the studio's detector.
    """
    tell = getattr(ctypes.CDLL(None), "mallopt", None)
    if tell is None:  # a C library without it
        return False
    return all(
        bool(tell(option, value)) for option, value in ((_MMAP_MAX, 0), (_TRIM_THRESHOLD, 2**31 - 1), (_TOP_PAD, 2**28))
    )
