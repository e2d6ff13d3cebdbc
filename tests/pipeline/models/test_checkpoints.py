"""Rows: read, found by id, refused by name; the licence gate."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from masks import detect, segment
from pipeline.errors import LicenceRefused, RecipeError
from pipeline.models.checkpoints import check_licence, checkpoint, checkpoints, read_rows
from pipeline.models.families import FAMILIES
from pipeline.models.generators import refuse_unfit, sampling_of
from pipeline.models.weights import IN_PACKAGE

ROW = """
checkpoints:
  - {id: own-sam, role: segmenter, family: segment-anything, address: ./sam.pth, config: vit_b,
     size_gb: 0.4, year: 2026, licence: own, commercial: true}
"""


@pytest.fixture(autouse=True)
def no_extra_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SEAMLINE_CHECKPOINTS", raising=False)


def test_every_built_in_row_names_a_family_that_exists() -> None:
    families = {"detector": detect.FAMILIES, "segmenter": segment.FAMILIES}
    for row in checkpoints().values():
        if row.role in families:
            assert row.family in families[row.role], row.id


def test_every_built_in_row_is_pinned_or_says_in_its_notes_that_it_is_not() -> None:
    for row in checkpoints().values():
        if row.base or row.address.startswith(IN_PACKAGE):  # as its base, or comes with the commit
            continue
        pinned = bool(row.sha256) or re.fullmatch(r"[0-9a-f]{40}", row.revision) is not None
        assert pinned != ("not pinned" in row.notes.lower()), row.id


def test_every_built_in_pickle_says_so_and_is_bound_to_its_bytes() -> None:
    for row in checkpoints().values():
        files = [str(row.file)] if row.file else list(row.patterns)
        is_pickle = any(name.endswith((".pth", ".bin", ".pt", ".ckpt")) for name in files)
        assert row.pickle == is_pickle, row.id
        if row.pickle:  # a digest of the one file, or the commit of the folder
            bound = Path(str(row.file)).name in row.sha256 if row.file else re.fullmatch(r"[0-9a-f]{40}", row.revision)
            assert bound, row.id


def test_every_built_in_generator_has_a_family_and_takes_its_own_numbers() -> None:
    for row in checkpoints().values():
        if row.role == "generator":
            sampling = sampling_of(row)
            assert row.family in FAMILIES, row.id
            refuse_unfit(row, steps=sampling.steps, guidance=sampling.guidance, controls=list(row.controlnets))


def test_a_row_made_of_research_weights_is_for_research_alone() -> None:
    made = [row for row in checkpoints().values() if row.loras or row.needs]
    assert made
    for row in made:
        parts = [checkpoints()[use.id] for use in row.loras] + [checkpoints()[name] for name in row.needs.values()]
        assert not row.commercial or all(part.commercial for part in parts), row.id


def test_what_a_built_in_row_needs_is_a_row_too() -> None:
    for row in checkpoints().values():
        for needed in row.needs.values():
            assert needed in checkpoints()


def test_unknown_id_names_the_nearest_of_the_role() -> None:
    with pytest.raises(RecipeError, match="did you mean sam-vit-b"):
        checkpoint("sam-vitb", role="segmenter")


def test_id_of_another_role_is_refused() -> None:
    with pytest.raises(RecipeError, match="is a segmenter, and a detector is asked for"):
        checkpoint("sam-vit-b", role="detector")


def test_a_users_file_adds_and_replaces_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(ROW + ROW.replace("checkpoints:", "").replace("own-sam", "sam-vit-b"), encoding="utf-8")
    monkeypatch.setenv("SEAMLINE_CHECKPOINTS", str(path))
    assert checkpoint("own-sam").address == "./sam.pth"
    assert checkpoint("sam-vit-b").licence == "own"
    assert "sam-vit-h" in checkpoints()


def test_a_missing_users_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"nowhere\.yaml"):
        checkpoints(extra=tmp_path / "nowhere.yaml")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("checkpoints: [{id: a]", "is not YAML"),
        ("[]", "expected a list under the key 'checkpoints'"),
        (ROW.replace("year: 2026", "yaer: 2026"), r"row 1 \(own-sam\).*yaer"),
        (ROW.replace("commercial: true", "commercial: perhaps"), "commercial"),
        (ROW.replace("size_gb: 0.4", "size_gb: -1"), "size_gb"),
        (ROW + ROW.replace("checkpoints:", ""), "used twice"),
    ],
)
def test_wrong_rows_are_refused_by_name(text: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        read_rows(text, "own.yaml")


BASE = """
checkpoints:
  - {id: lora, role: lora, family: f, address: own/lora, file: a.safetensors, size_gb: 0.5, year: 2025,
     licence: MIT, commercial: true}
  - {id: research, role: lora, family: f, address: own/other, file: a.safetensors, size_gb: 0.25, year: 2024,
     licence: CC-BY-NC-4.0, commercial: false}
  - {id: base, role: generator, family: f, address: own/base, variant: fp16, dtype: float16, size_gb: 2, year: 2022,
     licence: RAIL, commercial: true, controlnets: {pose: net}, sampling: {native_px: [768, 512], multiple_of: 32,
     steps: 20, guidance: 7, scheduler: DDIMScheduler}}
