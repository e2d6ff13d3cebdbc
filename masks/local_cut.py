"""The edge between two sides that a network knows only roughly: GrabCut in windows along it.

One GrabCut over a whole photo learns five colours for all that is not the subject, and of a flag, a sky and a sleeve
in the same blue it makes one. In a window that follows the outline there are few colours, and they are the right ones.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from masks import ops
from pipeline.types import Image, Mask, Size

NEVER, SURE = 0.05, 0.95
"""Probabilities under and over which no edge is looked for."""
_HALVES = (0.045, 0.08)
"""Half the sides of the windows, as shares of the picture's longest side."""
_PRIOR = 0.3
"""How much the networks' probability counts beside the windows' votes."""
_CHROMA = 2.5
"""How much more than lightness colour counts: light changes along a garment and a wall, their dye does not."""
_DOUBTED, _CAUTION, _BELIEVED = 0.15, 0.7, 0.65
"""Of broadly doubted patches: where they begin, how much the networks count there, and what is kept."""
_LEAN = 0.3
"""How much the likeness of a doubtful segment to sure ones counts beside the votes."""
_SEGMENT_PX, _NEIGHBOURS = 9, 4
"""Side of a segment in a picture of any size, and the number of sure ones that it is compared with."""
_UNITS = (10.0, 5.0, 5.0)
"""Differences of lightness and of the two colours that are clear ones."""
_BROADLY = 0.2
"""From this probability to its opposite a pixel is doubted."""
_CRUMB, _WEAK = 0.012, 0.6
"""Half the width of what is a crumb where the networks' mean probability is lower, as a share of the longest side."""
_LEAST_PX = 40
"""Pixels of a side that a window needs to know its colours."""


def cut_votes(image: Image, probability: NDArray[np.float32]) -> NDArray[np.float32]:
    """How likely each pixel is the subject's after all windows have cut: (H, W) float32 in [0, 1].

    ``probability`` (H, W) in [0, 1] is kept where it is sure. Rother et al., "GrabCut" (2004), in overlapping windows
    of two sizes (Bai et al., "Video SnapCut", 2009).
    """
    seen = _as_seen(image)
    votes = [_votes(seen, probability, max(8, round(share * max(probability.shape)))) for share in _HALVES]
    mean = (1 - _PRIOR) * np.mean(votes, axis=0) + _PRIOR * probability + _LEAN * leaning(image, probability)
    sure = (probability < NEVER) | (probability > SURE)
    near = ops.grow(probability > 0.5, 2) & ops.grow(probability <= 0.5, 2)
    return np.clip(np.where(sure & ~near, probability, mean), 0, 1).astype(np.float32)


def doubt_width(probability: NDArray[np.float32]) -> float:
    """Mean width of what is broadly doubted along an outline, in thousandths of the picture's longer side.

    ``probability`` is (H, W) in [0, 1]. A seam is doubted over a pixel or two of the networks' own; where dark cloth
    meets a dark backdrop they doubt whole patches, and an edge found in there is a guess.
    """
    side = max(probability.shape)
    outline = int(np.count_nonzero(ops.boundary(probability > 0.5)))
    broad = ops.opened((probability > _BROADLY) & (probability < 1 - _BROADLY), side / 250)
    return float(np.count_nonzero(broad) / (max(outline, 1) * side / 1000))


def settled(votes: NDArray[np.float32], probability: NDArray[np.float32]) -> Mask:
    """One subject out of votes and probabilities, (H, W): rounded, without specks, pinholes and crumbs."""
    mask = ops.smooth_edge(votes > 0.5, max(0.7, max(votes.shape) / 1200))
    # strands and straps are thin as well, but on them the networks are surer
    thin = mask & ~ops.opened(mask, _CRUMB * max(mask.shape))
    labels, areas = ops.parts(thin)
    total = np.bincount(labels.ravel(), probability.ravel(), minlength=len(areas))
    crumbs = total < _WEAK * np.maximum(areas, 1)
    crumbs[0] = False
    mask &= ~crumbs[labels]
    speck = 0.002 * float(np.count_nonzero(mask))
    return ops.drop_islands(ops.fill_holes(mask, speck / 4), speck)


def enlarged(mask: Mask, size: Size) -> Mask:
    """A mask brought up to ``size`` without steps: its soft edge is enlarged and cut at one half."""
    if mask.shape == size:
        return mask
    soft = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 0.7)
    return np.asarray(cv2.resize(soft, (size[1], size[0]), interpolation=cv2.INTER_CUBIC) > 0.5)


def _as_seen(image: Image) -> Image:
    """The picture with its darks lifted, its colours apart and its grain gone: black cloth is not a navy backdrop."""
    lab = _lifted_lab(image)
    planes = [lab[..., 0] * 2.55, *(128 + 127 * np.tanh(_CHROMA * lab[..., at] / 127) for at in (1, 2))]
    return np.asarray(np.clip(np.rint(np.dstack(planes)), 0, 255), np.uint8)


def _lifted_lab(image: Image) -> NDArray[np.float32]:
    """CIELAB of the picture without its grain, (H, W, 3), its darks lifted by a square root."""
    calm = np.asarray(cv2.medianBlur(image, 3), np.float32) / 255
    return np.asarray(cv2.cvtColor(np.sqrt(calm), cv2.COLOR_RGB2LAB), np.float32)


