"""What a family of image models is, and what is asked of it: data, and two functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.models.checkpoints import Checkpoint
from pipeline.models.families.prompts import PromptCache
from pipeline.types import Alpha, Image, Mask, Size


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
    ``strengths`` (H, W) in [0, 1] are the shares of these steps in which each place is repainted, the last ones; all of
    them where it is None, and nothing outside ``repaint``.
    ``reference`` is a picture of any size whose look is followed, as strongly as ``reference_scale`` in [0, 1] says.
    """

    image: Image
    repaint: Mask
    prompt: str
    negative_prompt: str = ""
    seed: int = 0
    steps: int
    guidance: float
    strength: float = 1.0
    strengths: Alpha | None = None
    controls: tuple[ControlMap, ...] = ()
    reference: Image | None = None
    reference_scale: float = 0.6

    @property
    def size(self) -> Size:
        """Height and width in px."""
        return self.image.shape[0], self.image.shape[1]

    @property
    def executed_steps(self) -> int:
        """Steps that the sampler will really take."""
        return int(self.steps * self.strength)


@dataclass(frozen=True, kw_only=True)
class Part:
    """A row and where its file or folder lies; ``weight`` is a LoRA's."""

    row: Checkpoint
    place: Path
    weight: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Parts:
    """All that a generator is loaded from.

    ``place`` is the row's own file or folder; ``controls`` are ControlNets by kind, in the order in which requests
    carry their maps; ``needs`` the parts of the row's ``needs`` by their names (``unet``, ``vae``, ``config``, ...),
    ``ip_adapter`` and ``image_encoder`` what reads reference pictures, where some are to be read.
    """

    place: Path
    controls: Mapping[str, Part] = field(default_factory=dict)
    needs: Mapping[str, Part] = field(default_factory=dict)
    loras: tuple[Part, ...] = ()
    ip_adapter: Part | None = None
    image_encoder: Part | None = None


@dataclass(kw_only=True)
class Generator:
    """A loaded checkpoint, ready to be asked.

    ``compiled`` is whether its denoiser and ControlNets run by torch.compile (see `models.compiling`),
    ``prompts`` holds what the text encoders made of prompts, ``notes`` what had to be done to fit into memory, and
    ``limits`` by picture size how many fit at once and how (see `models.ladder`), ``ahead`` pictures that were made
    together with others and not yet asked for (see `models.asking`).
    """

    row: Checkpoint
    family: Family
    pipe: Any
    device: str
    fingerprint: str
    compiled: bool = False
    prompts: PromptCache = field(default_factory=PromptCache)
    notes: list[str] = field(default_factory=list)
    limits: dict[Size, tuple[int, int]] = field(default_factory=dict)
    ahead: dict[str, Image] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Family:
    """One architecture: what it can do, how it is loaded, how it is called.

    ``load`` takes the row, its parts on disk and the device, and gives the diffusers pipeline (or anything that is
    called with keyword arguments and answers with ``.images``, (N, H, W, 3) floats in [0, 1]). ``call`` turns requests
    of one shape into that pipeline's arguments, every value passed: the defaults of diffusers differ by pipeline.
    ``batch_of_controls`` says whether several requests may carry several controls each; ``own_controls`` are those
    that it reads without a ControlNet of the row's. ``image_prompt`` is whether an IP-Adapter of the row's can be read,
    ``image_prompt_with_controls`` whether beside ControlNets too,
    ``soft_edge`` whether requests may have ``strengths``, ``starts_from_picture`` whether a strength below 1 begins
    with the picture, ``compiles`` whether it has a network in this process that torch.compile could compile.
    """

    id: str
    multiple_of: int
    controls: frozenset[str]
    negative_prompt: bool
    load: Callable[[Checkpoint, Parts, str], Any]
    call: Callable[[Generator, tuple[Inpaint, ...]], dict[str, Any]]
    batch_of_controls: bool = False
    own_controls: frozenset[str] = frozenset()
    image_prompt: bool = False
    image_prompt_with_controls: bool = True
    soft_edge: bool = False
    starts_from_picture: bool = True
    compiles: bool = True
