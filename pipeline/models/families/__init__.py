"""Families of image models, by id. A family is one file; its id occurs in code nowhere else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from pipeline.models.families import (
    comfyui,
    flux,
    flux2_klein,
    lumina2,
    omnigen,
    qwen_image,
    sd3,
    sd15,
    sdxl,
    studio,
    z_image,
)
from pipeline.models.families.types import ControlMap, Family, Generator, Inpaint, Part, Parts

_MODULES = (sd15, sdxl, sd3, flux, flux2_klein, qwen_image, z_image, lumina2, omnigen, comfyui, studio)
FAMILIES: Final[Mapping[str, Family]] = {module.FAMILY.id: module.FAMILY for module in _MODULES}

__all__ = ["FAMILIES", "ControlMap", "Family", "Generator", "Inpaint", "Part", "Parts"]
