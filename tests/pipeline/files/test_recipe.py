import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from yaml import safe_load

from pipeline.errors import ItemError, RecipeError
from pipeline.files.recipe import (
    ROW_FIELDS,
    Recipe,
    load_recipe,
    read_recipe,
    recipe_digest,
    recipe_names,
    recipe_schema,
    resolve_config,
)
from pipeline.files.recipe_models import CatalogSection, ColumnField
from pipeline.types import Item

SHIPPED = ["background.yaml", "garment.yaml", "nightly.yaml", "packshot.yaml"]


def outcome(text: str) -> str:
    try:
        return f"x.yaml is the recipe {read_recipe(text, 'x.yaml').name}"
    except RecipeError as error:
        return str(error)


def refusal(text: str, *overrides: str) -> str:
    with pytest.raises(RecipeError) as caught:
        read_recipe(text, "x.yaml", overrides)
    return str(caught.value)


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_recipes_load_and_obey_the_schema(name: str) -> None:
    recipe = load_recipe(name)
    assert recipe.name == name.removesuffix(".yaml")
    text = resolve_config(name).read_text(encoding="utf-8")
    assert text.splitlines()[0] == "# yaml-language-server: $schema=./recipe.schema.json"
    Draft202012Validator(recipe_schema()).validate(safe_load(text))


def test_shipped_recipes_say_what_they_promise() -> None:
    packshot, background, nightly = load_recipe("packshot"), load_recipe("background"), load_recipe("nightly")
    assert (packshot.background.kind, packshot.background.color) == ("solid", "#ffffff")
    assert (packshot.shadow.kind, packshot.export.marketplace) == ("contact", "amazon")
    assert (background.background.kind, background.export.marketplace) == ("studio", "shopify")
    assert background.catalog == packshot.catalog
    assert nightly.batch.only_new
    assert nightly.schedule is not None
    assert (nightly.schedule.cron, nightly.schedule.timezone) == ("0 2 * * *", "Europe/Paris")


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("name: Bad Name", 1, 'name: "Bad Name" cannot be used here: write text such as "spring-packshots"'),
        ("catalog:\n  limit: 3", 1, "name: is missing: write name: spring-packshots"),
        ("name: a\nkind: garmet", 2, "kind: "),
        ("name: a\nsubject:\n  finder: bakdrop", 3, "Did you mean backdrop?"),
        ("name: a\nsubject:\n  fnider: auto", 3, "subject.fnider: no such field. Did you mean finder?"),
        ("name: a\nmarketplace: amazon", 2, "no such field here: write it under export."),
        ("name: a\nsubject:\n  phrases: shoe", 3, "write [shoe]"),
        ("name: a\nsubject:\n  phrases:\n  - shoe\n  - 3", 5, "subject.phrases.1: 3 cannot be an entry"),
        ("name: a\nsubject: {detector: grounding-dino-tini}", 2, "Did you mean grounding-dino-tiny?"),
        ("name: a\nsubject: {segmenter: grounding-dino-tiny}", 2, "The segmenters of configs/checkpoints.yaml: "),
        ("name: a\nsubject: {box_threshold: high}", 2, "write auto, or a number from 0.01 to 0.99."),
        ("name: a\nsubject: {box_threshold: 2}", 2, "write auto, or a number from 0.01 to 0.99."),
        ("name: a\nexport:\n\n  quality: 500", 4, "export.quality: 500 cannot be used here: write a whole number from"),
        ("name: a\nexport:\n  format: no", 3, "YAML reads this word as false: put it in quotes"),
        ("name: a\nbatch: {seed: yes}", 2, "batch.seed: true cannot be used here"),
        ("name: a\nbatch: {max_failed: .nan}", 2, "a number from 0 to 1"),
        ("name: a\nbackground:\n  color: #ffffff", 3, 'put the value in quotes, "#ffffff"'),
        ("name: a\nbackground:\n  color: white", 3, 'write text such as "#ffffff"'),
        ("name: a\nbackground:\n  kind: picture", 2, "write picture: path/to/backdrop.jpg"),
        ("name: a\nbackground: {kind: picture, picture: nope.jpg}", 2, "there is no file nope.jpg"),
        ("name: a\nsubject:\n  finder: file", 2, "write masks: path/to/masks"),
        ("name: a\nsubject: {finder: file, masks: nope}", 2, "there is no folder nope"),
        ("name: a\nshadow:", 2, "has nothing under it: write one of its fields (kind, strength, softness, hangs)"),
        ("name: a\nshadow: none", 2, '"none" cannot stand here: write fields under it'),
        ("name: a\ncatalog:\n  columns:\n    skuu: article", 4, "Did you mean sku?"),
        ("name: a\ncatalog:\n  columns:\n    sku: 3", 4, "write text"),
        ("name: a\ncatalog: {address: 's4://a/b'}", 2, '"s4://" is not a kind of address'),
        ("name: a\ncatalog: {address: '${HOME}/b'}", 2, "environment variables are not expanded"),
        ("name: a\nschedule: {cron: 0 25 * * *}", 2, "Bad hour"),
        ("name: a\nschedule: {cron: '@daily'}", 2, "write five fields"),
        ("name: a\nschedule: {cron: 0 2 31 2 *}", 2, "is not a cron expression"),
        ("name: a\nschedule: {timezone: Europe/Pari}", 2, "Did you mean Europe/Paris?"),
        ("name: a\nschedule: {timezone: ../etc}", 2, "is not an IANA time zone"),
        ("name: a\nupscale: {model: net.onnx}", 2, "weights/4x.safetensors"),
        ("name: a\nexport: {marketplace: amazone}", 2, 'there is no "amazone". Did you mean amazon?'),
        ("name: a\nname: b", 2, "name: stands twice, first on line 1"),
        ("name: a\nexport:\n\tquality: 90", 3, "indent with spaces"),
        ("name: a\nkind: [background", 2, "not YAML"),
        ("name: a: b", 1, "in quotes"),
        ("name: a\n---\nname: b", 2, "one document"),
        ("name: a\nschedule:\n  cron: * 2 * * *", 3, "put the value in quotes"),
        ("name: a\n1: b", 2, "field names are words"),
        ("name: a\ncatalog: &c {columns: *c}", 2, "contains itself"),
        ("name: a\ncatalog: !!python/object:os.system {}", 2, "not YAML"),
        ("name: a\nkind: b\x00", 2, "a character that YAML does not allow"),
        ("", 1, "the file is empty"),
        ("- a", 1, "made of fields"),
    ],
)
def test_mistakes_are_named_by_line_and_field_with_what_to_write(text: str, line: int, said: str) -> None:
    message = refusal(text)
    assert f"x.yaml:{line}  " in message
    assert said in message


