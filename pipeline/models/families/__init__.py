"""Families of image models, by id. A family is one file; its id occurs in code nowhere else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from pipeline.models.families import sd15, sdxl, studio
from pipeline.models.families.types import ControlMap, Family, Generator, Inpaint, Part, Parts

FAMILIES: Final[Mapping[str, Family]] = {family.id: family for family in (sd15.FAMILY, sdxl.FAMILY, studio.FAMILY)}

__all__ = ["FAMILIES", "ControlMap", "Family", "Generator", "Inpaint", "Part", "Parts"]
