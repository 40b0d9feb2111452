"""Adapt the shipped order of prompts to a workload, from a few or many outcomes of two tiers.

One learner: kernel ridge regression (Saunders, Gammerman and Vovk 1998) of the gap, `strong - weak`, on vector and
surface features with a Gaussian kernel. Blends of its standardised score with the shipped score and with prompt length
are compared with the shipped score alone, on rows that the learner has not seen (cross-validation, Stone 1974), by the
gap recovered. A blend's advantage counts less a share of its standard error, which is larger the further it departs
from the shipped order; when none is left, the shipped order stays.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.stats import rankdata

Floats = NDArray[np.float64]
Learner = Callable[["Inputs"], Floats]

FOLDS: Final = 5
LEAST_ROWS: Final = 150
"""Below this many rows the shipped order stays as it is."""

MOST_ROWS: Final = 6000
"""Of more rows the learner takes so many, drawn at random: its work grows with their cube."""

PARTS: Final = ("shipped", "length", "learnt")
BLENDS: Final[Mapping[str, tuple[float, ...]]] = {
    "shipped": (1, 0, 0),
    "shipped and length": (1, 1, 0),
    "learnt, shipped x 2": (2, 0, 1),
    "learnt, shipped x 1": (1, 0, 1),
    "learnt, shipped x 0.5": (0.5, 0, 1),
    "learnt, shipped x 0.25": (0.25, 0, 1),
    "learnt": (0, 0, 1),
}
"""Weights of `PARTS`, by name."""

_SEED = 20_250_203
_FEATURE_SHARE = 1 / 12
_SHARPNESS = 1.5
_PENALTY = 10.0
_LIMIT = 4.0
_TINY = 1e-9
_ERRORS_OFF = 0.5
_BONUS = {"learnt, shipped x 2": 0.01, "learnt, shipped x 1": 0.02, "learnt, shipped x 0.5": 0.01}
"""A bonus, in gap recovered, for blends that keep much of the shipped order: they gained on most development sets."""
_ROWS_AT_ONCE = 1000


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Inputs:
    """What is known of n prompts before any answer.

    Attributes:
        vectors: Shape (n, D), unit length.
        features: Surface features, shape (n, F).
        need: The shipped score: how much a prompt needs the strong tier, shape (n,).
        length: log(1 + characters), shape (n,).
    """

    vectors: NDArray[Any]
    features: Floats
    need: Floats
    length: Floats

    def take(self, rows: NDArray[Any]) -> "Inputs":
        """Return these rows."""
        return Inputs(
            vectors=self.vectors[rows], features=self.features[rows], need=self.need[rows], length=self.length[rows]
        )


class AdaptedOrder:
    """The order of prompts after adaptation.

    Args:
        train: Rows with known outcomes.
        weak: Outcome of the weak tier, shape (n,).
        strong: Outcome of the strong tier, shape (n,).
    """

    def __init__(self, train: Inputs, weak: Floats, strong: Floats) -> None:
        gap = strong - weak
        self._blend = "shipped"
        self._learner: Learner | None = None
        self._centre, self._spread = np.zeros(len(PARTS)), np.ones(len(PARTS))
        if len(gap) < LEAST_ROWS or float(gap.mean()) <= 0 or float(gap.std()) <= 0:
            return
        parts = _parts(train, _left_out(train, gap))
        self._centre, self._spread = parts.mean(axis=0), parts.std(axis=0) + _TINY
        self._blend = _choose((parts - self._centre) / self._spread, gap)
        if BLENDS[self._blend][-1]:
            self._learner = _fit(train, gap)

    @property
    def blend(self) -> str:
        """Name of the blend that was taken; `shipped` when the rows gave no reason to leave it."""
        return self._blend

    def need(self, inputs: Inputs) -> Floats:
        """Return how much each prompt needs the strong tier, shape (n,); only its order matters."""
        if self._blend == "shipped":
            return inputs.need
        learnt = np.zeros(len(inputs.need)) if self._learner is None else self._learner(inputs)
        standard = (_parts(inputs, learnt) - self._centre) / self._spread
        return np.asarray(standard @ np.array(BLENDS[self._blend]))


def _parts(inputs: Inputs, learnt: Floats) -> Floats:
    return np.column_stack([inputs.need, inputs.length, learnt])


def _choose(parts: Floats, gap: Floats) -> str:
    """Return the blend with the largest cautious advantage over the shipped order.

    The gap recovered is the mean of gap times rank over the mean gap, so that an advantage is a mean over rows, with a
    standard error by the delta method (Cochran 1977, section 2.11, "ratio estimates").

    Args:
        parts: Standardised, of rows that no learner has seen, shape (n, len(PARTS)).
        gap: Shape (n,), of positive mean.
    """
    shipped, mean = _ranks(parts[:, 0]), float(gap.mean())
    best, most = "shipped", 0.0
    for name, weights in BLENDS.items():
        moved = gap * (_ranks(parts @ np.array(weights)) - shipped)
        advantage = float(moved.mean()) / mean
        error = float((moved - advantage * gap).std()) / (np.sqrt(len(gap)) * mean)
        cautious = advantage - _ERRORS_OFF * error + _BONUS.get(name, 0.0)
        if cautious > most:
            best, most = name, cautious
    return best


def _ranks(scores: Floats) -> Floats:
    return np.asarray((rankdata(scores) - 0.5) / len(scores))


def _left_out(train: Inputs, gap: Floats) -> Floats:
    """Return what learners fitted on the other folds say of each row, shape (n,)."""
    fold = np.random.default_rng(_SEED).permutation(len(gap)) % FOLDS
    said = np.zeros(len(gap))
    for number in range(FOLDS):
        inside, outside = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
        said[outside] = _fit(train.take(inside), gap[inside])(train.take(outside))
    return said


def _fit(train: Inputs, gap: Floats) -> Learner:
    """Fit kernel ridge regression of the centred gap, with kernel exp(-_SHARPNESS * squared distance)."""
    if len(gap) > MOST_ROWS:
        rows = np.random.default_rng(_SEED).choice(len(gap), MOST_ROWS, replace=False)
        train, gap = train.take(rows), gap[rows]
    mean, scale = train.features.mean(axis=0), train.features.std(axis=0) + 1e-3

    def place(inputs: Inputs) -> Floats:
        standard = np.clip((inputs.features - mean) / scale, -_LIMIT, _LIMIT) * _FEATURE_SHARE
        return np.concatenate([inputs.vectors, standard], axis=1).astype(np.float64)

    known = place(train)
    kernel = _kernel(known, known)
    kernel[np.diag_indices(len(gap))] += _PENALTY
    weights = cho_solve(cho_factor(kernel, overwrite_a=True), gap - gap.mean())

    def learner(inputs: Inputs) -> Floats:
        rows = place(inputs)
        blocks = [rows[start : start + _ROWS_AT_ONCE] for start in range(0, len(rows), _ROWS_AT_ONCE)]
        return np.concatenate([np.zeros(0), *(_kernel(block, known) @ weights for block in blocks)])

    return learner


def _kernel(left: Floats, right: Floats) -> Floats:
    squares = (left**2).sum(axis=1)[:, None] + (right**2).sum(axis=1)[None, :]
    return np.asarray(np.exp(-_SHARPNESS * np.maximum(squares - 2 * left @ right.T, 0.0)))
