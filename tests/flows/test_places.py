"""Generated places in a batch: drawn once, redrawn only for what decides them, marked in the finished file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from flows.items import process_chunk
from flows.planning import plan_batch
from flows.way import ItemWay
from flows.workplace import locate_runs, open_files, open_workplace
from pipeline.errors import RecipeError
from pipeline.files.ledger import Record
from pipeline.files.picture import decode_picture
from pipeline.files.provenance import read_provenance
from tests.flows.conftest import MakeRecipe

GENERATED = ("background.kind=generated", "background.prompt=marble background", "generate.steps=4", "catalog.limit=1")
EVERYTHING = {"subject", "place", "compose", "export", "checks"}


def keys_of(make_recipe: MakeRecipe, *overrides: str) -> dict[str, str]:
    plan = plan_batch(make_recipe(*GENERATED, *overrides))
    assert plan is not None
    work = open_workplace(plan.address)
    return ItemWay(work, next(work.ledger.records(work.id))).keys.named()


@pytest.mark.parametrize(
    ("override", "redone"),
    [
        ("shadow.strength=0.2", {"compose", "export", "checks"}),
        ("background.defocus=0.01", {"compose", "export", "checks"}),
        ("background.prompt=wooden background", EVERYTHING - {"subject"}),
        ("generate.steps=5", EVERYTHING - {"subject"}),
        ("generate.compile=false", set()),
        ("generate.compile=true", EVERYTHING - {"subject"}),
        ("batch.seed=7", EVERYTHING - {"subject"}),
        ("background.controls=[]", set()),
        ("background.controls=[canny]", EVERYTHING - {"subject"}),
        ("upscale.refine=0", set()),
        ("upscale.refine=0.3", {"compose", "export", "checks"}),
        ("upscale.refine_faces=0.3", set()),
        ("subject.phrases=[shoe]", EVERYTHING),
    ],
)
def test_a_place_is_drawn_again_for_what_decides_it_alone(
    make_recipe: MakeRecipe, override: str, redone: set[str]
) -> None:
    before, after = keys_of(make_recipe), keys_of(make_recipe, override)
    assert {stage for stage in before if before[stage] != after[stage]} == redone


def test_a_controls_reach_draws_the_place_again(make_recipe: MakeRecipe) -> None:
    before = keys_of(make_recipe, "background.controls=[canny]")
    after = keys_of(make_recipe, "background.controls=[{kind: canny, end: 0.8}]")
    assert {stage for stage in before if before[stage] != after[stage]} == EVERYTHING - {"subject"}
    drawn = ("background.kind=studio", "background.controls=[canny]")
    assert keys_of(make_recipe, *drawn) == keys_of(make_recipe, drawn[0]), "no place, no control"


@pytest.mark.slow
def test_a_place_is_drawn_around_the_products_edges(make_recipe: MakeRecipe) -> None:
    asked = ("export.format=png", "generate.checkpoint=inpaint-embedded")
    plates = []
    for override in ("background.controls=[]", "background.controls=[{kind: canny, scale: 1.5}]"):
        record, _ = finished(make_recipe, *asked, override)
        runs, url = locate_runs(make_recipe())
        place = open_files(runs, url)[1].get(record.keys["place"])
        assert place is not None
        plates.append(decode_picture(place.read("plate.png"), "plate").image.astype(int))
    assert np.abs(plates[0] - plates[1]).mean() > 1
    lines = decode_picture(place.read("control-canny.png"), "map").image
    assert lines.shape == plates[1].shape
    assert set(np.unique(lines)) == {0, 255}
    columns = np.nonzero(lines[..., 0])[1]
    assert columns.min() > 10, "of the product, not of the canvas"
    assert 0.01 < (lines > 0).mean() < 0.2


def test_a_row_that_asks_for_a_place_without_its_control_fails_with_a_reason(
    make_recipe: MakeRecipe, tmp_path: Path, photos: Path
) -> None:  # fmt: skip
    catalog = tmp_path / "rows.csv"
    catalog.write_text(f"sku,photo,background_kind,prompt\nshoe0,{photos / 'shoe0.png'},generated,a wall\n")
    recipe = make_recipe(f"catalog.address={catalog}", "background.controls=[depth]")
    plan = plan_batch(recipe)
    assert plan is not None
    assert process_chunk(plan.address, [("shoe0", "main")]).states == {"failed": 1}
    work = open_workplace(plan.address)
    reason = str(next(work.ledger.records(work.id)).reason)
    assert "shoe0/main: inpaint-embedded has no control depth: leave it out of background.controls" in reason


def test_a_refined_place_is_refined_again_for_what_decides_it_alone(make_recipe: MakeRecipe) -> None:
    before = keys_of(make_recipe, "upscale.refine=0.3")
    assert set(before) == {*EVERYTHING, "refine"}
    for override, redone in (
        ("shadow.strength=0.2", {"compose", "export", "checks"}),
        ("upscale.refine=0.4", {"refine", "compose", "export", "checks"}),
        ("background.prompt=wooden background", {*EVERYTHING, "refine"} - {"subject"}),
    ):
        after = keys_of(make_recipe, "upscale.refine=0.3", override)
        assert {stage for stage in before if before[stage] != after[stage]} == redone
    assert "refine" not in keys_of(make_recipe, "background.kind=solid", "upscale.refine=0.3")


def test_a_drawn_backdrop_has_no_place(make_recipe: MakeRecipe) -> None:
    assert "place" not in keys_of(make_recipe, "background.kind=solid")


def finished(make_recipe: MakeRecipe, *overrides: str) -> tuple[Record, bytes]:
    recipe = make_recipe(*GENERATED, *overrides)
    plan = plan_batch(recipe)
    assert plan is not None
    states = process_chunk(plan.address, [("shoe0", "main")]).states
    work = open_workplace(plan.address)
    record = next(work.ledger.records(work.id))
    assert states == {"accepted": 1}, record.reason
    assert record.output is not None
    return record, Path(record.output).read_bytes()


@pytest.mark.slow
def test_a_product_stands_in_a_generated_place_with_its_own_pixels(make_recipe: MakeRecipe, photos: Path) -> None:
    record, data = finished(make_recipe, "export.format=png")
    provenance = read_provenance(data)
    assert provenance is not None
    assert provenance.digital_source == "compositeWithTrainedAlgorithmicMedia"
    assert provenance.checkpoint == "inpaint-embedded"
    image = decode_picture(data, "finished").image
    assert image[:20].std() > 1, "the place is no plain colour"
    assert set(record.keys) >= EVERYTHING
    _, again = finished(make_recipe, "export.format=png", "shadow.kind=none")
    other = decode_picture(again, "finished").image
    assert np.array_equal(image[:20], other[:20]), "another shadow keeps the place"


@pytest.mark.slow
def test_a_place_is_refined_behind_a_product_that_stays(make_recipe: MakeRecipe) -> None:
    """Refined once, shown with two shadows; nothing of the product changes, and the record says what was done."""
    asked = ("export.format=png", "shadow.kind=none", "generate.checkpoint=inpaint-embedded")
    plain, data = finished(make_recipe, *asked)
    refined, better = finished(make_recipe, *asked, "upscale.refine=0.5")
    assert "refined_tiles" not in plain.scores
    assert refined.scores["refined_tiles"] >= 4, "256 px, in tiles of 112"
    first, second = (decode_picture(one, "finished").image for one in (data, better))
    differs = (first != second).any(axis=2)
    assert differs[:40].mean() > 0.1
    product = np.zeros_like(differs)
    product[100:150, 110:146] = True
    assert not differs[product].any()
    recipe = make_recipe(*GENERATED, *asked[:1], "upscale.refine=0.5", "shadow.strength=0.9")
    plan = plan_batch(recipe)
    assert plan is not None
    executed = process_chunk(plan.address, [("shoe0", "main")]).executed
    assert not {"place", "refine", "subject"} & set(executed)
    assert executed["compose"] == 1


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        ((*GENERATED, "upscale.refine=0.6"), "upscale.refine: 0.6 cannot be used here: write a number from 0 to 0.5"),
        (
            (*GENERATED, "upscale.refine=0.01"),
            "upscale.refine: 0.01 would change nothing that is seen",
        ),
        ((*GENERATED, "upscale.refine=yes"), "upscale.refine"),
        (
            (*GENERATED, "upscale.refine=0.3", "generate.checkpoint=studio-renderer", "generate.steps=1"),
            "studio-renderer: it draws every picture from nothing, so leave upscale.refine out",
        ),
        (
            (*GENERATED, "upscale.refine=0.3", "generate.checkpoint=hyper-sd15-4step"),
            r"hyper-sd15-4step: upscale.refine 0.3 of at most 4 steps is under the 4 that it needs: leave",
        ),
        ((*GENERATED, "background.controls=[pose]"), "a product has no pose; write canny, softedge, lineart or depth"),
        ((*GENERATED, "background.controls=[cany]"), r'"cany" is no kind of control.*Did you mean canny'),
        ((*GENERATED, "background.controls=canny"), "background.controls"),
        ((*GENERATED, "background.controls=[{kind: canny, scale: 9}]"), "control canny, scale: 9 cannot be used"),
        ((*GENERATED, "background.controls=[depth]"), "inpaint-embedded: no control depth; its row has canny, pose"),
        (("background.kind=generated",), "needs words for the place"),
        ((*GENERATED, "generate.steps=2"), "at least 4"),
        ((*GENERATED, "generate.guidance=9"), "guidance 9"),
        ((*GENERATED, "generate.negative_prompt=people", "generate.guidance=1"), "negative prompt is not read"),
        ((*GENERATED, "generate.checkpoint=inpaint-embeded"), "inpaint-embedded"),
    ],
)
def test_what_the_generator_cannot_do_is_told_before_anything_runs(
    make_recipe: MakeRecipe, overrides: tuple[str, ...], said: str
) -> None:
    with pytest.raises(RecipeError, match=said):
        make_recipe(*overrides)
