"""Fitted weights that turn measures into one number: which candidate is best, is the thing there, how sure is it.

Three additive logistic models (Hastie and Tibshirani, "Generalized additive models", 1986, with piecewise linear
terms), so that every term can be read and drawn. The confidence is made honest by isotonic regression (Zadrozny and
Elkan, "Transforming classifier scores into accurate multiclass probability estimates", 2002).
The weights lie in ``tune_weights.json``, written by ``python -m masks.fit_confidence``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from masks.measures import NAMES
from pipeline.errors import ModelError

Doubles = NDArray[np.float64]
WEIGHTS = Path(__file__).with_name("tune_weights.json")
AFTER = (*NAMES, "quality", "lead", "top")
"""What is known after the choice: the measures of the chosen one, its quality, its lead, and the best score of all."""
THERE = ("top", "peak", "consensus")
"""What the presence model reads of it. The other measures tell right masks from wrong ones, and an absent phrase is
answered by the well-cut mask of another thing: with them, more subjects were lost for each absent phrase refused."""


@dataclass(frozen=True, kw_only=True)
class Additive:
    """A logistic model of piecewise linear terms.

    Attributes:
        names: its inputs.
        knots: for each input, where its line may bend.
        weights: the bias, then for each input the first slope and the change of slope at each knot.
    """

    names: tuple[str, ...]
    knots: tuple[tuple[float, ...], ...]
    weights: tuple[float, ...]

    def terms(self, rows: Doubles) -> Doubles:
        """The columns that the weights multiply: (K, len(names)) to (K, len(weights))."""
        columns = [np.ones(len(rows))]
        for at, knots in enumerate(self.knots):
            columns.append(rows[:, at])
            columns += [np.maximum(rows[:, at] - knot, 0) for knot in knots]
        return np.stack(columns, axis=1)

    def __call__(self, rows: Doubles) -> Doubles:
        """Chances in [0, 1] of K rows (K, len(names))."""
        return np.asarray(1 / (1 + np.exp(-np.clip(self.terms(rows) @ np.array(self.weights), -30, 30))), np.float64)


@dataclass(frozen=True, kw_only=True)
class Judge:
    """The three models, the curve that makes the confidence honest, and below what a phrase counts as absent."""

    choice: Additive
    presence: Additive
    confidence: Additive
    curve: tuple[tuple[float, float], ...]
    absent_below: float
    about: str = ""

    def sure(self, row: Doubles) -> float:
        """The calibrated confidence of one row of ``AFTER``: chance that the mask's IoU is 0.8 or more."""
        raw = float(self.confidence(row[None])[0])
        given, honest = zip(*self.curve, strict=True)
        return float(np.clip(np.interp(raw, given, honest), 0, 1))

    def there(self, row: Doubles) -> float:
        """The chance that the phrase of one row of ``AFTER`` names something in the picture."""
        return float(self.presence(row[None, [AFTER.index(name) for name in THERE]])[0])

    def to_json(self) -> str:
        """What ``read_judge`` reads."""
        models = {name: vars(getattr(self, name)) for name in ("choice", "presence", "confidence")}
        return json.dumps({**models, "curve": self.curve, "absent_below": self.absent_below, "about": self.about})


def read_judge(text: str) -> Judge:
    """Read what ``Judge.to_json`` wrote.

    Raises:
        ModelError: other text, or weights of other measures than this version's.
    """
    try:
        read = json.loads(text)
        models = {name: _additive(read[name]) for name in ("choice", "presence", "confidence")}
        curve = tuple((float(given), float(honest)) for given, honest in read["curve"])
        judge = Judge(**models, curve=curve, absent_below=float(read["absent_below"]), about=str(read["about"]))
    except (ValueError, KeyError, TypeError) as problem:
        raise ModelError(f"The weights of the threshold search cannot be read ({problem}); {_AGAIN}") from problem
    if (judge.choice.names, judge.presence.names, judge.confidence.names) != (NAMES, THERE, AFTER) or not curve:
        raise ModelError(f"The weights of the threshold search are of other measures; {_AGAIN}")
    return judge


