"""What a garment is by its words, and in which order several garments are worn over each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from pipeline.errors import ItemError
from pipeline.pixels.bottoms import Bottom, find_bottom
from pipeline.pixels.landmarks import Landmarks, find_landmarks
from pipeline.pixels.neckline import neck_opening
from pipeline.pixels.stances import ORDINARY, Cut, sleeve_share
from pipeline.types import Mask, Subject

BOTTOMS: Final = ("trousers", "jeans", "shorts", "leggings", "skirt", "pants", "chinos", "culottes")
"""Words of what hangs from the waist."""
NEVER: Final = ("hat", "shoe", "boot", "sneaker", "bag", "hood", "hoodie", "scarf", "dungarees", "overall")
"""Words of what neither hangs from shoulders nor from a waist, or, like a hood, cannot be put on a head."""
OUTER: Final = ("jacket", "coat", "blazer", "cardigan", "parka", "anorak", "waistcoat", "gilet", "kimono")
"""Words of what is worn over other tops."""
HIGH: Final = ("high-waisted", "high-rise", "high waisted", "high rise")
"""Words of bottoms that take in the hem of a top."""
UNTUCKED: Final = ("sweater", "jumper", "sweatshirt", "pullover", "tunic", "dress", "gown")
"""Words of tops whose hem no waistband takes in."""
SLEEVED: Final = ("sweater", "jumper", "jacket", "coat", "shirt", "blouse", "blazer", "cardigan", "tee")
"""Words of what has sleeves, unless it is said to be sleeveless."""
CUTS: Final = (
    ("dress", Cut(pits=0.0885, neck=0.0438)),
    ("gown", Cut(pits=0.0885)),
    ("tank", Cut(pits=0.1015, neck=0.0439)),
    ("sleeveless", Cut(pits=0.1015)),
    ("t-shirt", Cut(neck=0.0340)),
    ("sweater", Cut(neck=0.0319)),
    ("jumper", Cut(neck=0.0319)),
)
"""Words of garments that are cut in another way than others (see `stances.Cut`); the first that is said counts."""
UNDER, TOP, TUCKING, OVER = range(4)
"""Layers from the body outwards: a bottom, a top, a bottom that takes in the top's hem, a coat."""


@dataclass(frozen=True, kw_only=True)
class Piece:
    """A garment of a look in a photo of its own, and the words that it is called by."""

    subject: Subject
    phrases: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Garment:
    """A garment that was measured: ``name`` its words, ``layer`` how far out it is worn, ``marks`` its landmarks.

    ``cut`` is how its kind is cut, ``opening`` (H, W) where its neckline is open, None where that cannot be told.
    """

    name: str
    subject: Subject
    layer: int
    marks: Landmarks | Bottom
    cut: Cut = ORDINARY
    opening: Mask | None = None

    @property
    def sleeve(self) -> float:
        """How much of the arms its sleeves cover, 0 to about 1; that of the shorter one."""
        return 0.0 if isinstance(self.marks, Bottom) else sleeve_share(self.marks, self.cut)


def as_garment(piece: Piece) -> Garment:
    """Measure a garment. Raises ItemError if it cannot be put on, or has no landmarks."""
    name, said = " and ".join(piece.phrases), " ".join(piece.phrases).lower()
    if word := next((word for word in NEVER if _has(said, word)), None):
        raise ItemError(f"mode place puts on what hangs from shoulders or waist, and a {word} does not: use mode keep")
    mask, outer = piece.subject.alpha > 0.5, any(_has(said, word) for word in OUTER)
    try:
        if any(_has(said, word) for word in BOTTOMS) and not outer:
            bottom = find_bottom(mask)
            high = any(word in said for word in HIGH)
            return Garment(name=name, subject=piece.subject, layer=TUCKING if high else UNDER, marks=bottom)
        top = find_landmarks(mask)
    except ValueError as error:
        raise ItemError(f"{name}: {error}") from error
    _check_sleeves(top, said)
    cut = next((one for word, one in CUTS if word in said), ORDINARY)
    neckline = neck_opening(piece.subject.foreground, piece.subject.alpha, top)
    if neckline is not None and cut.neck is not None:
        top = replace(top, nape=neckline.nape, neck=neckline.half)
    opening = None if neckline is None else neckline.opening
    return Garment(name=name, subject=piece.subject, layer=OVER if outer else TOP, marks=top, cut=cut, opening=opening)


def in_order(garments: Sequence[Garment]) -> list[Garment]:
    """The garments from the lowest up; of two of one layer the later one lies over the other.

    A waistband that is cut high takes in the hem of a shirt or t-shirt, but not that of a sweater or dress.
    Raises ItemError if two of them dress the same legs.
    """
    bottoms = [one for one in garments if isinstance(one.marks, Bottom)]
    if len(bottoms) > 1:
        raise ItemError(f"{bottoms[0].name} and {bottoms[1].name} dress the same legs: leave one of them out")
    loose = any(one.layer == TOP and any(_has(one.name.lower(), word) for word in UNTUCKED) for one in garments)

    def height(one: Garment) -> int:
        return UNDER if loose and one.layer == TUCKING else one.layer

    return sorted(garments, key=height)


def lies_inside(garment: Garment, above: Garment) -> bool:
    """Whether a garment is not seen beside the trunk of one ``above`` it: a waistband, or no longer sleeves."""
    if isinstance(above.marks, Bottom):
        return False
    return isinstance(garment.marks, Bottom) or round(above.sleeve, 1) >= round(garment.sleeve, 1)


def _has(said: str, word: str) -> bool:
    """Whether a word is said: alone, in the plural, or at the end of a longer one, as in `overcoat`."""
    return any(part.removesuffix("s").endswith(word.removesuffix("s")) for part in said.replace("-", " ").split())


def _check_sleeves(marks: Landmarks, said: str) -> None:
    found = [sleeve is not None for sleeve in marks.sleeves]
    asked = any(word in said for word in SLEEVED) and "sleeveless" not in said
    if not any(found) and asked:
        raise ItemError("no sleeves can be told from the garment's body: lay them aside, or call it sleeveless")
    if any(found) and not all(found):
        raise ItemError("only one sleeve can be told from the garment's body: lay both aside")
