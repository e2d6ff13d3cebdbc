"""Garments in a batch: painted anew only for what decides them, carried bit for bit, parked with a reason in words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from flows.finishing import finish_batch
from flows.items import process_chunk
from flows.outcome import ChunkOutcome
from flows.planning import plan_batch
from flows.way import ItemWay
from flows.workplace import locate_runs, open_files, open_workplace
from masks.review.desk import Desk
from masks.shelf import shelf_of
from pipeline.embedded.render import render_garment, worn_pair
from pipeline.errors import RecipeError
from pipeline.files.ledger import Record, Verdict
from pipeline.files.picture import decode_picture
from pipeline.files.provenance import read_provenance
from pipeline.files.recipe import Recipe, load_recipe
from pipeline.types import ItemState

EVERYTHING = {"subject", "figure", "paint", "compose", "export", "checks"}


@pytest.fixture
def worn(tmp_path: Path) -> Callable[..., Recipe]:
    """A recipe over one garment on a drawn headless mannequin, whose mask is given."""
    scene, _ = worn_pair(201, size=(320, 240))
    mask = np.logical_or.reduce([scene.masks[g.kind] for g in scene.spec.garments])
    for folder, array in (("photos", scene.image), ("masks", mask.astype(np.uint8) * 255)):
        (tmp_path / folder).mkdir()
        Pillow.fromarray(array).save(tmp_path / folder / "shirt.png")
    file = tmp_path / "worn.yaml"
    file.write_text(
        f"name: worn\nkind: garment\ncatalog: {{address: {tmp_path / 'photos'}}}\n"
        f"subject: {{finder: file, masks: {tmp_path / 'masks'}, phrases: [shirt]}}\n"
        "garment: {candidates: 1, rounds: 1}\nbackground: {prompt: white studio background}\n"
        "generate: {checkpoint: studio-renderer}\nupscale: {model: lanczos}\n"
        "export: {marketplace: plain, format: png}\n"
        f"batch: {{runs: {tmp_path / 'runs'}}}\n"
    )
    return lambda *overrides: load_recipe(str(file), overrides)


def keys_of(recipe: Recipe) -> dict[str, str]:
    plan = plan_batch(recipe)
    assert plan is not None
    work = open_workplace(plan.address)
    return ItemWay(work, next(work.ledger.records(work.id))).keys.named()


@pytest.mark.parametrize(
    ("override", "redone"),
    [
        ("upscale.lanczos_until=2", {"compose", "export", "checks"}),
        ("garment.person=a woman", EVERYTHING - {"subject", "figure"}),
        ("background.prompt=street", EVERYTHING - {"subject", "figure"}),
        ("garment.candidates=2", EVERYTHING - {"subject", "figure"}),
        ("garment.soft_edge=0", set()),
        ("batch.seed=7", EVERYTHING - {"subject", "figure"}),
        ("shadow.strength=0.1", set()),
        ("export.quality=90", {"export", "checks"}),
    ],
)
def test_only_what_decides_a_stage_makes_it_again(
    worn: Callable[..., Recipe], override: str, redone: set[str]
) -> None:  # fmt: skip
    before, after = keys_of(worn()), keys_of(worn(override))
    assert {stage for stage in before if before[stage] != after[stage]} == redone


def test_a_soft_edge_paints_anew(worn: Callable[..., Recipe]) -> None:
    steps = ("generate.checkpoint=inpaint-embedded", "generate.steps=12")
    before, after = keys_of(worn(*steps)), keys_of(worn(*steps, "garment.soft_edge=0.01"))
    assert {stage for stage in before if before[stage] != after[stage]} == EVERYTHING - {"subject", "figure"}


@pytest.mark.slow
def test_a_figure_is_repainted_with_a_soft_edge(worn: Callable[..., Recipe]) -> None:
    """A whole recipe on the small diffusion model; what it paints is parked, and what it may not touch is the same."""
    asked = ("generate.checkpoint=inpaint-embedded", "generate.steps=12", "garment.repaint=figure")
    pictures = []
    for override in ("garment.soft_edge=0", "garment.soft_edge=0.05"):
        recipe = worn(*asked, override)
        record, _ = ended(recipe)
        assert record.scores["core_difference"] == 0
        work = open_workplace(plan_batch(recipe).address)  # type: ignore[union-attr]
        composed = work.store.get(record.keys["compose"])
        assert composed is not None
        pictures.append(decode_picture(composed.read("image.png"), "composed").image.astype(int))
    hard, soft = pictures
    differs = np.abs(hard - soft).max(axis=2) > 0
    assert differs.any()
    assert not differs[:2].all(), "the far backdrop is kept"


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (("garment.soft_edge=0.01",), "studio-renderer: it repaints all or nothing, and garment.soft_edge is not read"),
        (("garment.soft_edge=0.01", "generate.checkpoint=inpaint-embedded"), "6 steps at strength 1 are fewer"),
        (("garment.soft_edge=0.2", "generate.checkpoint=inpaint-embedded"), "garment.soft_edge: 0.2 cannot be used"),
        (("garment.soft_edge=wide",), 'garment.soft_edge: "wide" cannot be used'),
    ],
)
def test_a_soft_edge_that_cannot_be_is_refused(
    worn: Callable[..., Recipe], overrides: tuple[str, ...], said: str
) -> None:  # fmt: skip
    with pytest.raises(RecipeError, match=said):
        worn(*overrides)


def ended(recipe: Recipe) -> tuple[Record, dict[str, int]]:
    plan = plan_batch(recipe)
    assert plan is not None
    did = process_chunk(plan.address, [("shirt", "main")])
    work = open_workplace(plan.address)
    return next(work.ledger.records(work.id)), dict(did.executed)


@pytest.mark.slow
def test_a_garment_is_carried_onto_a_person_and_the_file_says_so(worn: Callable[..., Recipe], tmp_path: Path) -> None:
    record, executed = ended(worn())
    assert record.state is ItemState.ACCEPTED, record.reason
    assert record.scores["core_difference"] == 0
    assert record.output is not None
    data = Path(record.output).read_bytes()
    result = decode_picture(data, "finished").image
    photo = np.asarray(Pillow.open(tmp_path / "photos" / "shirt.png").convert("RGB"))
    mask = np.asarray(Pillow.open(tmp_path / "masks" / "shirt.png")) > 0
    assert (result[mask] == photo[mask]).all(axis=1).mean() > 0.9
    assert (result[~mask] != photo[~mask]).any(axis=1).mean() > 0.8
    said = read_provenance(data)
    assert said is not None
    assert said.digital_source == "compositeWithTrainedAlgorithmicMedia"
    assert said.generated_person
    assert executed["paint"] == 1
    assert set(record.keys) >= EVERYTHING


@pytest.mark.slow
def test_what_a_buyer_would_reject_is_parked_with_its_reason(worn: Callable[..., Recipe]) -> None:
    """The small diffusion model at one of its fewest steps paints nobody."""
    record, _ = ended(worn("generate.checkpoint=inpaint-embedded", "generate.steps=4"))
    assert record.state is ItemState.PARKED
    assert record.output is None
    assert record.reason is not None
    assert any(word in record.reason for word in ("person", "face", "joints", "body")), record.reason


@pytest.mark.slow
def test_a_parked_picture_that_a_person_approves_is_published_as_it_is(worn: Callable[..., Recipe]) -> None:
    recipe = worn("generate.checkpoint=inpaint-embedded", "generate.steps=4")
    record, _ = ended(recipe)
    assert record.state is ItemState.PARKED
    runs, url = locate_runs(recipe)
    ledger, store = open_files(runs, url)
    desk = Desk(ledger, store, shelf_of(runs))
    sheet = desk.sheet(record.batch, record.sku, record.view)
    desk.judge(sheet, Verdict.APPROVED, base=sheet.base, by="anna")
    after, executed = ended(recipe)
    assert after.state is ItemState.ACCEPTED, after.reason
    assert after.keys["compose"] == record.keys["compose"], "the picture that was seen"
    assert set(executed) == {"export", "checks", "preview"}
    assert f"approved by anna as it is: {str(record.reason).split('; ')[0]}" in after.scores["notes"]
    plan = plan_batch(recipe)
    assert plan is not None
    assert plan.todo == 0, "then there is nothing to do"


@pytest.fixture
def person(tmp_path: Path) -> Callable[..., Recipe]:
    """A recipe that exchanges the top of a drawn person, whose mask is given."""
    _, scene = worn_pair(302, size=(640, 480))
    mask = scene.masks[scene.spec.garments[-1].kind]
    for folder, array in (("photos", scene.image), ("masks", mask.astype(np.uint8) * 255)):
        (tmp_path / folder).mkdir()
        Pillow.fromarray(array).save(tmp_path / folder / "shirt.png")
    file = tmp_path / "restyled.yaml"
    file.write_text(
        f"name: restyled\nkind: garment\ncatalog: {{address: {tmp_path / 'photos'}}}\n"
        f"subject: {{finder: file, masks: {tmp_path / 'masks'}, phrases: [top]}}\n"
        "garment: {mode: restyle, wearing: a coral sweater, candidates: 1, rounds: 1}\n"
        "generate: {checkpoint: studio-renderer}\nupscale: {model: lanczos}\n"
        "export: {marketplace: plain, format: png}\n"
        f"batch: {{runs: {tmp_path / 'runs'}}}\n"
    )
    return lambda *overrides: load_recipe(str(file), overrides)


@pytest.mark.slow
def test_a_restyled_garment_is_another_one_on_the_person_who_stays(
    person: Callable[..., Recipe], tmp_path: Path
) -> None:
    record, _ = ended(person())
    assert record.state is ItemState.ACCEPTED, record.reason
    assert record.output is not None
    data = Path(record.output).read_bytes()
    result = decode_picture(data, "finished").image.astype(int)
    photo = np.asarray(Pillow.open(tmp_path / "photos" / "shirt.png").convert("RGB")).astype(int)
    mask = np.asarray(Pillow.open(tmp_path / "masks" / "shirt.png")) > 0
    same = (result == photo).all(axis=2)
    assert same[:60].all()
    assert same[~mask].mean() > 0.85
    assert same[mask].mean() < 0.03
    said = read_provenance(data)
    assert said is not None
    assert not said.generated_person, "the person is the photo's"


def test_a_restyled_item_must_say_its_garment(person: Callable[..., Recipe]) -> None:
    record, executed = ended(person('garment.wearing=""'))
    assert record.state is ItemState.FAILED
    assert record.reason is not None
    assert "column wearing" in record.reason
    assert "paint" not in executed


def test_relaxing_the_mask_touches_restyled_garments_only(
    worn: Callable[..., Recipe], tmp_path: Path
) -> None:  # fmt: skip
    before, after = keys_of(worn()), keys_of(worn("subject.relax=0.03"))
    assert before == after
    before, after = keys_of(worn("garment.mode=restyle")), keys_of(worn("garment.mode=restyle", "subject.relax=0.03"))
    assert {stage for stage in before if before[stage] != after[stage]} == EVERYTHING - {"subject"}


@pytest.mark.slow
def test_a_flat_garment_is_laid_on_a_person(tmp_path: Path) -> None:
    scene = render_garment("t-shirt", 7, (640, 640))
    for folder, array in (("photos", scene.image), ("masks", (scene.alpha > 0.5).astype(np.uint8) * 255)):
        (tmp_path / folder).mkdir()
        Pillow.fromarray(array).save(tmp_path / folder / "shirt.png")
    file = tmp_path / "placed.yaml"
    file.write_text(
        f"name: placed\nkind: garment\ncatalog: {{address: {tmp_path / 'photos'}}}\n"
        f"subject: {{finder: file, masks: {tmp_path / 'masks'}, phrases: [t-shirt]}}\n"
        "garment: {mode: place, candidates: 1, rounds: 1}\nbackground: {prompt: grey studio background}\n"
        "generate: {checkpoint: studio-renderer}\nupscale: {model: lanczos}\n"
        "export: {marketplace: plain, format: png}\n"
        f"batch: {{runs: {tmp_path / 'runs'}}}\n"
    )
    record, _ = ended(load_recipe(str(file)))
    assert record.state is ItemState.ACCEPTED, record.reason
    assert record.scores["core_difference"] == 0
    assert record.scores["has_face"]
    assert record.output is not None
    said = read_provenance(Path(record.output).read_bytes())
    assert said is not None
    assert said.generated_person


def test_a_named_model_decides_words_and_seed_and_views_share_theirs(worn: Callable[..., Recipe]) -> None:
    def ways(*overrides: str) -> tuple[ItemWay, ItemWay]:
        plan = plan_batch(worn(*overrides))
        assert plan is not None
        work = open_workplace(plan.address)
        record = next(work.ledger.records(work.id))
        return ItemWay(work, record), ItemWay(work, replace(record, view="back"))

    front, back = ways()
    assert front.seed_of(1) == back.seed_of(1) != front.seed_of(0)
    cast, _ = ways("garment.mix={kofi: 1}")
    assert cast.recipe.garment.model == "kofi"
    assert cast.recipe.garment.person == "a man with dark brown skin and crop black hair"
    named, _ = ways("garment.model=kofi", "garment.group=elsewhere")
    assert named.seed_of(0) == cast.seed_of(0) != front.seed_of(0)
    assert named.keys.paint == cast.keys.paint, "how the model was chosen decides nothing"
    grouped, _ = ways("garment.group=elsewhere")
    assert grouped.seed_of(0) != front.seed_of(0)


def test_a_run_tells_the_shares_of_its_models(worn: Callable[..., Recipe]) -> None:
    plan = plan_batch(worn("garment.mix={kofi: 3, amara: 1}"))
    assert plan is not None
    process_chunk(plan.address, [("shirt", "main")])
    lines = finish_batch(plan.address, ChunkOutcome(), 1.0).lines
    assert "model kofi: 1 of 1 groups, 100% (asked 75%)" in lines
    assert "model amara: 0 of 1 groups, 0% (asked 25%)" in lines
