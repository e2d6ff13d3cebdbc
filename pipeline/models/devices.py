"""Where models run: the device, the number format, running out of memory, and which models stay loaded."""

from __future__ import annotations

import contextlib
import functools
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field
from typing import Any

from pipeline.errors import ModelError, OutOfMemory

MEMORY = "SEAMLINE_MEMORY_GB"
"""Environment variable: gigabytes that loaded models may keep in one process."""
DTYPES = ("float32", "float16", "bfloat16")


def choose_device(wanted: str = "auto") -> str:
    """A torch device string: ``wanted``, or the best one that this machine has.

    Raises:
        ModelError: the wanted device is not there.
    """
    import torch

    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if wanted == "auto":
        return next(name for name in ("cuda", "mps", "cpu") if there[name])
    kind = wanted.partition(":")[0]
    if not there.get(kind, False):
        have = ", ".join(name for name, is_there in there.items() if is_there)
        raise ModelError(f"This machine has no device {wanted!r}; it has {have}. Use 'auto' to take the best")
    return wanted


def choose_dtype(wanted: str, device: str) -> str:
    """The number format to compute in: ``wanted`` where the device is good at it, else the nearest that it is good at.

    ``auto`` is bfloat16 on GPUs that have it, float16 on the other GPUs, and float32 on processors, whose results
    are then the same on every machine. float16 on a processor is emulated and slow, so bfloat16 stands in for it; and
    float32 for both where the processor has no instructions for bfloat16 either (see `has_bfloat16`).

    Raises:
        ModelError: not a number format.
    """
    import torch

    kind = device.partition(":")[0]
    if wanted == "auto":
        if kind == "cuda":
            return "bfloat16" if torch.cuda.is_bf16_supported() else "float16"
        return "float32"
    if wanted not in DTYPES:
        raise ModelError(f"No number format {wanted!r}; choose one of auto, {', '.join(DTYPES)}")
    if kind == "cpu" and wanted != "float32":
        return "bfloat16" if has_bfloat16() else "float32"
    return wanted


@functools.cache
def has_bfloat16() -> bool:
    """Whether the processor multiplies bfloat16 matrices itself (AVX512-BF16, AMX, Arm's BF16)."""
    import torch

    tell: Any = getattr(torch.cpu, "get_capabilities", None)  # older torch does not tell: float32 is right everywhere
    return tell is not None and any(tell().get(name, False) for name in ("avx512_bf16", "amx_bf16", "bf16"))


@contextlib.contextmanager
def inference(device: str, dtype: str) -> Iterator[None]:
    """No gradients, and matrix products in ``dtype`` while sums, norms and softmax stay in float32 (autocast)."""
    import torch

    kind = device.partition(":")[0]
    with contextlib.ExitStack() as stack:
        stack.enter_context(torch.inference_mode())
        if dtype != "float32":
            stack.enter_context(torch.autocast(kind, dtype=getattr(torch, dtype)))
        yield


@contextlib.contextmanager
def out_of_memory_named(what: str) -> Iterator[None]:
    """Turn torch's out-of-memory errors into ours, and give the memory back, so that smaller work still fits.

    Raises:
        OutOfMemory: the block ran out of memory on its device.
    """
    import torch

    try:
        yield
    except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
        text = str(error).lower()
        if not isinstance(error, (torch.OutOfMemoryError, MemoryError)) and "alloc" not in text:
            raise
        message = f"Out of memory while {what}; use a smaller picture or batch, or another device"
        # The traceback holds the frames that hold the tensors: drop it before emptying the cache.
        error.__traceback__ = None
    else:
        return
    free_memory()
    raise OutOfMemory(message)


def free_memory() -> None:
    """Hand cached blocks of the GPU back to its driver."""
    import gc

    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


@dataclass
class LoadedModels:
    """Models that stay loaded in this process, the least recently used of them dropped above a budget.

    Attributes:
        budget_gb: sum of the sizes that may stay loaded, in units of 10^9 bytes. The newest always stays.
    """

    budget_gb: float = 12.0
    _models: OrderedDict[Hashable, tuple[Any, float]] = field(default_factory=OrderedDict)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def get(
        self, key: Hashable, size_gb: float, load: Callable[[], Any], *, measure: Callable[[Any], float] | None = None
    ) -> Any:
        """The model under ``key``, loaded by ``load()`` the first time. Threads that ask at once load it once.

        ``size_gb`` is what it will take as far as is known; ``measure`` tells what it takes once it is there.
        """
        with self._lock:
            if key not in self._models:
                self._evict(self.budget_gb - size_gb)
                model = load()
                self._models[key] = (model, measure(model) if measure else size_gb)
                self._evict(self.budget_gb, newest=key)
            self._models.move_to_end(key)
            return self._models[key][0]

    def _evict(self, room_gb: float, newest: Hashable = None) -> None:
        dropped = False
        while self._models and sum(size for _, size in self._models.values()) > room_gb:
            oldest = next(iter(self._models))
            if oldest == newest:
                break
            del self._models[oldest]
            dropped = True
        if dropped:
            free_memory()

    def __contains__(self, key: Hashable) -> bool:
        """Whether the model under ``key`` is loaded."""
        return key in self._models

    def clear(self) -> None:
        """Drop every model."""
        with self._lock:
            self._models.clear()


@functools.cache
def loaded_models() -> LoadedModels:
    """The process's own set of loaded models."""
    return LoadedModels(budget_gb=memory_budget_gb())


def memory_budget_gb() -> float:
    """How much may stay loaded: ``SEAMLINE_MEMORY_GB``, or 60 % of the best device's memory, in units of 10^9 bytes.

    The rest is for activations, pictures and other processes.

    Raises:
        ModelError: the variable is no positive number.
    """
    import torch

    if wanted := os.environ.get(MEMORY):
        with contextlib.suppress(ValueError):
            if float(wanted) > 0:
                return float(wanted)
        raise ModelError(f"{MEMORY} is {wanted!r}: give the gigabytes that models may keep, for example 8")
    if torch.cuda.is_available():
        whole = float(torch.cuda.get_device_properties(0).total_memory)
    else:
        whole = float(os.sysconf("SC_PAGE_SIZE")) * os.sysconf("SC_PHYS_PAGES")
    return 0.6 * whole / 1e9