_AGAIN = "fit them again: python -m masks.fit_confidence"


def _additive(read: Any) -> Additive:
    model = Additive(
        names=tuple(str(name) for name in read["names"]),
        knots=tuple(tuple(float(knot) for knot in knots) for knots in read["knots"]),
        weights=tuple(float(weight) for weight in read["weights"]),
    )
    if len(model.weights) != 1 + len(model.knots) + sum(map(len, model.knots)) or len(model.knots) != len(model.names):
        raise ValueError("weights and knots do not fit together")
    return model


@cache
def weights_digest() -> str:
    """SHA-256 of the shipped weights: whatever depends on the choice depends on them."""
    return hashlib.sha256(WEIGHTS.read_bytes()).hexdigest()


@cache
def shipped_judge() -> Judge:
    """The weights that come with Seamline."""
    return read_judge(WEIGHTS.read_text())


def fit_additive(
    names: Sequence[str], rows: Doubles, targets: Doubles, *, bends: int = 3, ridge: float = 2.0
) -> Additive:
    """Fit chances to targets in [0, 1] by penalised maximum likelihood (L-BFGS).

    Args:
        names: of the inputs.
        rows: (N, len(names)).
        targets: (N,), soft ones allowed.
        bends: knots an input, at even quantiles.
        ridge: penalty on the weights of standardised terms; the bias is free.
    """
    from scipy.optimize import minimize

    shares = np.linspace(0, 1, bends + 2)[1:-1]
    knots = tuple(tuple(np.unique(np.quantile(rows[:, at], shares).round(4)).tolist()) for at in range(len(names)))
    blank = Additive(names=tuple(names), knots=knots, weights=(0.0,) * (1 + sum(1 + len(k) for k in knots)))
    terms = blank.terms(rows)
    scale = terms.std(axis=0)
    scale[scale < 1e-6] = np.inf  # a term that never changes gets no weight
    scale[0] = 1.0
    scaled = terms / scale

    def loss(weights: Doubles) -> tuple[float, Doubles]:
        logits = scaled @ weights
        penalty = ridge * (weights[1:] ** 2).sum() / 2
        slope = scaled.T @ (1 / (1 + np.exp(-logits)) - targets)
        slope[1:] += ridge * weights[1:]
        return float((np.logaddexp(0, logits) - targets * logits).sum() + penalty), slope

    found = minimize(loss, np.zeros(scaled.shape[1]), jac=True, method="L-BFGS-B", options={"maxiter": 500})
    weights = np.where(np.isfinite(scale), found.x / scale, 0.0)
    return Additive(names=tuple(names), knots=knots, weights=tuple(float(f"{weight:.6g}") for weight in weights))


def isotonic(given: Doubles, hits: Doubles, *, least: int = 15) -> tuple[tuple[float, float], ...]:
    """The rising curve that fits chances to what happened: points (given, honest), by pooling adjacent violators.

    Args:
        given: (N,) chances.
        hits: (N,) 1 where it came true.
        least: cases a step stands on, so that neither end claims certainty.
    """
    order = np.argsort(given, kind="stable")
    blocks: list[list[float]] = []  # sum of given, sum of hits, count
    for x, y in zip(given[order], hits[order], strict=True):
        blocks.append([float(x), float(y), 1.0])
        while len(blocks) > 1 and (
            blocks[-2][1] / blocks[-2][2] >= blocks[-1][1] / blocks[-1][2] or blocks[-2][2] < least
        ):
            last = blocks.pop()
            blocks[-1] = [a + b for a, b in zip(blocks[-1], last, strict=True)]
    while len(blocks) > 1 and blocks[-1][2] < least:
        last = blocks.pop()
        blocks[-1] = [a + b for a, b in zip(blocks[-1], last, strict=True)]
    # one hit and one miss more (Laplace): a step of 20 hits in 20 is 0.95, not 1
    return tuple((round(x / n, 4), round((y + 1) / (n + 2), 4)) for x, y, n in blocks)
