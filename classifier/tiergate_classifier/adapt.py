"""Adapt the shipped order of prompts to a workload, from a few or many outcomes of two tiers.

Learners (ridge on vector and features, nearest neighbours) of two targets: the gap, `strong - weak`, and the weak
tier's failure, `1 - weak`, which is less noisy and transfers but says less. Blends of their standardised scores with
the shipped score and with prompt length are compared with the shipped score alone, on rows that the learners have not
seen (cross-validation, Stone 1974), by the gap recovered. A blend's advantage counts less a share of its standard
error, which is larger the further it departs from the shipped order; when none is left, the shipped order stays.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

Floats = NDArray[np.float64]
Learner = Callable[["Inputs"], Floats]

FOLDS: Final = 5
LEAST_ROWS: Final = 150
"""Below this many rows the shipped order stays as it is."""

PARTS: Final = ("shipped", "length", "ridge_gap", "ridge_fail", "neighbours_gap", "neighbours_fail")
BLENDS: Final[Mapping[str, tuple[float, ...]]] = {
    "shipped": (1, 0, 0, 0, 0, 0),
    "shipped and length": (1, 1, 0, 0, 0, 0),
    **{
        f"{name}, shipped x {share}": (share, 0, *learners)
        for share in (2.0, 1.0, 0.5, 0.0)
        for name, learners in (
            ("ridge of the gap", (1, 0, 0, 0)),
            ("ridge of failures", (0, 1, 0, 0)),
            ("ridge and neighbours of the gap", (1, 0, 1, 0)),
            ("ridge and neighbours of both", (0.5, 0.5, 0.5, 0.5)),
        )
    },
}
"""Weights of `PARTS`, by name."""

_SEED = 20_250_203
_FEATURE_SHARE = 1 / 8
_RIDGE = 40.0
_NEIGHBOURS = 30
_SHARPNESS = 4
_LIMIT = 4.0
_TINY = 1e-9
_ERRORS_OFF = 0.7
_CAUTIOUS = {"ridge of the gap, shipped x 2.0": 0.02, "ridge and neighbours of the gap, shipped x 2.0": 0.02}
"""A bonus, in gap recovered, for blends that keep most of the shipped order: they gained on most development sets."""


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
        targets = np.column_stack([gap, 1 - weak])
        parts = _parts(train, _left_out(train, targets))
        self._centre, self._spread = parts.mean(axis=0), parts.std(axis=0) + _TINY
        self._blend = _choose((parts - self._centre) / self._spread, gap)
        if any(BLENDS[self._blend][2:]):
            self._learner = _fit(train, targets)

    @property
    def blend(self) -> str:
        """Name of the blend that was taken; `shipped` when the rows gave no reason to leave it."""
        return self._blend

    def need(self, inputs: Inputs) -> Floats:
        """Return how much each prompt needs the strong tier, shape (n,); only its order matters."""
        if self._blend == "shipped":
            return inputs.need
        learnt = np.zeros((len(inputs.need), len(PARTS) - 2)) if self._learner is None else self._learner(inputs)
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
        cautious = advantage - _ERRORS_OFF * error + _CAUTIOUS.get(name, 0.0)
        if cautious > most:
            best, most = name, cautious
    return best


def _ranks(scores: Floats) -> Floats:
    return np.asarray((rankdata(scores) - 0.5) / len(scores))


def _left_out(train: Inputs, targets: Floats) -> Floats:
    """Return what learners fitted on the other folds say of each row, shape (n, len(PARTS) - 2)."""
    fold = np.random.default_rng(_SEED).permutation(len(targets)) % FOLDS
    said = np.zeros((len(targets), len(PARTS) - 2))
    for number in range(FOLDS):
        inside, outside = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
        said[outside] = _fit(train.take(inside), targets[inside])(train.take(outside))
    return said


def _fit(train: Inputs, targets: Floats) -> Learner:
    ridge, near = _fit_ridge(train, targets), _fit_neighbours(train, targets)
    return lambda inputs: np.concatenate([ridge(inputs), near(inputs)], axis=1)


def _fit_ridge(train: Inputs, targets: Floats) -> Learner:
    """Ridge regression on vector and standardised features (Hoerl and Kennard 1970), one column per target."""
    mean, scale = train.features.mean(axis=0), train.features.std(axis=0) + 1e-3

    def design(inputs: Inputs) -> Floats:
        standard = np.clip((inputs.features - mean) / scale, -_LIMIT, _LIMIT) * _FEATURE_SHARE
        return np.concatenate([inputs.vectors, standard], axis=1).astype(np.float64)

    x = design(train)
    middle = x.mean(axis=0)
    centred, y = x - middle, targets - targets.mean(axis=0)
    if len(x) < x.shape[1]:  # the same solution, in the space of the rows
        weights = centred.T @ np.linalg.solve(centred @ centred.T + _RIDGE * np.eye(len(x)), y)
    else:
        weights = np.linalg.solve(centred.T @ centred + _RIDGE * np.eye(x.shape[1]), centred.T @ y)
    return lambda inputs: np.asarray((design(inputs) - middle) @ weights)


def _fit_neighbours(train: Inputs, targets: Floats) -> Learner:
    """Mean of the nearest rows, weighted by a power of their cosine (Cover and Hart 1967), one column per target."""
    count = min(_NEIGHBOURS, len(targets) - 1)
    centred = targets - targets.mean(axis=0)

    def near(inputs: Inputs) -> Floats:
        said = np.empty((len(inputs.need), centred.shape[1]))
        for start in range(0, len(said), 1000):
            cosines = inputs.vectors[start : start + 1000] @ train.vectors.T
            nearest = np.argpartition(-cosines, count, axis=1)[:, :count]
            weight = np.clip(np.take_along_axis(cosines, nearest, axis=1), 0.01, 1.0) ** _SHARPNESS
            total = np.einsum("nkt,nk->nt", centred[nearest], weight)
            said[start : start + 1000] = total / weight.sum(axis=1, keepdims=True)
        return said

    return near
