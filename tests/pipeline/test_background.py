"""The kind `background`: the product is carried, grounded, framed, and its backdrop exact."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from pipeline import background
from pipeline.background import BackgroundSpec, Composed, ShadowSpec, compose
from pipeline.pixels import checks
from pipeline.types import Alpha, Image, Picture, Subject

WHITE = BackgroundSpec()
NO_SHADOW = ShadowSpec(kind="none")


def subject_of(image: Image, alpha: Alpha) -> tuple[Picture, Subject]:
    foreground = np.where((alpha > 0.004)[..., None], np.array([170, 60, 40]), image).astype(np.uint8)
    foreground = np.where((alpha >= 1)[..., None], image, foreground)
    subject = Subject(mask=alpha >= 0.5, alpha=alpha, foreground=foreground, confidence=1, finder="drawn")
    return Picture(image=image), subject


def drawn(size: tuple[int, int] = (200, 160), *, bottom: int = 150) -> tuple[Picture, Subject]:
    """A textured red box with a soft edge on green."""
    alpha = np.zeros(size, np.float32)
    alpha[40:bottom, 50:110] = 1
    if bottom < size[0]:
        alpha = cv2.GaussianBlur(alpha, (0, 0), 1.0)
    alpha = np.where(alpha > 0.99, 1, np.where(alpha < 0.01, 0, alpha)).astype(np.float32)
    random = np.random.default_rng(0)
    product = np.array([170, 60, 40]) + random.integers(-30, 31, (*size, 1))
    photo = product * alpha[..., None] + np.array([30, 200, 60]) * (1 - alpha[..., None])
    return subject_of(np.rint(photo).astype(np.uint8), alpha)


def composed(**changes: object) -> Composed:
    picture, subject = drawn()
    arguments: dict[str, object] = {
        "canvas": (400, 400),
        "fill": 0.8,
        "background": WHITE,
        "shadow": ShadowSpec(),
        "seed": 1,
    }
    return compose(picture, subject, **(arguments | changes))  # type: ignore[arg-type]


def test_at_growth_one_the_solid_pixels_are_the_photos_bit_for_bit() -> None:
    picture, subject = drawn()
    result = compose(picture, subject, canvas=(138, 138), fill=0.8, background=WHITE, shadow=ShadowSpec(), seed=1)
    assert result.growth == 1.0
    solid = subject.alpha == 1
    placed = result.product_alpha == 1
    assert placed.sum() == solid.sum() > 5000
    assert (result.image[placed] == picture.image[solid]).all()


@pytest.mark.parametrize("kind", ["solid", "gradient", "studio", "picture"])
def test_a_composition_is_repeatable_and_as_large_as_asked(kind: str) -> None:
    source = np.random.default_rng(5).integers(0, 256, (90, 120, 3), dtype=np.uint8)
    spec = BackgroundSpec(kind=kind, color="#e0dcd4", color_to="#c8c4bc", picture=source)  # type: ignore[arg-type]
    first, again = composed(background=spec), composed(background=spec)
    assert first.image.shape == (400, 400, 3)
    assert first.product_mask.shape == first.product_alpha.shape == (400, 400)
    assert (first.image == again.image).all()


def test_the_product_fills_and_centres() -> None:
    result = composed(shadow=NO_SHADOW)
    assert checks.fill_share(result.product_mask) == pytest.approx(0.8, abs=0.015)
    x0, y0, x1, y1 = result.placed_box
    assert abs(x0 - (400 - x1)) <= 1
    assert abs(y0 - (400 - y1)) <= 1
    mask_box = background.geometry.box_of(result.product_mask)
    assert mask_box == pytest.approx(result.placed_box, abs=2)


def test_white_stays_exactly_white_around_the_shadow() -> None:
    result = composed(shadow=ShadowSpec(kind="cast", strength=1, softness=3))
    assert checks.backdrop_error(result.image, result.product_mask, (255, 255, 255)) == 0
    assert (result.image[:30] == 255).all()
    plain = composed(shadow=NO_SHADOW)
    assert (plain.image[plain.product_alpha == 0] == 255).all()
    assert (result.image != plain.image).any()


def test_the_shadow_lies_under_the_product_and_never_on_it() -> None:
    with_shadow, without = composed(), composed(shadow=NO_SHADOW)
    solid = with_shadow.product_alpha == 1
    assert (with_shadow.image[solid] == without.image[solid]).all()
    below = with_shadow.placed_box[3] + 8
    assert with_shadow.image[below, 200].max() < 245
    assert (without.image[below, 200] == 255).all()


@pytest.mark.parametrize("canvas", [(120, 120), (700, 700)])
def test_no_rim_of_the_old_backdrop_down_or_up(canvas: tuple[int, int]) -> None:
    result = composed(canvas=canvas, shadow=NO_SHADOW)
    red, green = result.image[..., 0].astype(int), result.image[..., 1].astype(int)
    assert (green - red).max() <= 2


def test_a_hard_mask_grows_without_a_rim_too() -> None:
    alpha = np.zeros((120, 120), np.float32)
    alpha[30:90, 30:90] = 1
    image = np.where(alpha[..., None] > 0, np.array([170, 60, 40]), np.array([0, 255, 255])).astype(np.uint8)
    picture, subject = subject_of(image, alpha)
    result = compose(picture, subject, canvas=(300, 300), fill=0.8, background=WHITE, shadow=NO_SHADOW, seed=1)
    seen = result.product_alpha > 0.9
    assert np.abs(result.image[seen].astype(int) - [170, 60, 40]).max() <= 22


def test_an_almost_solid_matte_carries_the_pixels_too() -> None:
    picture, subject = drawn()
    subject = replace(subject, alpha=np.where(subject.alpha == 1, 0.999, subject.alpha).astype(np.float32))
    result = compose(picture, subject, canvas=(138, 138), fill=0.8, background=WHITE, shadow=ShadowSpec(), seed=1)
    carried = result.product_alpha == np.float32(0.999)
    assert (result.image[carried] == picture.image[subject.alpha == np.float32(0.999)]).all()


def test_a_subject_cut_at_the_bottom_stays_there_without_shadow() -> None:
    picture, subject = drawn(bottom=200)
    result = compose(picture, subject, canvas=(400, 400), fill=0.8, background=WHITE, shadow=ShadowSpec(), seed=1)
    assert result.placed_box[3] == 400
    assert (result.product_alpha[-1, 180:220] == 1).all()
    assert (result.image[result.product_alpha == 0] == 255).all()
    assert any("bottom" in note for note in result.notes)


@pytest.mark.parametrize("side", [97, 231, 400, 613])
@pytest.mark.parametrize("turn", [0, 1, 2, 3])
def test_a_matte_that_fades_at_the_photos_edge_leaves_no_line(side: int, turn: int) -> None:
    alpha = np.zeros((200, 160), np.float32)
    alpha[60:, 40:120] = 1
    alpha[198:] *= 0.7
    image = np.full((200, 160, 3), (170, 60, 40), np.uint8)
    picture, subject = subject_of(np.rot90(image, turn).copy(), np.rot90(alpha, turn).copy())
    result = compose(picture, subject, canvas=(side, side), fill=0.8, background=WHITE, shadow=NO_SHADOW, seed=1)
    edge = np.rot90(result.product_alpha, -turn)[-1]
    x0, x1 = np.flatnonzero(edge > 0.5)[[0, -1]]
    assert (edge[x0 + 3 : x1 - 2] == 1).all()


def test_half_a_person_stands_before_a_wall_without_floor() -> None:
    picture, subject = drawn(bottom=200)
    studio = BackgroundSpec(kind="studio", color="#ffffff", color_to="#000000")
    result = compose(picture, subject, canvas=(300, 300), fill=0.6, background=studio, shadow=ShadowSpec(), seed=1)
    assert result.image[-20:, :60].min() > 120


def test_what_hangs_or_lies_flat_throws_no_shadow() -> None:
    result = composed(grounded=False)
    assert (result.image[result.product_alpha == 0] == 255).all()


def test_what_hangs_throws_its_shadow_on_a_wall_and_on_plain_colour_none() -> None:
    hanging = ShadowSpec(kind="cast", hangs=True)
    on_white = composed(shadow=hanging)
    assert (on_white.image[on_white.product_alpha == 0] == 255).all()
    studio = BackgroundSpec(kind="studio", color="#e9e1d6", color_to="#403020")
    before_wall = composed(background=studio, shadow=hanging)
    bare = composed(background=studio, shadow=replace(hanging, kind="none"))
    assert (before_wall.product_alpha == bare.product_alpha).all()
    darker = bare.image.astype(int).mean(axis=2) - before_wall.image.astype(int).mean(axis=2)
    x0, y0, x1, y1 = before_wall.placed_box
    assert darker[y1 + 3, (x0 + x1) // 2] > 10, "just under its hem"
    assert darker[(y0 + y1) // 2, x1 + 3] > 3 * max(1.0, darker[(y0 + y1) // 2, x0 - 4]), "to the right"
    assert bare.image[-5:].mean() > 120, "the dark floor is not seen"


def test_too_small_a_photo_gives_a_smaller_picture_and_says_so() -> None:
    result = composed(canvas=(4000, 4000), max_growth=2)
    assert result.growth == 2
    assert result.image.shape[0] == pytest.approx(275, abs=10)
    assert "more than 2 times" in result.notes[0]
    assert checks.fill_share(result.product_mask) == pytest.approx(0.8, abs=0.015)


def test_the_enlarger_is_asked_only_to_grow_and_only_for_the_cut_out() -> None:
    asked: list[tuple[tuple[int, ...], float]] = []

    def enlarge(image: Image, growth: float) -> Image:
        asked.append((image.shape[:2], growth))
        return np.full((round(image.shape[0] * growth), round(image.shape[1] * growth), 3), (1, 2, 3), np.uint8)

    composed(canvas=(100, 100), enlarge=enlarge)
    assert asked == []
    result = composed(canvas=(400, 400), enlarge=enlarge)
    assert len(asked) == 1
    assert asked[0][0][0] < 130
    assert asked[0][1] == result.growth > 2
    assert (result.image[result.product_alpha == 1] == (1, 2, 3)).all()


def test_a_reflection_appears_below_the_product_only() -> None:
    plain, mirrored = (composed(shadow=NO_SHADOW, background=BackgroundSpec(reflection=r)) for r in (0.0, 0.3))
    changed = (plain.image != mirrored.image).any(axis=2)
    assert changed.any()
    assert np.flatnonzero(changed.any(axis=1))[0] >= plain.placed_box[3] - 8


def test_any_picture_may_stand_between_the_two_halves() -> None:
    picture, subject = drawn()
    frame = background.frame_subject(subject, canvas=(300, 300), fill=0.7)
    image, alpha = background.cut_out(picture, subject, frame)
    generated = np.random.default_rng(9).integers(0, 256, (300, 300, 3), dtype=np.uint8)
    result = background.set_subject(generated, image, alpha, frame, NO_SHADOW, 1)
    assert checks.outside_difference(generated, result, alpha > 0) == 0
    assert (result[alpha == 1] == image[alpha == 1]).all()


def test_an_empty_mask_and_a_missing_picture_are_refused() -> None:
    picture, _ = drawn()
    no_picture = BackgroundSpec(kind="picture")
    subject = subject_of(picture.image, np.zeros((200, 160), np.float32))[1]
    with pytest.raises(ValueError, match="mask is empty"):
        compose(picture, subject, canvas=(9, 9), fill=1, background=WHITE, shadow=NO_SHADOW, seed=0)
    with pytest.raises(ValueError, match=r"set background\.picture"):
        composed(background=no_picture)
    other, subject = Picture(image=np.zeros((5, 5, 3), np.uint8)), drawn()[1]
    with pytest.raises(ValueError, match="differ in size"):
        compose(other, subject, canvas=(9, 9), fill=1, background=WHITE, shadow=NO_SHADOW, seed=0)
