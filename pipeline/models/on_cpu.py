"""Networks on a processor in bfloat16: weights packed once for its matrix kernels, and attention in pieces.

oneDNN, which torch computes such layers with, reorders a layer's weights into its kernels' blocks at every call. Here
it does so once, when the model is loaded, and the packed weights take the place of the plain ones.

Attention is computed in pieces of queries whose scores stay in the cache, as two matrix products with a softmax
between. Its scores are rounded to bfloat16, so it agrees with torch's own to about 1 %; a whole network stays as near
to float32 as in torch's own bfloat16.
"""

from __future__ import annotations

import ctypes
import functools
import platform
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, Self

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from pipeline.models.compiling import is_compiled

SCORES: Final = 2**20
"""Attention scores of one piece: 2 MiB, about what a core's own cache holds."""
MIN_ROWS: Final = 64
SPATIAL: Final = 64
"""Height and width that convolutions are packed for; the packed form serves every size; made for none it is slow."""
KEPT_BYTES: Final = 2**30
TRIM_THRESHOLD: Final = -1
MMAP_THRESHOLD: Final = -3
"""glibc's numbers of its settings (malloc.h)."""


def prepare(pipe: Any) -> int:
    """Pack the diffusers networks of a loaded pipeline (LoRAs must be fused); text encoders run once a prompt and stay.

    Compiled networks are left alone: a compiler cannot look into packed weights.

    Returns:
        How many layers were packed; 0 for what is not in bfloat16 on the processor.
    """
    from diffusers import ModelMixin

    parts = getattr(pipe, "components", {}).values()
    networks = (part for part in parts if isinstance(part, ModelMixin) and isinstance(part, nn.Module))
    packed = sum(pack(part) for part in networks if not is_compiled(part))
    if packed:
        keep_freed_memory()
    return packed


@functools.cache
def keep_freed_memory() -> bool:
    """Let glibc keep up to 1 GiB that was freed: a VAE's layers would else get, and clear, their pages anew every time.

    For the whole process; False where another C library is used.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    libc = ctypes.CDLL(None)
    return all(bool(libc.mallopt(setting, KEPT_BYTES)) for setting in (MMAP_THRESHOLD, TRIM_THRESHOLD))


class _Packed(nn.Module):
    """A layer with a packed weight; whatever moves or casts it makes it the plain layer that it was."""

    plain: type[nn.Module]
    weight: Tensor

    def unpack(self) -> None:
        """Make it plain."""
        self.__class__ = self.plain  # type: ignore[assignment]
        self.weight = nn.Parameter(self.weight.detach().to_dense().contiguous(), requires_grad=False)

    def _apply(self, fn: Callable[..., Any], recurse: bool = True) -> Self:
        self.unpack()
        return self._apply(fn, recurse)


class PackedLinear(_Packed, nn.Linear):
    """A linear layer whose ``weight`` is packed; made from a plain one by `pack`."""

    plain = nn.Linear

    def forward(self, input: Tensor) -> Tensor:
        """``input`` (..., in_features) to (..., out_features), as the plain layer."""
        made: Tensor = torch.ops.mkldnn._linear_pointwise(input, self.weight, self.bias, "none", [], "")
        return made


class PackedConv2d(_Packed, nn.Conv2d):
    """A convolution whose ``weight`` is packed; made from a plain one by `pack`."""

    plain = nn.Conv2d

    def forward(self, input: Tensor) -> Tensor:
        """``input`` (N, C, H, W) to what the plain layer makes of it, channels last."""
        padding, stride, dilation = (list(one) for one in (self.padding, self.stride, self.dilation))
        made: Tensor = torch.ops.mkldnn._convolution_pointwise(
            input.contiguous(memory_format=torch.channels_last), self.weight, self.bias, padding, stride, dilation,
            self.groups, "none", [], "",
        )  # fmt: skip
        return made


def pack(network: nn.Module) -> int:
    """Pack the linear layers and convolutions of ``network`` in place; the plain weights are freed one by one.

    Left alone are layers on another device, of another number format than bfloat16, and those of a class of their own:
    quantised ones and LoRAs that are not fused.

    Returns:
        How many layers were packed.
    """
    packed = 0
    if not _has_kernels():
        return packed
    for layer in network.modules():
        if type(layer) is nn.Linear and _is_plain(layer.weight):
            weight = torch.ops.mkldnn._reorder_linear_weight(layer.weight.detach(), None)
            layer.__class__ = PackedLinear
        elif type(layer) is nn.Conv2d and _is_plain(layer.weight) and layer.padding_mode == "zeros":
            if isinstance(layer.padding, str):
                continue
            weight = torch.ops.mkldnn._reorder_convolution_weight(
                layer.weight.detach(), list(layer.padding), list(layer.stride), list(layer.dilation), layer.groups,
                [1, layer.in_channels, SPATIAL, SPATIAL],
            )  # fmt: skip
            layer.__class__ = PackedConv2d
        else:
            continue
        layer.weight = nn.Parameter(weight, requires_grad=False)
        packed += 1
    return packed


def unpack(network: nn.Module) -> nn.Module:
    """Undo `pack` in place, for what reads, changes or saves weights; returns ``network``."""
    for layer in network.modules():
        if isinstance(layer, _Packed):
            layer.unpack()
    return network


@functools.cache
def _has_kernels() -> bool:
    """Whether torch was built with oneDNN and it computes in bfloat16 here."""
    built = bool(torch.backends.mkldnn.is_available())  # type: ignore[no-untyped-call, unused-ignore]
    return built and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def _is_plain(weight: Tensor) -> bool:
    return weight.device.type == "cpu" and weight.dtype == torch.bfloat16 and weight.layout == torch.strided


class Attention(TorchFunctionMode):
    """While entered: attention in bfloat16 on the processor, without mask and gradient, goes by `attend`."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Every call of torch's functions comes through here; all but that one go on as they are."""
        given = kwargs or {}
        if func is functional.scaled_dot_product_attention and _is_simple(*args, **given):
            return attend(*args[:3], **{name: given[name] for name in _TAKEN & given.keys()})
        return func(*args, **given)


