"""The linter of finished pictures and its fixes, on drawn pictures whose faults are known."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as PilImage

from pipeline.errors import StoreError
from pipeline.files.encode import encode_picture
from pipeline.files.lint import Finding, lint_picture
from pipeline.files.lint_fix import fix_picture, lint_folder
from pipeline.files.marketplace import Marketplace, marketplace
from pipeline.files.picture import decode_picture
from pipeline.files.provenance import Provenance, read_provenance
from tests.bad_files import saved
from tests.pipeline.files.test_picture_colour import ADOBE_RGB, matrix_profile

AMAZON = marketplace("amazon").model_copy(update={"min_px": 250, "advised_px": 400, "max_px": 1000})
"""Amazon's rules at a quarter of the size, so that the pictures stay small."""
Pixels = NDArray[np.uint8]


def shot(backdrop: int = 255, fill: float = 0.88, size: int = 400, *, aspect: float = 1.0) -> Pixels:
    """A drawn bottle, textured and round, on a plain backdrop."""
    height, width = round(size * aspect), size
    image = np.full((height, width, 3), backdrop, np.uint8)
    half_height, half_width = round(height * fill / 2), round(width * fill / 5)
    cy, cx = height // 2, width // 2
    texture = np.random.default_rng(0).integers(40, 160, image.shape).astype(np.uint8)
    texture = cv2.GaussianBlur(texture, (0, 0), 3)
    mask = np.zeros((height, width), np.uint8)
    cv2.rectangle(mask, (cx - half_width, cy - half_height), (cx + half_width, cy + half_height - 1), 1, -1)
    image[mask > 0] = texture[mask > 0]
    return image


def rules(findings: list[Finding] | tuple[Finding, ...], severity: str | None = None) -> set[str]:
    return {finding.rule for finding in findings if severity in (None, finding.severity)}


def lint(image: Pixels, row: Marketplace = AMAZON, file_format: str = "jpeg") -> set[str]:
    return rules(lint_picture(encode_picture(image, file_format=file_format), "x", row))


@pytest.mark.parametrize("quality", [95, 80, 60])
def test_a_good_jpeg_passes_clean(quality: int) -> None:
    assert lint_picture(encode_picture(shot(), quality=quality), "x", AMAZON) == []


@pytest.mark.parametrize("level", [254, 250, 241])
def test_off_white_is_caught(level: int) -> None:
    assert lint(shot(level)) == {"background"}


def test_a_tinted_box_pasted_on_white_is_caught() -> None:
    image = shot()
    product = (image < 200).any(axis=2)
    image[15:-15, 70:-70][~product[15:-15, 70:-70]] = 254
    assert lint(image) == {"background"}


def test_a_photographed_box_pasted_on_white_is_caught() -> None:
    image = shot()
    product = (image < 200).any(axis=2)
    grain = np.clip(np.random.default_rng(1).normal(248, 1.2, image.shape[:2]), 244, 252).astype(np.uint8)
    box = np.zeros_like(product)
    box[15:-15, 70:-70] = True
    image[box & ~product] = grain[box & ~product][:, None]
    assert lint(image, file_format="png") == {"background"}


def test_a_grey_background_is_caught_and_not_fixable() -> None:
    data = encode_picture(shot(200))
    found = next(f for f in lint_picture(data, "x", AMAZON) if f.rule == "background")
    assert not found.fixable
    assert found.severity == "error"


@pytest.mark.parametrize("quality", [60, 92])
@pytest.mark.parametrize(("softness", "depth"), [(14, 60), (25, 80)])
def test_a_soft_shadow_is_a_warning_not_an_error(softness: float, depth: float, quality: int) -> None:
    image = shot(fill=0.86)
    spread = np.zeros(image.shape[:2], np.float32)
    spread[-90:-60, 90:-90] = 1
    shade = cv2.GaussianBlur(spread, (0, 0), softness) * depth
    backdrop = (image == 255).all(axis=2)
    image[backdrop] = np.rint(255 - shade[backdrop, None]).astype(np.uint8)
    image[[0, 1, -2, -1]] = image[:, [0, 1, -2, -1]] = 255  # what the border shows is another rule
    findings = lint_picture(encode_picture(image, quality=quality), "x", AMAZON)
    assert rules(findings, "error") <= {"fill"}
    assert "shadow" in rules(findings, "warning")


@pytest.mark.parametrize(("fill", "caught"), [(0.5, True), (0.84, True), (0.86, False), (0.96, False), (0.99, True)])
def test_fill_is_measured_from_the_product(fill: float, caught: bool) -> None:
    assert ("fill" in lint(shot(fill=fill))) == caught