def cautious(votes: NDArray[np.float32], probability: NDArray[np.float32]) -> NDArray[np.float32]:
    """The votes, but of patches that the networks doubt broadly only what they mostly believe is kept, (H, W) float32.

    Where dark cloth meets a dark flag no edge can be trusted. For portraits, of whose outline the selfie network knows
    more than any edge does.
    """
    longest = max(probability.shape)
    doubted = (probability > _DOUBTED) & (probability < 1 - _DOUBTED)
    patches = ops.grow(ops.opened(doubted, longest / 250), longest / 300)
    believed = (1 - _CAUTION) * votes + _CAUTION * probability
    believed = cv2.GaussianBlur(believed, (0, 0), longest / 250)  # edges that are guessed shall at least be smooth
    return np.where(patches, 0.5 + believed - _BELIEVED, votes).astype(np.float32)


def leaning(image: Image, probability: NDArray[np.float32]) -> NDArray[np.float32]:
    """Which side each doubtful segment is more like: (H, W) float32 from -1 (all backdrop) to 1, 0 where all is sure.

    ``image`` is (H, W, 3) uint8, ``probability`` (H, W) in [0, 1] says what is sure. Segments
    are superpixels (Achanta et al., "SLIC", 2012); each is compared with the nearest sure ones of both sides in colour
    and place. A crumb of a flag beside a sleeve is like the flag, whatever edge surrounds it.
    """
    from skimage.segmentation import slic

    count = max(2, probability.size // _SEGMENT_PX**2)
    lab = _lifted_lab(image)
    labels = slic(lab, n_segments=count, compactness=3, max_num_iter=5, start_label=0, convert2lab=False)
    index = labels.ravel()
    area = np.maximum(np.bincount(index), 1)
    rows, columns = np.divmod(np.arange(index.size), probability.shape[1])
    reach = 0.1 * max(probability.shape)  # as far away as that counts like a clearly other colour
    planes = [*(lab[..., at].ravel() / unit for at, unit in enumerate(_UNITS)), rows / reach, columns / reach]
    places = np.stack([np.bincount(index, plane) / area for plane in planes], axis=1)
    mean = np.bincount(index, probability.ravel()) / area
    inside, outside = places[mean > 0.97], places[mean < NEVER]
    doubtful = np.flatnonzero((mean >= NEVER) & (mean <= SURE))
    leans = np.zeros(len(area), np.float32)
    if len(doubtful) and min(len(inside), len(outside)) >= _NEIGHBOURS:
        away = [cKDTree(side).query(places[doubtful], k=_NEIGHBOURS)[0].mean(axis=1) for side in (inside, outside)]
        leans[doubtful] = np.clip(np.log((away[1] + 0.1) / (away[0] + 0.1)), -1, 1)
    return np.asarray(leans[labels], np.float32)


def _votes(image: Image, probability: NDArray[np.float32], half: int) -> NDArray[np.float32]:
    """The weighted mean of the answers of all windows of one size that the doubtful band needs."""
    height, width = probability.shape
    guess = probability > 0.5
    todo = (probability > NEVER) & (probability < SURE) | (ops.grow(guess, 2) & ops.grow(~guess, 2))
    total, weight = np.zeros(probability.shape, np.float32), np.zeros(probability.shape, np.float32)
    along = np.arange(-half, half + 1, dtype=np.float32)
    bell = np.exp(-(along**2) / (2 * (0.45 * half) ** 2))
    reach = round(0.6 * half)
    row = 0
    while row < height:
        columns = np.flatnonzero(todo[row])
        if not len(columns):
            row += 1
            continue
        x = int(columns[0])
        todo[max(0, row - reach) : row + reach + 1, max(0, x - reach) : x + reach + 1] = False
        y0, y1, x0, x1 = max(0, row - half), min(height, row + half + 1), max(0, x - half), min(width, x + half + 1)
        cut = _cut(image[y0:y1, x0:x1], probability[y0:y1, x0:x1])
        trust = np.outer(bell[y0 - row + half : y1 - row + half], bell[x0 - x + half : x1 - x + half])
        if cut is not None:
            total[y0:y1, x0:x1] += trust * cut
            weight[y0:y1, x0:x1] += trust
    return np.where(weight > 1e-3, total / np.maximum(weight, 1e-3), guess).astype(np.float32)


def _cut(image: Image, probability: NDArray[np.float32]) -> Mask | None:
    """GrabCut of one window; None where it holds too little of one side to know its colours."""
    labels = np.where(probability > 0.5, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    inside = int(np.count_nonzero(labels == cv2.GC_PR_FGD))
    if min(inside, labels.size - inside) < _LEAST_PX:
        return None
    labels[probability < NEVER] = cv2.GC_BGD
    labels[probability > SURE] = cv2.GC_FGD
    cv2.setRNGSeed(1)
    models = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.grabCut(np.ascontiguousarray(image), labels, (0, 0, 0, 0), *models, 2, cv2.GC_INIT_WITH_MASK)
    return np.asarray((labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD))