"""
FAST = """
  - {id: fast, base: base, role: generator, family: f, loras: [{id: lora, weight: 0.8}],
     sampling: {steps: 4, guidance: 1}}
"""


def test_a_row_stands_on_another_and_adds_up_its_parts() -> None:
    fast = read_rows(BASE + FAST, "own.yaml")["fast"]
    assert (fast.address, fast.variant, fast.dtype, fast.controlnets) == (
        "own/base",
        "fp16",
        "float16",
        {"pose": "net"},
    )
    assert (fast.size_gb, fast.year, fast.licence, fast.commercial) == (2.5, 2025, "RAIL + MIT", True)
    assert fast.sampling is not None
    assert (fast.sampling.native_px, fast.sampling.multiple_of, fast.sampling.steps) == ((768, 512), 32, 4)
    assert fast.sampling.scheduler is None  # the base's solver is not a distillation's
    assert fast.loras[0].weight == 0.8


def test_a_row_on_a_row_wears_the_loras_of_both() -> None:
    more = "  - {id: more, base: fast, role: generator, family: f, loras: [{id: research, weight: -0.5}]}"
    row = read_rows(f"{BASE}{FAST}\n{more}", "own.yaml")["more"]
    assert [(use.id, use.weight) for use in row.loras] == [("lora", 0.8), ("research", -0.5)]
    assert not row.commercial
    with pytest.raises(RecipeError, match="part research forbids commercial use"):
        read_rows(f"{BASE}{FAST}\n{more.replace('family: f', 'family: f, commercial: true')}", "own.yaml")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("base: base", "base: bse"), r"row 4 \(fast\): no checkpoint 'bse' above this row"),
        (("id: lora, weight", "id: lorra, weight"), "no checkpoint 'lorra' above this row"),
        (("weight: 0.8", "weight: 9"), r"loras\.0\.weight"),
        (("steps: 4", "steps: 4, min_steps: 5"), "steps 4 are not between min_steps and max_steps"),
        (("steps: 4", "steps: 4, max_steps: 3"), "steps 4 are not between"),
        (("guidance: 1", "guidance: 1, guidance_range: [2, 3]"), "guidance 1 is outside guidance_range"),
        (("steps: 4", "steps: 4, timesteps: [999, 499]"), "2 timesteps for 4 steps"),
    ],
)
def test_wrong_parts_are_refused_by_name(change: tuple[str, str], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        read_rows(BASE + FAST.replace(*change), "own.yaml")


def test_non_commercial_weights_are_refused_until_the_recipe_accepts_them() -> None:
    row = next(iter(read_rows(ROW.replace("commercial: true", "commercial: false"), "own.yaml").values()))
    with pytest.raises(LicenceRefused, match="accept_licence: own-sam"):
        check_licence(row)
    with pytest.raises(LicenceRefused):
        check_licence(row, ["another"])
    check_licence(row, ["own-sam"])
