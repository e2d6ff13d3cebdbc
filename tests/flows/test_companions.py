"""A look of several photos in a batch: each garment found and kept, and all that decides the picture in its record."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from flows.items import process_chunk
from flows.planning import plan_batch
from flows.replay import replay
from flows.way import ItemWay
from flows.workplace import BatchAddress, open_workplace
from pipeline.embedded.cloth import GarmentSpec
from pipeline.embedded.palette import DYES, rgb
from pipeline.embedded.render import render
from pipeline.embedded.scene import SceneSpec
from pipeline.errors import ItemError, RecipeError
from pipeline.files.codec import decode_alpha, decode_image
from pipeline.files.ledger import Record
from pipeline.files.recipe import Recipe, load_recipe
from pipeline.types import ItemState

MakeLook = Callable[..., Recipe]


def draw(folder: Path, name: str, kind: str, color: str, *, seed: int = 4) -> None:
    """A flat garment as ``photos/NAME.png``, and its mask as ``masks/NAME.png``."""
    garment = GarmentSpec(kind=kind, color_name=color, color=rgb(DYES[color]), sleeve=0.3 if kind == "t-shirt" else 0.0)
    spec = SceneSpec(kind="flat", backdrop="white", pose_seed=seed, garments=(garment,))
    scene = render(seed, size=(400, 400), spec=spec)
    for place, array in (("photos", scene.image), ("masks", (scene.alpha > 0.5).astype(np.uint8) * 255)):
        (folder / place).mkdir(exist_ok=True)
        Pillow.fromarray(array).save(folder / place / f"{name}.png")


@pytest.fixture
def look(tmp_path: Path) -> MakeLook:
    """A recipe over a t-shirt that is worn with trousers, both lying flat."""
    draw(tmp_path, "tee", "t-shirt", "coral")
    draw(tmp_path, "navy", "trousers", "navy")
    (tmp_path / "look.csv").write_text("sku,photo,worn_with\ntee,photos/tee.png,trousers=photos/navy.png\n")
    file = tmp_path / "look.yaml"
    file.write_text(
        f"name: look\nkind: garment\ncatalog: {{address: {tmp_path / 'look.csv'}}}\n"
        f"subject: {{finder: file, masks: {tmp_path / 'masks'}, phrases: [t-shirt]}}\n"
        "garment: {mode: place, candidates: 1, rounds: 1}\nbackground: {prompt: white studio background}\n"
        "generate: {checkpoint: studio-renderer}\nupscale: {model: lanczos}\n"
        "export: {marketplace: plain, format: png}\n"
        f"batch: {{runs: {tmp_path / 'runs'}}}\n"
    )
    return lambda *overrides: load_recipe(str(file), overrides)


def ended(recipe: Recipe) -> tuple[BatchAddress, Record, dict[str, int]]:
    plan = plan_batch(recipe)
    assert plan is not None
    did = process_chunk(plan.address, [("tee", "main")])
    work = open_workplace(plan.address)
    return plan.address, work.ledger.record(work.id, "tee", "main"), dict(did.executed)


def test_both_garments_are_carried_and_the_record_says_of_which_photos(look: MakeLook, tmp_path: Path) -> None:
    address, record, executed = ended(look())
    assert record.state is ItemState.ACCEPTED, record.reason
    assert executed["subject"] == 2
    assert record.scores["core_difference"] == 0
    assert [*record.scores["worn_with"]] == [str(tmp_path / "photos" / "navy.png")]
    assert "from below: trousers, t-shirt" in " ".join(record.scores["notes"])
    work = open_workplace(address)
    figure, composed = (work.store.get(record.keys[stage]) for stage in ("figure", "compose"))
    assert figure is not None
    assert composed is not None
    alpha, placed = decode_alpha(figure.read("alpha.png")), decode_image(figure.read("placed.png"))
    made = decode_image(composed.read("image.png"))
    inside = alpha >= 1
    rows = np.flatnonzero(inside.any(axis=1))
    legs = np.zeros_like(inside)
    legs[round(0.3 * rows[0] + 0.7 * rows[-1]) :] = True
    for garment in (inside & legs, inside & ~legs):
        same = (made[garment] == placed[garment]).all(axis=1)
        assert same.mean() > 0.98, "but for the core's rim"
    again = plan_batch(look())
    assert again is None or again.todo == 0, "a second run does nothing"


def test_the_contact_sheet_shows_what_is_worn_with_it(look: MakeLook) -> None:
    address, record, _ = ended(look())
    preview = open_workplace(address).store.get(record.keys["preview"])
    assert preview is not None
    assert {"worn-with.jpg", "placed.jpg"} <= set(preview.names)


def test_another_photo_of_the_trousers_makes_the_look_anew(look: MakeLook, tmp_path: Path) -> None:
    address, _, _ = ended(look())
    made = replay(address, "tee")
    assert (made.largest, made.same_bytes, made.changes) == (0, True, ())
    draw(tmp_path, "navy", "trousers", "charcoal", seed=5)
    with pytest.raises(ItemError, match=r"navy\.png is another photo"):
        replay(address, "tee")
    _, record, executed = ended(look())
    assert record.state is ItemState.ACCEPTED, record.reason
    assert executed["subject"] == 1, "the t-shirt's mask is still right"
    assert executed["figure"] == 1


def test_other_words_of_a_garment_lay_it_anew_and_find_nothing_again(look: MakeLook, tmp_path: Path) -> None:
    def keys() -> dict[str, str]:
        plan = plan_batch(look())
        assert plan is not None
        work = open_workplace(plan.address)
        return ItemWay(work, next(work.ledger.records(work.id))).keys.named()

    before = keys()
    (tmp_path / "look.csv").write_text("sku,photo,worn_with\ntee,photos/tee.png,high-rise trousers=photos/navy.png\n")
    after = keys()
    assert {stage for stage in before if before[stage] != after[stage]} == set(before) - {"subject"}


def test_an_unsure_mask_of_the_trousers_parks_the_look(look: MakeLook, tmp_path: Path) -> None:
    sure = "subject.finder=auto", "subject.park_below=0.999"
    (tmp_path / "masks" / "navy.png").unlink()
    _, record, _ = ended(look(*sure))
    assert record.state is ItemState.PARKED
    assert record.reason is not None
    assert record.reason.startswith(f"{tmp_path / 'photos' / 'navy.png'}: mask confidence")
    assert "paint" not in record.keys


def test_looks_are_for_place_and_of_photos_that_are_there(look: MakeLook, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"garment\.worn_with: only mode place"):
        look("garment.mode=keep", f"garment.worn_with=[trousers={tmp_path / 'photos' / 'navy.png'}]")
    with pytest.raises(RecipeError, match=r"there is no file none\.png"):
        look("garment.worn_with=[trousers=none.png]")
    with pytest.raises(RecipeError, match="does not say what it shows: write trousers="):
        look("garment.worn_with=[navy.png]")
