"""Make docs/families.md: load every generator's row from tiny random weights in its true layout, and inpaint with it.

.venv/bin/python docs/make_families.py [MODULE ...]

With modules (MIRRORS, SERVER) only their rows are run, and the others keep the lines that an earlier run wrote.
Nothing in the table is written by hand: what did not run here is a dash.
"""

from __future__ import annotations

import importlib
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from pipeline.errors import SeamlineError
from pipeline.models.checkpoints import EXTRA_ROWS, Checkpoint, checkpoint, checkpoints
from pipeline.models.devices import loaded_models
from pipeline.models.families import ControlMap
from pipeline.models.generators import load_generator
from pipeline.models.weights import MIRROR
from pipeline.passes.inpaint import Wish, inpaint

BUILT_IN = dict(checkpoints())
TARGET = Path(__file__).parent / "families.md"
MIRRORS = ("tests.pipeline.models.diffusion_mirror", "tests.pipeline.models.flow_mirror")
SERVER = "tests.pipeline.models.comfy_server"
HEAD = """# Model families

Every generator of `configs/checkpoints.yaml`. Made by `docs/make_families.py`; a dash is what was not run there.

- **loads, runs**: tiny random weights in the row's own layout (folder, single file, LoRA, whole UNet, GGUF) were loaded
  and a whole inpaint pass was made with the row's scheduler, steps and guidance; pixels outside the mask stayed bit for
  bit. Rows marked `own` ran on their true weights, which come with Seamline, and `server` against the tests' ComfyUI
  server, which speaks its protocol and draws noise. It says that the row works, not how well the full-size weights
  draw.
- **controls**: kinds whose ControlNets were loaded and acted on that picture, all at once; a row that stands on another
  and has its ControlNets names that row.
- **s**: processor seconds of that tiny inpaint on the machine that made the table: they compare steps and passes of
  tiny networks, not the full-size models (`seamline checkpoints bench` times those that are on your machine).
- A row that is not for commercial use is refused unless the recipe says `accept_licence: [<id>]`.

| row | family | loads | runs | controls | steps | guidance | s | GB | year | licence | commercial |
|---|---|---|---|---|---|---|---|---|---|---|---|
"""


@dataclass(frozen=True, kw_only=True)
class Found:
    """What happened with one row."""

    loads: str = "–"
    runs: str = "–"
    controls: tuple[str, ...] = ()
    seconds: float | None = None


