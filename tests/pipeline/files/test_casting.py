"""Named models and their shares over a catalog."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.embedded.wording import read_prompt
from pipeline.errors import RecipeError
from pipeline.files.casting import GROUP, MODEL, cast_models, cast_report
from pipeline.files.catalog import BadRow, read_catalog
from pipeline.files.models_library import EXTRA_MODELS, model_library, named_model
from pipeline.files.recipe import load_recipe
from pipeline.files.recipe_models import CatalogSection
from pipeline.types import Item

MIX = {"amara": 2.0, "kofi": 1.0, "jun": 1.0}


def item(sku: str, view: str = "main", **overrides: str) -> Item:
    return Item(sku=sku, view=view, address=f"{sku}.jpg", row=1, overrides=overrides)


def models(items: list[Item]) -> list[str]:
    return [str(one.overrides[MODEL]) for one in items]


@given(st.dictionaries(st.sampled_from("abcdef"), st.floats(0.1, 50), min_size=1), st.integers(1, 200))
def test_no_model_is_a_group_or_more_away_from_its_share(mix: dict[str, float], count: int) -> None:
    met = Counter(models(list(cast_models((item(f"sku{n}") for n in range(count)), mix))))
    for name, share in mix.items():
        assert abs(met[name] - count * share / sum(mix.values())) < max(1.0, len(mix) - 1)


def test_views_and_groups_share_a_model_wherever_they_stand() -> None:
    rows = [item("a"), item("b"), item("c", **{GROUP: "style"}), item("a", "back"), item("d", **{GROUP: "style"})]
    found = models(list(cast_models(rows, MIX)))
    assert found[0] == found[3]
    assert found[2] == found[4]
    assert len(set(found)) == 3


def test_rows_at_the_end_change_nothing_and_named_ones_are_kept_and_counted() -> None:
    rows = [item(f"sku{n}") for n in range(9)]
    first = models(list(cast_models(rows, MIX)))
    assert models(list(cast_models([*rows, item("new")], MIX)))[:9] == first
    asked = [item("x", **{MODEL: "jun"}), item("y", **{MODEL: "freja"}), *rows]
    found = models(list(cast_models(asked, MIX)))
    assert found[:2] == ["jun", "freja"]
    assert Counter(found[2:])["jun"] < Counter(first)["jun"] + 1
    assert list(cast_models(rows, {})) == rows


def test_the_report_counts_groups_and_not_pictures() -> None:
    records = [("a", {MODEL: "amara"}), ("a", {MODEL: "amara"}), ("b", {MODEL: "kofi"})]
    assert cast_report(records, {"amara": 3, "kofi": 1}) == [
        "model amara: 1 of 2 groups, 50% (asked 75%)", "model kofi: 1 of 2 groups, 50% (asked 25%)",
    ]  # fmt: skip


def test_the_studio_draws_every_named_model_as_its_words_say() -> None:
    for model in model_library().values():
        one, other = (read_prompt(f"{model.person} wearing a coat, white", seed).looks for seed in (1, 2))
        assert (one.skin == other.skin).all(), f"{model.id}: the studio does not know this skin"
        assert (one.hair_color == other.hair_color).all(), f"{model.id}: the studio does not know this hair"
        assert (one.hair, one.feminine) == (other.hair, other.feminine)


def test_names_are_checked_in_recipes_and_rows(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r'garment\.model.*there is no model "amarra".*Did you mean amara'):
        load_recipe("garment.yaml", ["garment.model=amarra"])
    with pytest.raises(RecipeError, match=r'there is no model "kofy"'):
        load_recipe("garment.yaml", ["garment.mix={kofy: 1}"])
    with pytest.raises(RecipeError, match=r"garment\.mix"):
        load_recipe("garment.yaml", ["garment.mix={kofi: -1}"])
    (tmp_path / "a.jpg").touch()
    (tmp_path / "c.csv").write_text("sku,photo,fashion_model\na,a.jpg,amarra\n")
    refused: list[BadRow] = []
    assert list(read_catalog(CatalogSection(address=str(tmp_path / "c.csv")), on_bad_row=refused.append)) == []
    assert refused[0].row == 2
    assert 'fashion_model: there is no model "amarra". Did you mean amara?' in refused[0].message


def test_a_studios_own_models_join_and_win(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = tmp_path / "models.yaml"
    own.write_text("models:\n  - {id: amara, person: our Amara, seed: 1, reference: looks/amara.jpg}\n")
    monkeypatch.setenv(EXTRA_MODELS, str(own))
    assert named_model("amara").person == "our Amara"
    assert named_model("kofi").seed == 15
    for text, said in (
        ("models: [{id: x}]", "row 1: person"), ("x: 1", "a list under the key"), ("models: [", "not YAML"),
        ("models: [{id: x, person: p, seed: 1}, {id: x, person: p, seed: 2}]", "used twice"),
    ):  # fmt: skip
        own.write_text(text)
        with pytest.raises(RecipeError, match=said):
            named_model("x")
    monkeypatch.setenv(EXTRA_MODELS, str(tmp_path / "none.yaml"))
    with pytest.raises(RecipeError, match="Cannot read the models"):
        model_library()
