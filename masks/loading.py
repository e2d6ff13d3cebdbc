"""One way to load what finds masks: a checkpoint's row, its family's code, its place, a device, a number format."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.errors import RecipeError
from pipeline.models.checkpoints import Checkpoint, check_licence, checkpoint
from pipeline.models.devices import choose_device, choose_dtype, out_of_memory_named
from pipeline.models.weights import fingerprint, locate


def load_parts(
    name: str | Checkpoint, role: str, families: Mapping[str, Any], *, device: str = "auto", dtype: str | None = None,
    accept_licence: Sequence[str] = (), mirror: Path | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Load a checkpoint of ``role``: the fields of a ``Detector`` or a ``Segmenter``.

    Args:
        name: a checkpoint's id, or a row of one's own.
        role: ``detector`` or ``segmenter``.
        families: that role's families by id.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1``, ``mps``.
        dtype: number format; the row's by default, ``auto`` for the device's best.
        accept_licence: ids of non-commercial checkpoints that the recipe accepts.
        mirror: folder of weights that is looked at before the hub's cache.

    Raises:
        RecipeError: no such checkpoint, or one of another role or of no known family.
        LicenceRefused: non-commercial and not accepted.
        WeightsMissing: not on this machine.
        ModelError: the weights do not fit, or the device is not there.
    """
    row = checkpoint(name, role=role) if isinstance(name, str) else name
    check_licence(row, accept_licence)
    family = families.get(row.family)
    if family is None:
        raise RecipeError(f"Checkpoint {row.id!r}: no {role} family {row.family!r}; known: {', '.join(families)}")
    place = locate(row, mirror=mirror)
    where = choose_device(device)
    with out_of_memory_named(f"loading {row.id}"):
        network = family.load(row, place, where)
    return {
        "row": row,
        "family": family,
        "network": network,
        "device": where,
        "dtype": choose_dtype(dtype or row.dtype, where),
        "fingerprint": fingerprint(row, mirror=mirror),
    }