_TAKEN: Final = frozenset({"query", "key", "value", "scale"})


def _is_simple(
    query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None, dropout_p: float = 0.0,
    is_causal: bool = False, scale: float | None = None, enable_gqa: bool = False,
) -> bool:  # fmt: skip
    return (
        attn_mask is None
        and not dropout_p
        and not is_causal
        and not torch.is_grad_enabled()
        and query.ndim == 4
        and query.shape[:2] == key.shape[:2]
        and all(one.dtype == torch.bfloat16 and one.device.type == "cpu" for one in (query, key, value))
    )


def attend(query: Tensor, key: Tensor, value: Tensor, *, scale: float | None = None) -> Tensor:
    """softmax(scale * query @ key.T) @ value of (N, heads, length, width) tensors in bfloat16; scale is width ** -0.5.

    The mean key is taken from every key: it shifts all scores of a query alike, so the softmax stays, and the scores
    become smaller and lose less in rounding (Zhang et al., SageAttention, arXiv 2410.02367). In memory the heads of a
    query stand side by side, as in torch's own: some of diffusers' layers view the result so.
    """
    key = (key - key.mean(-2, keepdim=True)) * (query.shape[-1] ** -0.5 if scale is None else scale)
    many, heads, length = query.shape[:3]
    made = query.new_empty((many, length, heads, value.shape[-1])).transpose(1, 2)
    rows = max(MIN_ROWS, SCORES // key.shape[-2])
    pieces = [
        (index, head, slice(start, start + rows))
        for index in range(query.shape[0])
        for head in range(query.shape[1])
        for start in range(0, query.shape[2], rows)
    ]

    def piece(place: tuple[int, int, slice]) -> None:
        index, head, part = place
        with torch.inference_mode():
            scores = torch.mm(query[index, head, part], key[index, head].t())
            torch.mm(scores.softmax(-1), value[index, head], out=made[index, head, part])

    pool = _single_threads(torch.get_num_threads())
    list(map(piece, pieces) if pool is None else pool.map(piece, pieces))
    return made


@functools.cache
def _single_threads(number: int) -> ThreadPoolExecutor | None:
    """So many threads that each compute alone: no piece waits for another core; None for one."""
    if number == 1:
        return None
    before, ready = torch.get_num_threads(), threading.Barrier(number + 1)

    def alone() -> None:
        torch.get_num_threads()  # a thread takes over the process's number when it is first asked: not after the next
        torch.set_num_threads(1)
        ready.wait()

    pool = ThreadPoolExecutor(number, "attention", initializer=alone)
    for _ in range(number):
        pool.submit(int)
    ready.wait()
    torch.set_num_threads(before)  # the number that threads begin with is the process's: set it back
    return pool