def photo(side: int = 96) -> tuple[Any, Any]:
    """A mosaic and a hole in it."""
    rng = np.random.default_rng(3)
    image = np.repeat(np.repeat(rng.integers(0, 256, (side // 8, side // 8, 3), dtype=np.uint8), 8, 0), 8, 1)
    repaint = np.zeros(image.shape[:2], np.bool_)
    repaint[side // 3 : 2 * side // 3, side // 4 : 3 * side // 4] = True
    return image, repaint


def painted(name: str, image: Any, repaint: Any, controls: tuple[str, ...]) -> tuple[Any, float]:
    """The repainted picture with those controls, and the processor seconds it took after loading."""
    generator = load_generator(name, controls=controls, device="cpu", accept_licence=accepted())
    rng = np.random.default_rng(5)
    maps = tuple(ControlMap(kind=kind, image=rng.integers(0, 256, image.shape, dtype=np.uint8)) for kind in controls)
    began = time.process_time()
    made = inpaint(generator, image, repaint, Wish(prompt="marble background", seed=1), controls=maps).image
    return made, time.process_time() - began


def accepted() -> list[str]:
    """Every id: this table only looks."""
    return list(checkpoints())


def run(row: Checkpoint, ok: str = "yes") -> Found:
    """Load a row and inpaint with it, without controls and then with all of them."""
    image, repaint = photo()
    loaded_models().clear()
    try:
        load_generator(row.id, device="cpu", accept_licence=accepted())
    except SeamlineError as error:
        print(f"{row.id}: {error}")
        return Found(loads="no")
    try:
        made, seconds = painted(row.id, image, repaint, ())
        kept = bool((made[~repaint] == image[~repaint]).all()) and bool((made[repaint] != image[repaint]).any())
        if not kept:
            return Found(loads=ok, runs="no")
        base = checkpoints().get(BUILT_IN[row.id].base or "")
        if base is not None and base.controlnets == row.controlnets and row.controlnets:
            return Found(loads=ok, runs=ok, controls=(f"as `{base.id}`",), seconds=seconds)
        kinds = tuple(row.controlnets)
        held = painted(row.id, image, repaint, kinds)[0] if kinds else made
    except SeamlineError as error:
        print(f"{row.id}: {error}")
        return Found(loads=ok, runs="no")
    return Found(loads=ok, runs=ok, controls=kinds if kinds and (held != made).any() else (), seconds=seconds)


def on_a_server(folder: Path) -> dict[str, Found]:
    """What happened with every row that asks a running ComfyUI, on the tests' server."""
    from tests.pipeline.models.comfy_server import serving

    results: dict[str, Found] = {}
    with serving() as server:
        for row in [one for one in BUILT_IN.values() if str(one.config).startswith("http")]:
            fields = row.model_dump(mode="json", exclude_unset=True) | {"config": server.url}
            fields["sampling"] = {**fields["sampling"], "native_px": [64, 64]}
            path = folder / "comfyui.yaml"
            path.write_text(yaml.safe_dump({"checkpoints": [fields]}), encoding="utf-8")
            os.environ[EXTRA_ROWS] = str(path)
            results[row.id] = run(checkpoint(row.id), "server")
            print(row.id, results[row.id], flush=True)
            del os.environ[EXTRA_ROWS]
    return results


def line(row: Checkpoint, found: Found) -> str:
    """One line of the table."""
    sampling = row.sampling
    low, high = sampling.guidance_range if sampling else (0.0, 0.0)
    guidance = f"{sampling.guidance:g} ({low:g} to {high:g})" if sampling else "–"
    cells = [
        f"`{row.id}`", row.family, found.loads, found.runs, ", ".join(found.controls) or "–",
        str(sampling.steps) if sampling else "–", guidance,
        f"{found.seconds:.2g}" if found.seconds is not None else "–", f"{row.size_gb:g}", str(row.year), row.licence,
        "yes" if row.commercial else "**no**",
    ]  # fmt: skip
    return "| " + " | ".join(cells) + " |"


def from_mirrors(folder: Path, modules: Sequence[str]) -> dict[str, Found]:
    """What happened with every row that these mirrors of tiny weights hold."""
    results: dict[str, Found] = {}
    for name in modules:
        mirror = importlib.import_module(name)
        if hasattr(mirror, "shrink_what_diffusers_fixes"):  # widths that diffusers has in its code, not in configs
            mirror.shrink_what_diffusers_fixes(pytest.MonkeyPatch())
        place = mirror.write_mirror(folder / name.rpartition(".")[2])
        os.environ[MIRROR] = str(place)
        os.environ[EXTRA_ROWS] = str(mirror.write_rows(folder / f"{place.name}.yaml"))
        for one in mirror.generators():
            results[one] = run(checkpoint(one))
            print(one, results[one], flush=True)
        del os.environ[MIRROR], os.environ[EXTRA_ROWS]
    return results


def earlier() -> dict[str, str]:
    """The lines of the table that is there, by row."""
    if not TARGET.is_file():
        return {}
    lines = [text for text in TARGET.read_text(encoding="utf-8").splitlines() if text.startswith("| `")]
    return {text.split("`")[1]: text for text in lines}


def main() -> None:
    """Run everything, or what the modules of the command line hold, and write the table."""
    torch.set_num_threads(1)
    asked = tuple(sys.argv[1:])
    rows = [row for row in checkpoints().values() if row.role == "generator"]
    with tempfile.TemporaryDirectory() as folder:
        results = from_mirrors(Path(folder), [one for one in asked or MIRRORS if one != SERVER])
        if not asked or SERVER in asked:
            results |= on_a_server(Path(folder))
    for row in rows if not asked else ():
        if row.id not in results and row.address.startswith("package:pipeline.embedded"):
            results[row.id] = run(row, "own")
    kept = earlier() if asked else {}
    lines = [
        kept[row.id] if row.id in kept and row.id not in results else line(row, results.get(row.id, Found()))
        for row in rows
    ]
    TARGET.write_text(HEAD + "\n".join(lines) + "\n", encoding="utf-8")
    print(f"wrote {TARGET}")


if __name__ == "__main__":
    main()
