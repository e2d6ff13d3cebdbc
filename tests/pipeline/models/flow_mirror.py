"""A mirror of every row of the rectified-flow families: tiny random checkpoints in the rows' true layouts."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from types import CodeType

import pytest
import torch
import yaml
from safetensors.torch import save_file

from pipeline.models.checkpoints import Checkpoint, checkpoints, read_rows
from tests.pipeline.models import tiny_flow as tiny
from tests.pipeline.models import tiny_gguf

FAMILIES = ("flux", "flux2-klein", "qwen-image", "sd3", "z-image", "lumina2", "omnigen")
SIDE = 64
QWEN_WIDE = tiny.QWEN_SIZES | {"attention_head_dim": 128, "num_layers": 1, "axes_dims_rope": (16, 56, 56)}
FOLDERS: dict[str, Callable[[Path], Path]] = {
    "flux1-schnell": lambda place: tiny.write_flux(place, guidance=False, sizes=tiny.BLOCK_SIZES),
    "flux1-dev": lambda place: tiny.write_flux(place, sizes=tiny.BLOCK_SIZES),
    "flux1-fill-dev": lambda place: tiny.write_flux(place, kind="FluxFillPipeline"),
    "flux1-kontext-dev": lambda place: tiny.write_flux(place, kind="FluxKontextPipeline"),
    "flux2-klein-4b": tiny.write_flux2_klein,
    "qwen-image": lambda place: tiny.write_qwen_image(place, sizes=QWEN_WIDE),
    "qwen-image-edit": lambda place: tiny.write_qwen_image(place, kind="QwenImageEditPipeline", sizes=QWEN_WIDE),
    "sd3-medium": lambda place: sharded_t5(tiny.write_sd3(place)),
    "z-image-turbo": tiny.write_z_image,
    "lumina2": tiny.write_lumina2,
    "omnigen-v1": tiny.write_omnigen,
    "controlnet-flux-union-pro-2": lambda place: tiny.write_flux_control(place, sizes=tiny.BLOCK_SIZES),
    "controlnet-qwen-image-union": lambda place: tiny.write_qwen_control(place, sizes=QWEN_WIDE),
    "controlnet-sd3-pose": tiny.write_sd3_control,
    "controlnet-sd3-canny": lambda place: tiny.write_sd3_control(place, seed=3),
}
"""Rows with a folder of their own."""
SAME_LAYOUT = {
    "sd3.5-medium": "sd3-medium", "sd3.5-large": "sd3-medium", "sd3.5-large-turbo": "sd3-medium",
    "z-image": "z-image-turbo",
}  # fmt: skip
"""Rows whose folder differs from another's by its weights alone."""
PLAIN = {"flux": "flux1-dev", "qwen-image": "qwen-image"}
"""The row that a family's LoRAs were made for."""


def rows_of_families() -> dict[str, Checkpoint]:
    """The built-in rows that the mirror holds."""
    text = resources.files("configs").joinpath("checkpoints.yaml").read_text(encoding="utf-8")
    return {name: row for name, row in read_rows(text, "built-in").items() if row.family in FAMILIES}


def generators() -> list[str]:
    """The ids of the generators among them."""
    return [row.id for row in rows_of_families().values() if row.role == "generator"]


def sharded_t5(folder: Path) -> Path:
    """The large text encoder in several files, as the makers ship it."""
    from transformers import T5EncoderModel

    place = folder / "text_encoder_3"
    whole = T5EncoderModel.from_pretrained(place)
    (place / "model.safetensors").unlink()
    whole.save_pretrained(place, max_shard_size="8KB")
    return folder


def write_mirror(mirror: Path) -> Path:
    """Write all of it; each place is ``<mirror>/<owner>/<name>``, as a downloaded repository."""
    rows = rows_of_families()
    for name, write in FOLDERS.items():
        write(mirror / rows[name].address)
    for name, like in SAME_LAYOUT.items():
        (mirror / rows[name].address).parent.mkdir(parents=True, exist_ok=True)
        (mirror / rows[name].address).symlink_to(mirror / rows[like].address)
    for seed, row in enumerate(rows.values()):
        if row.role == "transformer":
            write_transformer(mirror, row, rows[row.id.rpartition("-q")[0]])
        elif row.role == "lora":
            write_lora(mirror / row.address / str(row.file), mirror / rows[PLAIN[row.family]].address, row, seed)
        elif row.role == "ip_adapter":
            place, encoder = mirror / row.address / str(row.file), checkpoints()[row.needs["image_encoder"]].address
            if row.family == "flux":
                tiny.write_flux_ip_adapter(place, sizes=tiny.BLOCK_SIZES)
                tiny.write_clip(mirror / encoder)
            else:
                tiny.write_sd3_ip_adapter(place)
                tiny.write_siglip(mirror / encoder)
    return mirror


