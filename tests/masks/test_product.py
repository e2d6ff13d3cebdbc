"""Products before any backdrop: what the network sees, where the edge runs, and when key or network is believed."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from masks import ops, teach
from masks.backdrop import Keyed
from masks.choice import Choice, key_or_network
from masks.confidence import of_glance, of_product
from masks.find import find_subject
from masks.product import Glance, Product, cut_product, find_product, glance_at
from masks.scenes import draw_packshot
from pipeline.embedded.render import render_product
from pipeline.embedded.train.foreground import PHOTO_LESSONS
from pipeline.embedded.train.lessons import Lessons
from pipeline.types import Image, Mask, Picture

DISC = np.hypot(*np.mgrid[-200:200, -200:200]) < 120
GLANCE = Glance(
    image=np.where(DISC[..., None], (200, 40, 40), (90, 120, 90)).astype(np.uint8),
    probability=cv2.GaussianBlur(DISC.astype(np.float32), (0, 0), 1.5),
    agreement=0.97,
    clear=0.96,
    whole=1.0,
)
GOOD = Product(mask=DISC, glance=GLANCE, change=0.98, faint=0.0, guessed=1.0, seen_through=0.0, gaps=0.0, cut_off=0.0)
ELSEWHERE = np.roll(DISC, 180, axis=1)


def key(mask: Mask, confidence: float) -> tuple[Choice, Keyed]:
    """What a colour key found, and its answer at a confidence."""
    found = Keyed(
        mask=mask, plain_share=1, error=1, separation=1, agreement=1, shadow_share=0, reflection_share=0,
        outline_only=False, missed=0, shadow_gap=0, notes=(),
    )  # fmt: skip
    return Choice(mask=mask, finder="backdrop", confidence=confidence, reasons=("keyed",)), found


@pytest.fixture
def glance(monkeypatch: pytest.MonkeyPatch) -> list[Glance | None]:
    seen: list[Glance | None] = [GLANCE]
    monkeypatch.setattr("masks.choice.glance_at", lambda image: seen[0])
    return seen


@pytest.mark.parametrize(("kind", "seed", "place"), [("shoe", 3, "wood"), ("bottle", 6, "marble"), ("mug", 8, "wall")])
def test_a_product_is_cut_from_a_busy_place(kind: str, seed: int, place: str) -> None:
    scene = render_product(kind, seed, (640, 640), backdrop=place)
    product = find_product(scene.image)
    assert product is not None
    truth = scene.alpha >= 0.5
    assert ops.iou(product.mask, truth) > 0.93
    assert ops.boundary_f(product.mask, truth) > 0.9
    assert of_product(product).confidence >= 0.6


def test_an_empty_place_shows_no_product() -> None:
    light = np.linspace(150, 190, 300)[:, None, None]
    empty = np.broadcast_to(light, (300, 400, 3)).astype(np.uint8)
    product = find_product(empty)
    assert product is None or of_product(product).confidence < 0.6


def test_the_edge_is_the_pictures_own() -> None:
    shifted = replace(GLANCE, probability=cv2.GaussianBlur(np.roll(DISC, 5, axis=1).astype(np.float32), (0, 0), 6))
    product = cut_product(shifted, (800, 800))
    assert product is not None
    truth = ops.resized(DISC, (800, 800))
    assert ops.iou(product.mask, truth) > 0.98 > ops.iou(shifted.mask, DISC)


@pytest.mark.parametrize(
    ("sign", "bad"),
    [
        ("change", 0.6),
        ("faint", 0.5),
        ("guessed", 20.0),
        ("seen_through", 0.4),
        ("gaps", 0.02),
        ("cut_off", 0.3),
        ("mask", np.ones_like(DISC)),
    ],
)
def test_every_bad_sign_of_a_product_lowers_its_confidence(sign: str, bad: object) -> None:
    assert of_product(GOOD).confidence > 0.9
    worse = of_product(replace(GOOD, **{sign: bad}))
    assert worse.confidence < 0.6
    assert worse.reasons


@pytest.mark.parametrize(("sign", "bad"), [("agreement", 0.5), ("clear", 0.4), ("whole", 0.3)])
def test_every_bad_sign_of_a_glance_counts_before_and_after_the_cut(sign: str, bad: float) -> None:
    worse = replace(GLANCE, **{sign: bad})
    assert of_glance(worse) < 0.5 < of_glance(GLANCE)
    assert of_product(replace(GOOD, glance=worse)).confidence < 0.5


def test_a_sure_key_is_kept_where_both_see_the_same(glance: list[Glance | None]) -> None:
    choice, keyed = key(DISC, 0.9)
    assert key_or_network(GLANCE.image, choice, keyed) is choice


@pytest.mark.parametrize("mask", [ELSEWHERE, DISC | ELSEWHERE, DISC & ELSEWHERE])
def test_a_sure_key_is_doubted_where_the_network_surely_sees_something_else(
    glance: list[Glance | None], mask: Mask
) -> None:
    choice = key_or_network(GLANCE.image, *key(mask, 0.9))
    assert choice is not None
    assert choice.confidence < 0.6
    assert any("another thing" in reason for reason in choice.reasons)


@pytest.mark.parametrize("taken", ["shadow_share", "reflection_share"])
def test_what_a_sure_key_took_away_as_shadow_is_no_other_thing(glance: list[Glance | None], taken: str) -> None:
    choice, keyed = key(DISC & np.roll(DISC, 80, axis=1), 0.9)
    assert key_or_network(GLANCE.image, choice, replace(keyed, **{taken: 0.3})) is choice


def test_a_ring_is_no_other_thing_than_its_disc(glance: list[Glance | None]) -> None:
    choice, keyed = key(DISC & ~ops.shrink(DISC, 24), 0.9)
    assert key_or_network(GLANCE.image, choice, keyed) is choice


def test_a_sure_key_is_kept_where_the_network_does_not_know(glance: list[Glance | None]) -> None:
    glance[0] = replace(GLANCE, clear=0.5)
    choice, keyed = key(ELSEWHERE, 0.9)
    assert key_or_network(GLANCE.image, choice, keyed) is choice


@pytest.mark.parametrize("confidence", [0.1, 0.3])
def test_a_doubted_key_gives_way_to_a_surer_network(glance: list[Glance | None], confidence: float) -> None:
    choice = key_or_network(GLANCE.image, *key(ELSEWHERE, confidence))
    assert choice is not None
    assert choice.finder == "product"
    assert ops.iou(choice.mask, DISC) > 0.95
    alone = key_or_network(GLANCE.image, None, None)
    assert alone is not None
    np.testing.assert_array_equal(alone.mask, choice.mask)


def test_the_network_is_doubted_where_the_key_saw_pale_rims_alone(glance: list[Glance | None]) -> None:
    choice, keyed = key(ELSEWHERE, 0.2)
    plain, pale = (key_or_network(GLANCE.image, choice, replace(keyed, slivers=value)) for value in (0.0, 0.2))
    assert plain is not None
    assert pale is not None
    assert plain.confidence >= 0.6 > pale.confidence
    assert any("pale before a pale backdrop" in reason for reason in pale.reasons)


@pytest.mark.parametrize(("clear", "mask", "finder", "passes"), [
    (0.96, DISC, "product", True), (0.5, ELSEWHERE, "backdrop", False), (0.5, DISC, "backdrop", True),
])  # fmt: skip
def test_before_a_wall_the_network_goes_first(
    glance: list[Glance | None], clear: float, mask: Mask, finder: str, passes: bool
) -> None:
    glance[0] = replace(GLANCE, clear=clear)
    choice, keyed = key(mask, 0.9)
    found = key_or_network(GLANCE.image, choice, replace(keyed, error=3.0))
    assert found is not None
    assert found.finder == finder
    assert (found.confidence >= 0.6) is passes


def test_buttons_on_the_floor_are_no_part_of_it_and_a_second_shoe_is() -> None:
    def two(radius: int) -> Glance:
        other = np.hypot(*np.mgrid[-340:60, -340:60]) < radius
        image = np.where((DISC | other)[..., None], (200, 40, 40), (90, 120, 90)).astype(np.uint8)
        both = cv2.GaussianBlur((DISC | other).astype(np.float32), (0, 0), 2)
        return replace(GLANCE, image=image, probability=both)

    for radius, kept in ((14, False), (44, True)):
        product = cut_product(two(radius), (400, 400))
        assert product is not None
        assert bool(product.mask[340, 340]) is kept


def test_without_an_answer_of_the_network_the_key_stands(glance: list[Glance | None]) -> None:
    glance[0] = None
    choice, keyed = key(DISC, 0.4)
    assert key_or_network(GLANCE.image, choice, keyed) is choice
    assert key_or_network(GLANCE.image, None, None) is None


@pytest.mark.parametrize(("name", "parks"), [("sneaker", False), ("mug_white", True), ("glass", True)])
def test_what_a_key_loses_is_found_and_what_is_seen_through_is_parked(name: str, parks: bool) -> None:
    subject = find_subject(Picture(image=draw_packshot(name).image))
    assert (subject.confidence < 0.6) is parks, subject.reasons
    if not parks:
        assert subject.finder == "product"
        assert ops.iou(subject.mask, draw_packshot(name).alpha >= 0.5) > 0.98


def test_the_finder_can_be_asked_for_by_name() -> None:
    scene = render_product("shoe", 3, (480, 480), backdrop="wood")
    subject = find_subject(Picture(image=scene.image), finder="product")
    assert subject.finder == "product"
    assert ops.iou(subject.mask, scene.alpha >= 0.5) > 0.93


def test_a_picture_of_one_colour_has_no_glance_or_an_unsure_one() -> None:
    seen = glance_at(np.full((120, 160, 3), 200, np.uint8))
    assert seen is None or of_glance(seen) < 0.75


def test_one_photo_in_five_is_held_out() -> None:
    held = [teach.is_held_out(f"coat_{number:04d}.jpg") for number in range(1000)]
    assert 150 < sum(held) < 250
    assert held == [teach.is_held_out(f"coat_{number:04d}.jpg") for number in range(1000)]


def save(image: Image, path: Path) -> None:
    cv2.imwrite(str(path), image[..., ::-1])


def test_photos_are_labelled_where_the_key_is_sure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shot = draw_packshot("bottle", size=360)
    photos = tmp_path / "photos"
    photos.mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (200, 200, 3), np.uint8)
    names = [name for name in (f"{number}.png" for number in range(20)) if not teach.is_held_out(name)]
    save(shot.image, photos / names[0])
    save(noise, photos / names[1])
    teach.main([str(photos), str(tmp_path / "runs")])
    lessons = Lessons.open(tmp_path / "runs" / PHOTO_LESSONS)
    assert sorted(lessons.known) == [False, True]
    side = lessons.alphas.shape[1]
    true = cv2.resize(shot.alpha, (side, side), interpolation=cv2.INTER_AREA) > 0.5
    assert ops.iou(lessons.alphas[lessons.known.argmax()] > 127, true) > 0.95
    assert "2 photos: 2 without people, 1 labelled" in capsys.readouterr().out