def test_all_mistakes_of_a_file_are_listed_at_once_in_its_order() -> None:
    message = refusal(
        "name: a\nexport: {quality: 7}\nexprot: {}\nsubject:\n  finder: file\n  finder: file\nshadow: {kind: cats}",
        "export.fromat=png",
    )
    assert message.startswith("x.yaml has 6 problems:")
    where = [line.split()[0] for line in message.splitlines()[1:]]
    assert where == ["override", "x.yaml:2", "x.yaml:3", "x.yaml:4", "x.yaml:6", "x.yaml:7"]


def test_overrides_reach_every_field_and_the_last_one_wins() -> None:
    recipe = read_recipe(
        "name: a\nbackground: {kind: solid}",
        "x.yaml",
        ["background.color=#eeeeee", "export.quality=90", "export.quality=95", "subject.phrases=[shoe, rain coat]"],
    )
    assert recipe.background.color == "#eeeeee"
    assert recipe.export.quality == 95
    assert recipe.subject.phrases == ["shoe", "rain coat"]
    columns = read_recipe("name: a", "x.yaml", ["catalog.columns.sku=article", "catalog.limit="]).catalog
    assert columns == CatalogSection(columns={"sku": "article"})


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("export.qualty=3", 'override "export.qualty=3"  export.qualty: no such field. Did you mean quality?'),
        ("exprt.quality=90", 'override "exprt.quality=90"  exprt: no such field. Did you mean export?'),
        ("export.quality=3", "write a whole number from 50 to 100"),
        ("quality", "write section.field=value"),
        ("=3", "write section.field=value"),
        ("name.x=3", "name is a value and has no fields"),
        ("export.format=[", "is not a YAML value"),
        ("catalog.address=$PHOTOS", "environment variables are not expanded"),
    ],
)
def test_wrong_overrides_are_refused_like_wrong_fields(override: str, said: str) -> None:
    assert said in refusal("name: a", override)


def test_what_yaml_reads_otherwise_is_plain_text() -> None:
    assert read_recipe("name: a", "x.yaml", ["schedule.cron=* * * * *"]).schedule.cron == "* * * * *"


