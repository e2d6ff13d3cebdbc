"""The product in a photo with any backdrop: the studio's foreground network, sharpened to the photo's own edges.

The network sees 192 pixels. It looks at the whole photo and at a crop around what it saw, both also in a mirror; their
mean says where the product surely is and is not, and GrabCut in windows along the doubtful band finds the edge.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from masks import ops
from masks.local_cut import cut_votes, doubt_width, enlarged, settled
from masks.networks import reduced
from masks.outline import faint_share, like_outside
from pipeline.embedded.foreground import SIDE_PX, foreground
from pipeline.types import Image, Mask, Size

_ROOM = 0.12
"""Room around what was seen for the second look, as a share of its longer side."""
_TRUST = 0.8
"""Weight of the network beside the photo's edges where it sees the photo at full size."""
_CLOSE = 0.7
"""Weight of the closer look, which sees more of the edge."""
_SURE, _OPEN = 0.985, 0.4
"""From which probability on nothing inside is a gap, and what a gap's is before its edge is looked for."""
_CRUMB = 0.04
"""Share of the largest part that another must have: shoes come in pairs, and buttons lie on floors."""
_PATCH = 200
"""Patches are wider than two of so many parts of the longer side."""
_LEAST = 0.004
"""Share of the picture below which nothing was seen."""


@dataclass(frozen=True, kw_only=True)
class Glance:
    """What the network saw, before any edge is looked for.

    ``image`` (h, w, 3) is the photo at 1024 px at most and ``probability`` (h, w) the mean of both looks, whose IoU is
    ``agreement``. ``clear`` is how decided the network is inside the mask, in [0, 1]; ``whole`` the share of the mask
    that its largest part holds, and ``detail`` how many of the network's pixels one of the crop's has, up to 1.
    """

    image: Image
    probability: NDArray[np.float32]
    agreement: float
    clear: float
    whole: float
    detail: float = 0.0

    @property
    def mask(self) -> Mask:
        """What is more likely the product than not, (h, w)."""
        return self.probability > 0.5


@dataclass(frozen=True, kw_only=True)
class Product:
    """A product found in a picture; ``mask`` (H, W) at the picture's own size.

    ``change`` is the IoU of the network's mask with the refined one; ``faint`` and ``guessed`` are as a person's (see
    ``masks.person.Person``). ``seen_through`` is the share of the network's mask that looks like what lies beside it
    (``outline.like_outside``), ``gaps`` the share of the mask in patches of a coloured outside's own hue, as of cloth
    between sleeve and body, and ``cut_off`` the share of the picture's frame that the mask touches.
    """

    mask: Mask
    glance: Glance
    change: float
    faint: float
    guessed: float
    seen_through: float
    gaps: float
    cut_off: float


def glance_at(image: Image, model: Any = None) -> Glance | None:
    """What the network sees as the product; None where it sees nothing.

    Args:
        image: (H, W, 3) uint8 RGB.
        model: the network; the shipped one by default.
    """
    small, _ = reduced(image)
    first = foreground(small, model)
    box = ops.bounding_box(ops.largest_part(first > 0.5))
    if box is None:
        return None
    size: Size = (small.shape[0], small.shape[1])
    x0, y0, x1, y1 = ops.grown_box(box, _ROOM * max(box[2] - box[0], box[3] - box[1]), size)
    probability = first.copy()
    close = foreground(small[y0:y1, x0:x1], model)
    probability[y0:y1, x0:x1] = (1 - _CLOSE) * first[y0:y1, x0:x1] + _CLOSE * close
    mask = probability > 0.5
    seen = int(np.count_nonzero(mask))
    if seen < _LEAST * mask.size:
        return None
    return Glance(
        image=small,
        probability=probability,
        agreement=ops.iou(first > 0.5, mask),
        clear=float(2 * probability[mask].mean() - 1),
        detail=min(1.0, SIDE_PX / max(y1 - y0, x1 - x0)),
        whole=float(np.count_nonzero(ops.largest_part(mask)) / seen),
    )


def cut_product(glance: Glance, size: Size) -> Product | None:
    """The seen product with the photo's own edges, at ``size``; None where no edge bears it out."""
    like = like_outside(glance.image, glance.mask)
    probability = _with_gaps(glance.probability, like)
    # in a small picture the network itself sees every pixel, and stripes and prints do not fool it
    own = _TRUST * glance.detail
    votes = (1 - own) * cut_votes(glance.image, probability) + own * probability
    refined = settled(votes.astype(np.float32), probability)
    refined = ops.drop_islands(refined, _CRUMB * np.count_nonzero(ops.largest_part(refined)))
    if np.count_nonzero(refined) < _LEAST * refined.size:
        return None
    left = ops.opened(like_outside(glance.image, refined, coloured_only=True), max(like.shape) / _PATCH)
    frame = np.concatenate([refined[0], refined[-1], refined[:, 0], refined[:, -1]])
    return Product(
        mask=enlarged(refined, size),
        glance=glance,
        change=ops.iou(glance.mask, refined),
        faint=faint_share(glance.image, refined),
        guessed=doubt_width(probability),
        seen_through=float(np.count_nonzero(like) / np.count_nonzero(glance.mask)),
        gaps=float(np.count_nonzero(left) / np.count_nonzero(refined)),
        cut_off=float(frame.mean()),
    )


def _with_gaps(probability: NDArray[np.float32], like: Mask) -> NDArray[np.float32]:
    """The probability, opened where the inside looks like the outside and the network is in some doubt: arm gaps."""
    gaps = ops.opened(like & (probability < _SURE), max(like.shape) / _PATCH)
    return np.where(gaps, np.minimum(probability, _OPEN), probability).astype(np.float32)


def find_product(image: Image, model: Any = None) -> Product | None:
    """The product of a picture, (H, W, 3) uint8; None when nothing is seen. Same picture, same answer."""
    glance = glance_at(image, model)
    return None if glance is None else cut_product(glance, (image.shape[0], image.shape[1]))
