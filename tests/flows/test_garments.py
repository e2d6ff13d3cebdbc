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
from flows.modes import Judged
from flows.outcome import ChunkOutcome
from flows.planning import plan_batch
from flows.refining import Told, _faces_and_hands, refined_garment
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
from pipeline.garment import Plan
from pipeline.models.devices import loaded_models
from pipeline.models.generators import load_generator
from pipeline.types import ItemState
from tests.pipeline.passes.constant_gain import ConstantGain

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


def test_what_was_done_to_fit_into_memory_is_in_the_record(worn: Callable[..., Recipe]) -> None:
    loaded_models().clear()
    load_generator("studio-renderer", controls=("pose", "canny")).notes.append("made 2 at a time")
    plan = plan_batch(worn("garment.candidates=2"))
    assert plan is not None
    process_chunk(plan.address, [("shirt", "main")])
    work = open_workplace(plan.address)
    painted = work.store.get(next(work.ledger.records(work.id)).keys["paint"])
    assert painted is not None
    assert "made 2 at a time" in painted.meta["notes"]
    assert len(painted.meta["candidates"]) == 2
    loaded_models().clear()


@pytest.mark.parametrize(
    ("override", "redone"),
    [
        ("upscale.lanczos_until=2", {"compose", "export", "checks"}),
        ("garment.person=a woman", EVERYTHING - {"subject", "figure"}),
        ("background.prompt=street", EVERYTHING - {"subject", "figure"}),
        ("garment.candidates=2", EVERYTHING - {"subject", "figure"}),
        ("garment.soft_edge=0", set()),
        ("upscale.refine_hands=0", set()),
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


def test_a_compiled_network_paints_anew_and_a_plain_one_as_before(worn: Callable[..., Recipe]) -> None:
    small = "generate.checkpoint=inpaint-embedded"
    before, off, on = (
        keys_of(worn(small, *more)) for more in ((), ("generate.compile=false",), ("generate.compile=true",))
    )
    assert off == before
    assert {stage for stage in before if before[stage] != on[stage]} == EVERYTHING - {"subject", "figure"}


@pytest.mark.slow
def test_a_figure_is_repainted_with_a_soft_edge(worn: Callable[..., Recipe]) -> None:
    """A whole recipe on the small diffusion model; what it paints is parked, and what it may not touch is the same."""
    asked = ("generate.checkpoint=inpaint-embedded", "generate.steps=12", "garment.repaint=figure")
    pictures = []
    for override in ("garment.soft_edge=0", "garment.soft_edge=0.05"):
        record, picture = composed_of(worn(*asked, override))
        assert record.scores["core_difference"] == 0
        pictures.append(picture.astype(int))
    hard, soft = pictures
    differs = np.abs(hard - soft).max(axis=2) > 0
    assert differs.any()
    assert not differs[:2].all(), "the far backdrop is kept"


@pytest.mark.parametrize("field", ["refine", "refine_faces", "refine_hands"])
def test_refining_joins_anew_and_paints_nothing_again(worn: Callable[..., Recipe], field: str) -> None:
    before = keys_of(worn("generate.checkpoint=inpaint-embedded"))
    after = keys_of(worn("generate.checkpoint=inpaint-embedded", f"upscale.{field}=0.3"))
    assert {stage for stage in before if before[stage] != after[stage]} == {"compose", "export", "checks"}


def composed_of(recipe: Recipe) -> tuple[Record, np.ndarray]:
    """The ended item of a recipe, and its composed picture."""
    record, _ = ended(recipe)
    runs, url = locate_runs(recipe)
    composed = open_files(runs, url)[1].get(record.keys["compose"])
    assert composed is not None
    return record, decode_picture(composed.read("image.png"), "composed").image


@pytest.mark.slow
def test_a_garments_surroundings_are_refined_and_the_garment_is_not(
    worn: Callable[..., Recipe], tmp_path: Path
) -> None:  # fmt: skip
    asked = ("generate.checkpoint=inpaint-embedded", "garment.repaint=figure")
    plain, before = composed_of(worn(*asked))
    refined = worn(*asked, "upscale.refine=0.4", "upscale.refine_faces=0.4")
    record, after = composed_of(refined)
    assert record.scores["core_difference"] == 0
    assert record.scores["refined_tiles"] >= 2
    assert record.scores["refined_faces"] == 0
    assert "no face is seen where pixels are generated: none refined" in record.scores["notes"]
    assert "refined_tiles" not in plain.scores
    differs = (before != after).any(axis=2)
    assert differs.any()
    mask = np.asarray(Pillow.open(tmp_path / "masks" / "shirt.png")) > 0
    assert not differs[mask].any(), "the garment"
    assert differs.mean() < 0.6, "the backdrop that is kept"
    again = plan_batch(refined)
    assert again is None or again.todo == 0, "a second run does nothing"


@pytest.mark.slow
def test_a_face_is_drawn_anew_where_pixels_are_generated_alone(worn: Callable[..., Recipe]) -> None:
    """A drawn person whose face MediaPipe sees, and a generator whose answer is known."""
    _, scene = worn_pair(310, size=(640, 480))
    recipe = worn("generate.checkpoint=inpaint-embedded", "upscale.refine_faces=0.3", "garment.person=a woman")
    batch = plan_batch(recipe)
    assert batch is not None
    work = open_workplace(batch.address)
    way = ItemWay(work, next(work.ledger.records(work.id)))
    everywhere = np.ones(scene.image.shape[:2], np.bool_)
    plan = Plan(
        photo=scene.image, alpha=scene.alpha, foreground=scene.image, core=~everywhere, repaint=everywhere,
        joints=scene.keypoints, box=(0, 0, 480, 640),
    )  # fmt: skip
    double, told = ConstantGain(detail=2), Told()
    made = _faces_and_hands(way, double.generator, "canny", plan, scene.image, everywhere, told)
    assert told.measures == {"refined_faces": 1}
    (asked,) = double.asked
    assert asked.prompt == "the face of a woman"
    assert asked.strength == 0.3
    assert asked.executed_steps == 4, "as many as its checkpoint needs"
    differs = (made != scene.image).any(axis=2)
    rows, columns = np.nonzero(differs)
    head = scene.masks["hair"] | scene.masks["skin"]
    assert differs.any()
    assert head[differs].mean() > 0.6
    assert rows.max() < 0.4 * 640
    assert columns.max() - columns.min() < 0.4 * 480
    kept, said = ConstantGain(detail=2), Told()
    same = _faces_and_hands(way, kept.generator, "canny", plan, scene.image, ~everywhere, said)
    assert not kept.asked
    assert same is scene.image
    assert said.notes == ["no face is seen where pixels are generated: none refined"]


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (
            ("upscale.refine_faces=0.3",),
            "studio-renderer: it draws every picture from nothing, so leave upscale.refine_f",
        ),
        (
            ("upscale.refine_hands=0.9", "generate.checkpoint=inpaint-embedded"),
            "upscale.refine_hands: 0.9 cannot be used",
        ),
        (
            ("upscale.refine_hands=0.3", "generate.checkpoint=sd15-lcm"),
            "sd15-lcm: upscale.refine_hands 0.3 of at most 8",
        ),
        (("garment.soft_edge=0.01",), "studio-renderer: it repaints all or nothing, and garment.soft_edge is not read"),
        (("garment.soft_edge=0.01", "generate.checkpoint=inpaint-embedded"), "6 steps at strength 1 are fewer"),
        (("garment.soft_edge=0.2", "generate.checkpoint=inpaint-embedded"), "garment.soft_edge: 0.2 cannot be used"),
        (("garment.soft_edge=wide",), 'garment.soft_edge: "wide" cannot be used'),
        (("generate.compile=true",), "studio-renderer: it has no network here .*leave generate.compile out"),
        (("generate.compile=fast",), 'generate.compile: "fast" cannot be used'),
    ],
)
def test_what_the_generator_cannot_do_is_refused(
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


@pytest.mark.slow
def test_a_refined_picture_that_fails_what_the_other_passes_is_not_taken(worn: Callable[..., Recipe]) -> None:
    batch = plan_batch(worn("generate.checkpoint=inpaint-embedded", "upscale.refine=0.4"))
    assert batch is not None
    work = open_workplace(batch.address)
    way = ItemWay(work, next(work.ledger.records(work.id)))
    image = np.random.default_rng(1).integers(0, 256, (120, 100, 3), dtype=np.uint8)
    core = np.zeros((120, 100), np.bool_)
    core[50:70, 40:60] = True
    plan = Plan(
        photo=image, alpha=core.astype(np.float32), foreground=image, core=core, repaint=~core, joints=None,
        box=(0, 0, 100, 120),
    )  # fmt: skip
    passes = Judged(measures={}, problems=(), merit=1.0)
    kept, judged, told = refined_garment(way, plan, image, passes, grown=True)
    assert kept is image
    assert judged is passes
    assert len(told.notes) == 1
    assert told.notes[0].startswith("the refined picture was not taken: ")
    assert "no person can be seen in what was generated" in told.notes[0]
    fails = Judged(measures={}, problems=("no person can be seen in what was generated",), merit=0.0)
    taken, judged, told = refined_garment(way, plan, image, fails, grown=True)
    assert (taken != image).any()
    assert (taken[core] == image[core]).all()
    assert fails.problems[0] in judged.problems
    assert told.measures["refined_tiles"] >= 1
    small, _, told = refined_garment(way, plan, image, fails, grown=False)
    assert small is image
    assert told.notes == ["nothing was enlarged: not refined in tiles"]
