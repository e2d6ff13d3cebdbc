"""Tensors of weights files: read them without running code, and load them strictly."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import ModelError
from pipeline.hearing import heard

if TYPE_CHECKING:
    import torch


def read_state(path: Path, *, pickle: bool = False) -> dict[str, torch.Tensor]:
    """The tensors of a weights file by name, on the processor.

    Args:
        path: a .safetensors file, or a torch pickle.
        pickle: whether a pickle is allowed; it is read with ``weights_only``, which runs no code.

    Raises:
        ModelError: a pickle that is not allowed, a file that cannot be read, or one that holds more than tensors.
    """
    if path.suffix == ".safetensors":
        return _read_safetensors(path)
    if not pickle:
        raise ModelError(
            f"{path.name} is a Python pickle, which can run code when it is read. Use a .safetensors file, "
            "or set 'pickle: true' in the checkpoint's row (it is then read with weights_only)"
        )
    return _read_pickle(path)


def _read_safetensors(path: Path) -> dict[str, torch.Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return dict(load_file(path))
    except (SafetensorError, OSError) as error:
        raise ModelError(f"{path} is not a readable safetensors file ({error}); fetch it again") from error


def _read_pickle(path: Path) -> dict[str, torch.Tensor]:
    import pickle as pickles

    import torch

    try:
        with heard():  # torch warns of pickle versions that it then refuses or reads
            loaded = torch.load(path, map_location="cpu", weights_only=True)
    except (pickles.UnpicklingError, RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ModelError(f"{path} was refused: not plain weights, or damaged ({reason[:200]})") from error
    for name in ("model", "state_dict"):  # what trainers call the table that they save beside their settings
        if isinstance(loaded, dict) and isinstance(loaded.get(name), dict):
            loaded = loaded[name]
    if not isinstance(loaded, dict) or not all(isinstance(value, torch.Tensor) for value in loaded.values()):
        raise ModelError(f"{path} holds no table of tensors; it is no weights file of this kind")
    return {name.removeprefix("module."): value for name, value in loaded.items()}


def load_strictly(
    module: torch.nn.Module, state: Mapping[str, torch.Tensor], *, name: str, may_lack: Iterable[str] = (),
    may_exceed: Iterable[str] = (),
) -> None:  # fmt: skip
    """Load tensors into a module and refuse a file that does not fit it exactly.

    Args:
        module: the network, changed in place.
        state: tensors by name.
        name: what the weights are called in errors.
        may_lack: patterns (``*``) of names that the file may leave out.
        may_exceed: patterns of names that the file may hold beyond the network's.

    Raises:
        ModelError: names are missing or unknown, or shapes differ.
    """
    expected = module.state_dict()
    kept = {key: value for key, value in state.items() if key in expected}
    missing = [key for key in expected if key not in kept and not _matches(key, may_lack)]
    unknown = [key for key in state if key not in expected and not _matches(key, may_exceed)]
    shapes = [
        f"{key} {tuple(value.shape)} for {tuple(expected[key].shape)}"
        for key, value in kept.items()
        if value.shape != expected[key].shape
    ]
    refuse_misfit(name, missing, unknown, shapes)
    module.load_state_dict(kept, strict=False)


def refuse_misfit(name: str, missing: list[str], unknown: list[str], shapes: list[str]) -> None:
    """Raise if any of the lists is not empty.

    Raises:
        ModelError: naming the first few of each.
    """
    problems = [
        f"{len(listed)} {what} ({', '.join(listed[:3])}{', …' if len(listed) > 3 else ''})"
        for what, listed in (("missing", missing), ("unknown", unknown), ("of another shape", shapes))
        if listed
    ]
    if problems:
        raise ModelError(
            f"The weights of {name} do not fit its architecture: {'; '.join(problems)}. "
            "Check the row's file and config; loading them anyway would give noise"
        )


def _matches(key: str, patterns: Iterable[str]) -> bool:
    return any(fnmatch.fnmatch(key, pattern) for pattern in patterns)