def test_a_recipe_is_looked_for_as_given_then_in_configs_then_in_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert resolve_config("packshot.yaml").is_absolute()
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "packshot.yaml").write_text("name: own")
    assert load_recipe("packshot").name == "own"
    (tmp_path / "packshot.yaml").write_text("name: nearest")
    assert load_recipe("packshot.yaml").name == "nearest"
    assert recipe_names() == SHIPPED


def test_a_recipe_that_is_not_there_lists_those_that_are() -> None:
    with pytest.raises(RecipeError, match=r"Did you mean packshot.yaml\? .*" + ", ".join(SHIPPED)):
        load_recipe("packsht.yaml")


def test_a_recipe_in_another_encoding_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "latin.yaml"
    path.write_bytes("name: a # für".encode("latin-1"))
    with pytest.raises(RecipeError, match="save it as UTF-8"):
        load_recipe(str(path))
    path.write_text("name: a", encoding="utf-8-sig")
    assert load_recipe(str(path)).name == "a"


def item(**overrides: object) -> Item:
    return Item(sku="A1", view="main", address="a.jpg", row=17, overrides=overrides)


def test_a_row_sets_its_own_fields() -> None:
    recipe = load_recipe("packshot")
    own = recipe.for_item(item(**{"subject.phrases": ["boot"], "subject.box_threshold": 0.2}))
    assert (own.subject.phrases, own.subject.box_threshold) == (["boot"], 0.2)
    assert own.export == recipe.export
    assert recipe.subject.phrases == []
    assert recipe.for_item(item()) is recipe


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        ({"subject.box_threshold": 3.0}, "SKU A1, view main, row 17, column box_threshold: 3.0 cannot be used here"),
        ({"background.color": "grey"}, "column background: "),
        ({"background.kind": "picture"}, "column background_picture: kind: picture needs the picture file"),
        ({"export.quality": 90}, "a row cannot set export.quality. Rows may set background.color"),
    ],
)
def test_a_row_with_a_wrong_value_is_an_item_error_by_row_and_column(overrides: dict[str, object], said: str) -> None:
    recipe = read_recipe("name: a\ncatalog: {columns: {background_color: background}}", "x.yaml")
    with pytest.raises(ItemError) as caught:
        recipe.for_item(item(**overrides))
    assert said in str(caught.value)


def test_every_row_field_exists_and_every_column_field_is_known() -> None:
    for path in ROW_FIELDS.values():
        section, name = path.split(".")
        assert name in type(getattr(load_recipe("packshot"), section)).model_fields
    assert set(ColumnField.__args__) == {"sku", "view", "photo", *ROW_FIELDS}  # type: ignore[attr-defined]


def test_the_schema_describes_every_field() -> None:
    schema = recipe_schema()
    Draft202012Validator.check_schema(schema)
    for section in [schema, *schema["$defs"].values()]:
        assert section["additionalProperties"] is False
        for name, field in section["properties"].items():
            said = field.get("description") or schema["$defs"][field["$ref"].rpartition("/")[2]]["description"]
            assert said.endswith("."), name
    assert json.loads(json.dumps(schema)) == schema


def test_the_digest_ignores_order_and_written_defaults_and_nothing_else() -> None:
    a = read_recipe("name: a\nexport: {quality: 90, marketplace: ebay}", "x.yaml")
    b = read_recipe("export: {marketplace: ebay, quality: 90}\nname: a\nkind: background\nshadow: {}", "x.yaml")
    c = read_recipe("name: a\nexport: {quality: 91, marketplace: ebay}", "x.yaml")
    assert recipe_digest(a) == recipe_digest(b) != recipe_digest(c)
    renamed = read_recipe("name: b\nbatch: {chunk_size: 3}\nexport: {quality: 90, marketplace: ebay}", "x.yaml")
    assert recipe_digest(a, only_look=True) == recipe_digest(renamed, only_look=True)
    assert recipe_digest(a, only_look=True) != recipe_digest(c, only_look=True)
    seeded = read_recipe("name: a\nbatch: {seed: 3}\nexport: {quality: 90, marketplace: ebay}", "x.yaml")
    assert recipe_digest(a, only_look=True) != recipe_digest(seeded, only_look=True)


@settings(deadline=None)
@given(st.text(max_size=200))
def test_any_text_is_a_recipe_or_a_recipe_error(text: str) -> None:
    assert "x.yaml" in outcome(text)


@settings(deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from([*Recipe.model_fields, "kind", "phrases", "columns"]), inner, max_size=4)
        ),
        max_leaves=12,
    )
)
def test_any_data_is_a_recipe_or_a_recipe_error(data: object) -> None:
    assert "x.yaml" in outcome(json.dumps(data))
