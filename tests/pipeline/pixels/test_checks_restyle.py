"""What is measured where a garment was exchanged: leaks, sameness and seams on drawn pictures."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pipeline.pixels.checks_garment import Seen
from pipeline.pixels.checks_restyle import Restyled, leaked_share, measure_restyled, merit, problems
from pipeline.types import Image, Mask

SIZE = (160, 120)
RED, GREY, TEAL = (190, 40, 40), (180, 180, 185), (20, 130, 130)
FINE = Restyled(
    outside=0, changed=20.0, leak=0.0, seam=0.5, empty=False, face_asked=True,
    seen=Seen(people=1, has_face=True, followed=1.0),
)  # fmt: skip


def drawn() -> tuple[Image, Mask, Mask]:
    """A red garment on grey, its mask, and a repaint mask around it."""
    photo = np.full((*SIZE, 3), GREY, np.uint8)
    garment, repaint = np.zeros(SIZE, np.bool_), np.zeros(SIZE, np.bool_)
    garment[40:120, 30:90], repaint[34:126, 24:96] = True, True
    photo[garment] = RED
    noise = np.random.default_rng(1).integers(-4, 5, photo.shape)
    return np.clip(photo + noise, 0, 255).astype(np.uint8), garment, repaint


def exchanged(photo: Image, where: Mask, color: tuple[int, int, int]) -> Image:
    result = photo.copy()
    noise = np.random.default_rng(2).integers(-4, 5, photo.shape)
    result[where] = np.clip(np.array(color) + noise, 0, 255).astype(np.uint8)[where]
    return result


def test_nothing_of_the_old_garment_is_no_leak() -> None:
    photo, garment, repaint = drawn()
    assert leaked_share(photo, exchanged(photo, repaint, TEAL), garment, reach_px=4) == 0


def test_a_forgotten_sleeve_is_a_leak_inside_and_outside_the_mask() -> None:
    photo, garment, repaint = drawn()
    seen = garment.copy()
    seen[:, 30:38] = False  # the mask misses a strip
    rest = repaint & ~np.pad(np.ones((SIZE[0], 40), np.bool_), ((0, 0), (0, 80)))
    result = exchanged(photo, rest, TEAL)
    assert leaked_share(photo, result, seen, reach_px=4) > 0.05
    assert leaked_share(photo, result, garment, reach_px=4) > 0.1


def test_a_colour_of_both_garments_is_no_leak_but_pixels_that_stayed_are() -> None:
    photo, garment, repaint = drawn()
    photo[60:70][garment[60:70]] = TEAL  # a teal stripe on the old one
    teal = exchanged(photo, repaint, TEAL)
    teal[60:70] = exchanged(photo, repaint, (60, 170, 160))[60:70]
    assert leaked_share(photo, teal, garment, reach_px=4) < 0.01
    stayed = exchanged(photo, repaint, TEAL)
    stayed[45:60, 35:60] = photo[45:60, 35:60]
    assert leaked_share(photo, stayed, garment, reach_px=4) > 0.05


def test_a_garment_that_looks_as_it_did_is_told() -> None:
    photo, garment, repaint = drawn()
    seen = FINE.seen
    same = measure_restyled(photo, photo, garment, repaint, reach_px=4, face_asked=True, seen=seen)
    assert same.changed == 0
    assert any("looks as it did" in said for said in problems(same))
    new = exchanged(photo, repaint, TEAL)
    other = measure_restyled(photo, new, garment, repaint, reach_px=4, face_asked=True, seen=seen)
    assert other.outside == 0
    assert other.changed > 20
    assert problems(replace(other, seam=0.0)) == ()
    assert merit(other) > merit(same)
    new[0, 0] = 0
    assert measure_restyled(photo, new, garment, repaint, reach_px=4, face_asked=True, seen=seen).outside > 100


def test_every_limit_is_said_in_words() -> None:
    assert problems(FINE) == ()
    for change, word in (
        ({"outside": 3}, "outside the repainted area"),
        ({"empty": True}, "black"),
        ({"changed": 1.0}, "looks as it did"),
        ({"leak": 0.2}, "20.0%"),
        ({"seam": 30.0}, "30.0 levels"),
        ({"seen": None}, "no person"),
        ({"seen": Seen(people=2, has_face=True, followed=1.0)}, "2 people"),
        ({"seen": Seen(people=1, has_face=False, followed=1.0)}, "no face"),
        ({"seen": Seen(people=1, has_face=True, followed=0.2)}, "20%"),
    ):
        said = problems(replace(FINE, **change))  # type: ignore[arg-type]
        assert len(said) == 1, said
        assert word in said[0]
