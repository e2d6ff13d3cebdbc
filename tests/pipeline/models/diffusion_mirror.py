"""A mirror of every row of Stable Diffusion 1, 2 and XL: tiny random checkpoints in the rows' true layouts."""

from __future__ import annotations

import shutil
from collections.abc import Collection
from pathlib import Path
from typing import Any

import yaml

from pipeline.models.checkpoints import Checkpoint, checkpoints
from tests import tiny_diffusion as tiny
from tests.original_names import write_single_file

FAMILIES = ("sd15", "sdxl")
SIDE = 64
FOLDERS: dict[str, dict[str, Any]] = {
    "sd15-inpainting": {"channels": 9},
    "sd15": {},
    "realistic-vision-v5.1": {},
    "tiny-sd": {"changes": tiny.TINY},
    "small-sd": {"changes": tiny.SMALL},
    "minisd-256": {},
    "sdxs-512-dreamshaper": {"changes": tiny.TINY, "tiny_vae": True},
    "sdxs-512-0.9": {"changes": tiny.TINY | {"cross_attention_dim": tiny.TEXT_2}, "tiny_vae": True, "wide_text": True},
    "sd-turbo": {"changes": tiny.TWO, "wide_text": True},
    "lcm-dreamshaper-v7": {"changes": tiny.LCM},
    "sdxl-inpainting": {"xl": True, "channels": 9},
    "sdxl-base": {"xl": True},
    "ssd-1b": {"xl": True, "changes": tiny.UNEVEN},
    "segmind-vega": {"xl": True, "changes": tiny.UNEVEN},
    "sdxl-turbo": {"xl": True},
}
"""Rows with a folder of their own, and how it differs from Stable Diffusion 1.5's."""
OWN_UNETS = {"lcm-lora-ssd-1b": "ssd-1b", "vegart-lora": "segmind-vega"}
DIFFUSERS_NAMES = ("tcd-", "vegart-")
"""LoRAs written in diffusers' names; the others are in kohya's."""


def rows_of_families() -> list[Checkpoint]:
    """The built-in rows that the mirror holds."""
    return [row for row in checkpoints().values() if row.family in FAMILIES and not row.address.startswith("package:")]


def generators() -> list[str]:
    """The ids of the generators among them."""
    return [row.id for row in rows_of_families() if row.role == "generator"]


def network_of(name: str, *, seed: int) -> Any:
    """A UNet of that folder's architecture."""
    said = FOLDERS[name]
    return tiny.unet(seed=seed, channels=4, **{**(tiny.XL if said.get("xl") else {}), **said.get("changes", {})})


def write_mirror(mirror: Path, *, only: Collection[str] = ()) -> Path:
    """Write all of it, or the rows named; each place is ``<mirror>/<owner>/<name>``, as a downloaded repository."""
    for seed, row in enumerate(rows_of_families(), start=10):
        place = mirror / row.address
        if only and row.id not in only:
            continue
        if row.id in FOLDERS:
            tiny.write_folder(place, **FOLDERS[row.id], variant=row.variant, pickle=row.pickle, seed=seed)
        elif row.role == "controlnet":
            base = "sdxl-base" if row.family == "sdxl" else "sd15"
            tiny.write_controlnet(place, network_of(base, seed=2), variant=row.variant, pickle=row.pickle)
        elif row.role == "lora":
            base = OWN_UNETS.get(row.id, "sdxl-base" if row.family == "sdxl" else "sd15")
            kohya = not row.id.startswith(DIFFUSERS_NAMES)
            tiny.write_lora(place / str(row.file), network_of(base, seed=2), kohya=kohya, seed=seed)
        elif row.role == "ip_adapter":
            base = "sdxl-base" if row.family == "sdxl" else "sd15"
            plus = "plus" in row.id
            tiny.write_ip_adapter(place / str(row.file), network_of(base, seed=2), plus=plus, seed=seed)
            tiny.write_image_encoder(place / "models" / "image_encoder")
        elif row.role == "unet":
            tiny.write_unet(place / str(row.file), network_of("sdxl-base", seed=seed))
        elif row.role == "vae":
            tiny.vae(tiny=True, seed=seed).half().save_pretrained(place)
    if not only or "sd15-single-file" in only:
        write_single(mirror)
    return mirror


def write_single(mirror: Path) -> None:
    """The single file of 1.5: other weights than the folder's, in the authors' names."""
    row = checkpoints()["sd15-single-file"]
    folder = tiny.write_folder(mirror / "unnamed", variant="fp16", seed=99)
    write_single_file(folder, mirror / row.address / str(row.file))
    shutil.rmtree(folder)


def write_rows(path: Path, **changes: dict[str, Any]) -> Path:
    """The generators' rows at a native size of 64 px, as a user's own file; ``changes`` are fields by id."""
    listed = []
    for name in generators():
        row = checkpoints()[name]
        fields = row.model_dump(mode="json", exclude_unset=True) | {"base": None, "sha256": {}}
        fields["sampling"] = {**fields["sampling"], "native_px": [SIDE, SIDE], "multiple_of": 8}
        listed.append({**fields, **changes.get(name, {})})
    for row in checkpoints().values():  # their files are not those of the built-in rows' digests
        if row.role in ("ip_adapter", "image_encoder"):
            listed.append(row.model_dump(mode="json", exclude_unset=True) | {"sha256": {}})
    path.write_text(yaml.safe_dump({"checkpoints": listed}), encoding="utf-8")
    return path
