"""Networks compiled by torch.compile: each size of picture, and each number at once, has a graph of its own.

Shapes are static (``dynamic=False``): crops come in few sizes, and a graph made for one size is the faster one.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from typing import Any, Final

from pipeline.errors import ModelError

Backend = str | Callable[..., Any]
"""What torch.compile hands its graphs to; ``inductor`` writes C++ (processors) or Triton (GPUs)."""
COMPILERS: Final = {"darwin": "clang++", "win32": "cl"}
"""The C++ compiler that inductor calls by platform; g++ elsewhere. The variable CXX names another."""


def refuse_without_compiler(device: str, backend: Backend = "inductor") -> None:
    """Refuse to compile for a processor where no C++ compiler is.

    Raises:
        ModelError: the compiler that inductor would call is not on this machine.
    """
    compiler = os.environ.get("CXX") or COMPILERS.get(sys.platform, "g++")
    if device == "cpu" and backend == "inductor" and shutil.which(compiler) is None:
        raise ModelError(
            f"generate.compile needs a C++ compiler on a processor, and there is no {compiler!r} here: install it, "
            "name another by the variable CXX, or leave generate.compile out"
        )


def compile_networks(pipe: Any, *, backend: Backend = "inductor") -> int:
    """Let the denoiser and the ControlNets of a loaded diffusers pipeline be compiled when they are first called.

    In place: their classes, weights and names stay. Text encoders run once a prompt and stay as they are.

    Returns:
        How many networks will be compiled; at least 1.
    """
    nets = getattr(pipe, "controlnet", None)
    controls = [] if nets is None else list(getattr(nets, "nets", [nets]))
    denoiser = getattr(pipe, "unet", None) or pipe.transformer
    networks = {id(one): one for one in (denoiser, *controls)}  # one ControlNet may serve several kinds
    for network in networks.values():
        network.compile(backend=backend, dynamic=False)
    return len(networks)


def is_compiled(network: Any) -> bool:
    """Whether `compile_networks` was at this network, or at those that it joins."""
    joined = getattr(network, "nets", None) or [network]
    return any(getattr(one, "_compiled_call_impl", None) is not None for one in joined)


@contextlib.contextmanager
def compiling_named(name: str) -> Iterator[None]:
    """Turn what torch.compile raises into one ModelError that says what to do.

    Raises:
        ModelError: a network of the checkpoint ``name`` could not be compiled.
    """
    from torch._dynamo.exc import TorchDynamoException  # the only base that all of its errors have

    try:
        yield
    except TorchDynamoException as error:
        cause = getattr(error, "inner_exception", error)  # what the compiler said, without torch's advice to developers
        said = next((line.strip() for line in str(cause).splitlines() if line.strip()), "no reason given")
        what = f"{type(cause).__name__}: {said[:300]}"
        raise ModelError(f"{name} cannot be compiled here ({what}): leave generate.compile out") from error