def test_sizes_and_aspects() -> None:
    assert lint(shot(size=225)) == {"too-small"}
    assert lint(shot(size=275)) == {"small"}
    assert "aspect" in lint(shot(aspect=1.3))
    assert "aspect" in lint(shot(), marketplace("zalando"))
    assert "too-large" in lint(shot(size=1100))


def test_formats_modes_profiles_and_transparency() -> None:
    image = shot()
    assert lint(image, file_format="webp") == {"format"}
    cmyk = saved(PilImage.fromarray(image).convert("CMYK"), "JPEG", quality=98)
    assert "colour-mode" in rules(lint_picture(cmyk, "x", AMAZON))
    wide = saved(image, "JPEG", quality=95, icc_profile=matrix_profile(ADOBE_RGB, b"Adobe RGB test"))
    findings = lint_picture(wide, "x", AMAZON)
    assert "colour-profile" in rules(findings)
    assert "Adobe RGB test" in str(findings[0])
    clear = encode_picture(image, alpha=(image < 200).any(axis=2).astype(np.float32), file_format="png")
    assert "transparency" in rules(lint_picture(clear, "x", AMAZON))
    assert "transparency" not in rules(lint_picture(clear, "x", marketplace("google")))


def test_file_size() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (700, 700, 3)).astype(np.uint8)
    data = encode_picture(noise, file_format="png")
    assert "file-size" in rules(lint_picture(data, "x", marketplace("etsy")))


@pytest.mark.parametrize("colour", [0, 128])
def test_frames_are_seen(colour: int) -> None:
    image = shot()
    cv2.rectangle(image, (6, 6), (393, 393), (colour,) * 3, 2)
    assert "frame" in lint(image)
    edged = shot()
    edged[:3] = edged[-3:] = edged[:, :3] = edged[:, -3:] = colour
    assert "frame" in lint(edged)
    assert "frame" not in lint(shot(fill=0.99))


def test_blank_and_unreadable() -> None:
    assert "blank" in lint(np.full((400, 400, 3), 255, np.uint8))
    assert rules(lint_picture(b"<html>", "x", AMAZON)) == {"unreadable"}
    assert "animated" in rules(lint_picture(
        saved(shot(), "GIF", save_all=True, append_images=[PilImage.fromarray(shot(fill=0.5))]), "x", AMAZON
    ))  # fmt: skip


def test_generated_pictures_must_say_so() -> None:
    def marks(record: Provenance) -> set[str]:
        return rules(lint_picture(encode_picture(shot(), provenance=record), "x", AMAZON))

    assert marks(Provenance(checkpoint="sd15")) == {"generated-mark"}
    assert marks(Provenance(keywords=("contains-synthetic-performer",))) == {"generated-mark"}
    whole = "compositeWithTrainedAlgorithmicMedia"
    assert marks(Provenance(checkpoint="sd15", digital_source=whole)) == set()
    assert marks(Provenance(digital_source=whole, generated_person=True)) == {"person-keyword"}


def test_fixing_an_off_white_underfilled_tall_webp() -> None:
    source = shot(250, fill=0.6, size=550, aspect=1.2)
    data = encode_picture(source, file_format="webp", quality=98, provenance=Provenance(sku="S1", recipe="r"))
    fixed = fix_picture(data, "a/S1.webp", AMAZON)
    assert fixed.left == ()
    assert fixed.name == "a/S1.jpg"
    assert len(fixed.fixes) >= 3
    picture = decode_picture(fixed.data, fixed.name)
    assert picture.image.shape[0] == picture.image.shape[1]
    assert picture.image[:12].min() == 255
    read = read_provenance(fixed.data)
    assert read is not None
    assert read.sku == "S1"


def test_the_product_itself_is_not_touched_by_whitening() -> None:
    data = encode_picture(shot(252), file_format="png")
    fixed = fix_picture(data, "x.png", AMAZON)
    before, after = shot(252), decode_picture(fixed.data, "x").image
    product = (before < 200).any(axis=2)
    np.testing.assert_array_equal(after[product], before[product])
    assert (after[~product] == 255).all()


def test_half_a_backdrop_is_not_whitened() -> None:
    image = shot(250, fill=0.86)
    image[340:, :110] = image[340:, 290:] = (236, 230, 214)  # a table top on both sides
    data = encode_picture(image, file_format="png")
    fixed = fix_picture(data, "x.png", AMAZON)
    assert fixed.data == data
    assert "background" in rules(fixed.left)


