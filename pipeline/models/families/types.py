"""What a family of image models is, and what is asked of it: data, and two functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.models.checkpoints import Checkpoint
from pipeline.types import Image, Mask, Size


@dataclass(frozen=True, kw_only=True)
class ControlMap:
    """A conditioning picture: its kind (``pose``, ``canny``), (H, W, 3) uint8 of the request's size, and its reach.

    ``scale`` is the ControlNet's strength; it acts from ``start`` to ``end``, shares of the steps.
    """

    kind: str
    image: Image
    scale: float = 1.0
    start: float = 0.0
    end: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Inpaint:
    """One picture to generate: everything that decides it, at the family's native size.

    ``image`` is (H, W, 3) uint8 and ``repaint`` (H, W) True where pixels are generated. ``strength`` 1 starts from
    noise; below it, what lies under the mask shows through. Executed steps are int(steps * strength).
    """

    image: Image
    repaint: Mask
    prompt: str
    negative_prompt: str = ""
    seed: int = 0
    steps: int
    guidance: float
    strength: float = 1.0
    controls: tuple[ControlMap, ...] = ()

    @property
    def size(self) -> Size:
        """Height and width in px."""
        return self.image.shape[0], self.image.shape[1]

    @property
    def executed_steps(self) -> int:
        """Steps that the sampler will really take."""
        return int(self.steps * self.strength)


@dataclass(frozen=True, kw_only=True)
class Family:
    """One architecture: what it can do, how it is loaded, how it is called.

    ``load`` takes the row, its place on disk, the places of ControlNets by kind and the device, and gives the
    diffusers pipeline. ``call`` turns requests of one shape into that pipeline's arguments, every value passed: the
    defaults of diffusers differ by pipeline.
    """

    id: str
    multiple_of: int
    controls: frozenset[str]
    negative_prompt: bool
    load: Callable[[Checkpoint, Path, Mapping[str, Path], str], Any]
    call: Callable[[Any, tuple[Inpaint, ...]], dict[str, Any]]


@dataclass(kw_only=True)
class Generator:
    """A loaded checkpoint, ready to be asked."""

    row: Checkpoint
    family: Family
    pipe: Any
    device: str
    fingerprint: str
    notes: list[str] = field(default_factory=list)