def write_transformer(mirror: Path, row: Checkpoint, whole: Checkpoint) -> None:
    """The folder's own transformer in GGUF, of the kind that the file's name says."""
    from safetensors.torch import load_file

    state = load_file(mirror / whole.address / "transformer" / "diffusion_pytorch_model.safetensors")
    kind = str(row.file).removesuffix(".gguf").rpartition("-")[2].removesuffix("_S").upper()
    if row.family == "flux":
        state = tiny_gguf.flux_original(state)
    if row.family == "lumina2":
        state = tiny_gguf.lumina_original(state)
    blocks = ("double_blocks.", "single_blocks.", "transformer_blocks.", "layers.")
    place = mirror / row.address / str(row.file)
    place.parent.mkdir(parents=True, exist_ok=True)
    tiny_gguf.write_gguf(place, state, kind=kind, blocks=blocks, architecture=row.family.replace("-", "_"))


def write_lora(place: Path, folder: Path, row: Checkpoint, seed: int) -> None:
    """A LoRA on the queries, in peft's names for Flux and with down, up and alpha for Qwen-Image."""
    random = torch.Generator().manual_seed(seed)
    config = json.loads((folder / "transformer" / "config.json").read_text(encoding="utf-8"))
    width, rank, layer = (
        config["attention_head_dim"] * config["num_attention_heads"],
        4,
        "transformer_blocks.0.attn.to_q",
    )
    down = torch.randn((rank, width), generator=random) * 0.2
    up = torch.randn((width, rank), generator=random) * 0.2
    place.parent.mkdir(parents=True, exist_ok=True)
    if row.family == "flux":
        save_file({f"transformer.{layer}.lora_A.weight": down, f"transformer.{layer}.lora_B.weight": up}, place)
    else:
        alpha = torch.tensor(float(rank))
        save_file({f"{layer}.lora_down.weight": down, f"{layer}.lora_up.weight": up, f"{layer}.alpha": alpha}, place)


def write_rows(path: Path) -> Path:
    """The generators' rows at a native size of 64 px, as a user's own file."""
    listed = []
    for name in generators():
        row = checkpoints()[name]
        fields = row.model_dump(mode="json", exclude_unset=True) | {"base": None, "revision": "main"}
        fields["sampling"] = {**fields["sampling"], "native_px": [SIDE, SIDE]}
        listed.append(fields)
    path.write_text(yaml.safe_dump({"checkpoints": listed}), encoding="utf-8")
    return path


def shrink_what_diffusers_fixes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Numbers that diffusers writes into code: widths for reading original names, and Edit's megapixel."""
    import diffusers.loaders.single_file_utils as single_file
    from diffusers.pipelines.qwenimage import pipeline_qwenimage_edit_inpaint as edit

    for converter, widths in (
        (single_file.convert_flux_transformer_checkpoint_to_diffusers, {3072: 256}),
        (single_file.convert_lumina2_to_diffusers, {2304: 32, 768: 32}),
    ):
        narrow = narrowed(converter.__code__, widths)
        assert narrow != converter.__code__
        monkeypatch.setattr(converter, "__code__", narrow)
    whole = edit.calculate_dimensions
    monkeypatch.setattr(edit, "calculate_dimensions", lambda area, ratio: whole(min(area, SIDE * SIDE), ratio))


def narrowed(code: CodeType, widths: dict[int, int]) -> CodeType:
    """The same code with other numbers in it and in the functions that it holds."""
    constants = tuple(
        narrowed(one, widths) if isinstance(one, CodeType) else widths.get(one, one) if type(one) is int else one
        for one in code.co_consts
    )
    return code.replace(co_consts=constants)


def remove(mirror: Path) -> None:
    """Give the disk back."""
    shutil.rmtree(mirror, ignore_errors=True)