def test_white_cloth_on_white_keeps_its_folds() -> None:
    image = shot(251)
    rows = np.arange(400)
    folds = (244 + 9 * np.sin(rows / 3)).astype(np.uint8)
    cloth = np.s_[100:300, 125:275]
    image[cloth] = folds[100:300, None, None]
    image[98:102, 125:275] = image[298:302, 125:275] = image[100:300, 123:127] = image[100:300, 273:277] = 225
    after = decode_picture(fix_picture(encode_picture(image, file_format="png"), "x.png", AMAZON).data, "x").image
    np.testing.assert_array_equal(after[105:295, 130:270], image[105:295, 130:270])


def test_nothing_is_enlarged_and_cut_products_get_no_margin() -> None:
    small = fix_picture(encode_picture(shot(250, size=200)), "x.jpg", AMAZON)
    assert max(decode_picture(small.data, "x").image.shape) <= 200
    assert "too-small" in rules(small.left)
    cut = shot(aspect=1.3)[: 400 * 13 // 10 // 2]
    fixed = fix_picture(encode_picture(cut), "x.jpg", AMAZON)
    assert fixed.data == encode_picture(cut), "its lower edge is cut: a margin below would let it float"
    assert "aspect" in rules(fixed.left)


def test_cutting_margins_does_not_go_below_the_smallest_size() -> None:
    data = encode_picture(shot(fill=0.5, size=300))
    fixed = fix_picture(data, "x.jpg", AMAZON)
    assert max(decode_picture(fixed.data, "x").image.shape) == 300
    assert "fill" in rules(fixed.left)


def test_a_good_file_comes_back_as_it_is() -> None:
    data = encode_picture(shot())
    fixed = fix_picture(data, "x.jpg", AMAZON)
    assert fixed.data == data
    assert fixed.fixes == ()


def test_profiles_transparency_and_size_are_fixed() -> None:
    wide = saved(shot(), "TIFF", icc_profile=matrix_profile(ADOBE_RGB, b"Adobe RGB test"))
    assert fix_picture(wide, "x.tif", AMAZON).left == ()
    image = shot()
    clear = encode_picture(image, alpha=(image < 200).any(axis=2).astype(np.float32), file_format="png")
    fixed = fix_picture(clear, "x.png", AMAZON)
    assert fixed.left == ()
    assert "transparency laid on the background" in fixed.fixes


def test_size_is_fixed_by_quality_and_by_scaling_down() -> None:
    noisy = shot(fill=0.9)
    noisy[30:-30, 30:-30] = np.random.default_rng(0).integers(0, 200, (340, 340, 1))
    data = encode_picture(noisy, quality=98)
    fixed = fix_picture(data, "x.jpg", AMAZON.model_copy(update={"max_bytes": len(data) // 2}))
    assert len(fixed.data) <= len(data) // 2
    assert "file-size" not in rules(fixed.left)
    large = fix_picture(encode_picture(shot(size=1100)), "x.jpg", AMAZON)
    assert max(decode_picture(large.data, "x").image.shape) == 1000
    assert large.left == ()


def test_folders_are_linted_in_order_and_fixed_into_another(tmp_path: Path) -> None:
    source, out = tmp_path / "in", tmp_path / "out"
    (source / "sub").mkdir(parents=True)
    (source / "b.jpg").write_bytes(encode_picture(shot()))
    (source / "a.png").write_bytes(encode_picture(shot(250), file_format="png"))
    (source / "sub" / "c.jpg").write_bytes(b"oops")
    (source / "notes.txt").write_text("not a picture")
    found = list(lint_folder(str(source), AMAZON))
    assert [linted.name for linted in found] == ["a.png", "b.jpg", "sub/c.jpg"]
    assert [linted.is_accepted for linted in found] == [False, True, False]
    fixed = list(lint_folder(str(source), AMAZON, fix_to=str(out)))
    assert [linted.is_accepted for linted in fixed] == [True, True, False]
    assert sorted(path.name for path in out.rglob("*.*")) == ["a.png", "b.jpg"]
    assert (out / "b.jpg").read_bytes() == (source / "b.jpg").read_bytes()


def test_two_files_that_become_one_name_are_kept_apart(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for suffix in ("webp", "jpeg"):
        name = "a.webp" if suffix == "webp" else "a.jpg"
        (tmp_path / "in" / name).write_bytes(encode_picture(shot(250), file_format=suffix))
    list(lint_folder(str(tmp_path / "in"), AMAZON, fix_to=str(tmp_path / "out")))
    assert len(list((tmp_path / "out").iterdir())) == 2


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no such"):
        list(lint_folder(str(tmp_path / "nowhere"), AMAZON))
