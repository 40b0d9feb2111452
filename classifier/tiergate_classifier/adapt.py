"""Adapt the shipped order of prompts to a workload, from a few or many outcomes of two tiers.

Target: what the strong tier adds, `strong - weak`, per prompt. Three learners of it (ridge on the vector and features,
ridge on random Fourier features of the vector, nearest neighbours) are stacked with the shipped score: Wolpert,
"Stacked generalization" (1992), with weights that cannot be negative (Breiman, "Stacked regressions", 1996). A normal
prior holds the stack to the shipped score until the rows say better, so that few rows cannot make it worse.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

Floats = NDArray[np.float64]
Member = Callable[["Inputs"], Floats]

FOLDS = 5
LEAST_ROWS = 40
"""Below this many rows the shipped order stays as it is."""

_SEED = 20_250_203
_FEATURE_SHARE = 1 / 8
_RIDGE = 20.0
_FOURIER_RIDGE = 2.0
_FOURIER_SIZE = 1000
_FOURIER_SCALE = 3.0
_NEIGHBOURS = 30
_SHARPNESS = 4
_LIMIT = 4.0
_SLOPE = 0.15
_PRIOR_ROWS_SCORE = 300.0
_PRIOR_ROWS_MEMBER = 500.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Inputs:
    """What is known of n prompts before any answer.

    Attributes:
        vectors: Shape (n, D), unit length.
        features: Surface features, shape (n, F).
        need: The shipped score: how much a prompt needs the strong tier, shape (n,).
    """

    vectors: NDArray[Any]
    features: Floats
    need: Floats

    def take(self, rows: NDArray[Any]) -> "Inputs":
        """Return these rows."""
        return Inputs(vectors=self.vectors[rows], features=self.features[rows], need=self.need[rows])


class AdaptedOrder:
    """The order of prompts after adaptation.

    Args:
        train: Rows with known outcomes.
        gain: `strong - weak` of each, shape (n,).
    """

    def __init__(self, train: Inputs, gain: Floats) -> None:
        self._centre = float(np.mean(train.need)) if len(gain) else 0.0
        self._spread = float(np.std(train.need)) or 1.0 if len(gain) else 1.0
        self._members: tuple[Member, ...] = ()
        self._weights: Floats = np.array([1.0])
        if len(gain) >= LEAST_ROWS and float(np.std(gain)) > 0:
            left_out = _left_out(train, gain)
            self._weights = _stack(self._score(train), left_out, gain - gain.mean())
            self._members = _fit_members(train, gain)

    @property
    def weights(self) -> Floats:
        """Weights of the shipped score and of each learner; the shipped score alone when nothing was learnt."""
        return self._weights

    def need(self, inputs: Inputs) -> Floats:
        """Return how much each prompt needs the strong tier, shape (n,); only its order matters."""
        total = self._weights[0] * self._score(inputs)
        for weight, member in zip(self._weights[1:], self._members, strict=True):
            if weight > 0:
                total = total + weight * member(inputs)
        return np.asarray(total)

    def _score(self, inputs: Inputs) -> Floats:
        return np.asarray((inputs.need - self._centre) / self._spread)


def _stack(score: Floats, left_out: Floats, gain: Floats) -> Floats:
    """Return the stack's weights: least squares, none negative, with the prior as rows of its own."""
    inputs = np.column_stack([score, left_out])
    spread = inputs.std(axis=0) + 1e-12
    prior_rows = np.array([_PRIOR_ROWS_SCORE, *([_PRIOR_ROWS_MEMBER] * left_out.shape[1])])
    believed = np.zeros(inputs.shape[1])
    believed[0] = _SLOPE * float(np.std(gain))
    pulls = np.diag(np.sqrt(prior_rows) * spread)
    weights, _ = nnls(np.vstack([inputs, pulls]), np.concatenate([gain, pulls @ believed]))
    return np.asarray(weights)


def _left_out(train: Inputs, gain: Floats) -> Floats:
    """Return what learners fitted on the other folds say of each row, shape (n, members)."""
    fold = np.random.default_rng(_SEED).permutation(len(gain)) % FOLDS
    said: list[Floats] = [np.zeros(0)] * FOLDS
    for number in range(FOLDS):
        inside = np.flatnonzero(fold != number)
        outside = train.take(np.flatnonzero(fold == number))
        said[number] = np.column_stack([member(outside) for member in _fit_members(train.take(inside), gain[inside])])
    table = np.zeros((len(gain), said[0].shape[1]))
    for number in range(FOLDS):
        table[fold == number] = said[number]
    return table


def _fit_members(train: Inputs, gain: Floats) -> tuple[Member, ...]:
    return (_fit_ridge(train, gain), _fit_fourier(train, gain), _fit_neighbours(train, gain))


def _fit_ridge(train: Inputs, gain: Floats) -> Member:
    """Ridge regression on vector and standardised features (Hoerl and Kennard 1970)."""
    mean, scale = train.features.mean(axis=0), train.features.std(axis=0) + 1e-3

    def design(inputs: Inputs) -> Floats:
        standard = np.clip((inputs.features - mean) / scale, -_LIMIT, _LIMIT) * _FEATURE_SHARE
        return np.concatenate([inputs.vectors, standard], axis=1).astype(np.float64)

    return _solve(design, train, gain, _RIDGE)


def _fit_fourier(train: Inputs, gain: Floats) -> Member:
    """Ridge on random Fourier features of the vector (Rahimi and Recht 2007): a Gaussian kernel's local shape."""
    random = np.random.default_rng(_SEED)
    frequencies = random.normal(size=(train.vectors.shape[1], _FOURIER_SIZE)) * np.sqrt(2 * _FOURIER_SCALE)
    phases = random.uniform(0, 2 * np.pi, _FOURIER_SIZE)

    def design(inputs: Inputs) -> Floats:
        return np.asarray(np.cos(inputs.vectors @ frequencies + phases) * np.sqrt(2 / _FOURIER_SIZE))

    return _solve(design, train, gain, _FOURIER_RIDGE)


def _solve(design: Callable[[Inputs], Floats], train: Inputs, gain: Floats, penalty: float) -> Member:
    x = design(train)
    mean = x.mean(axis=0)
    centred = x - mean
    weights = np.linalg.solve(centred.T @ centred + penalty * np.eye(x.shape[1]), centred.T @ (gain - gain.mean()))
    return lambda inputs: np.asarray((design(inputs) - mean) @ weights)


def _fit_neighbours(train: Inputs, gain: Floats) -> Member:
    """Mean of the nearest rows, weighted by a power of their cosine (Cover and Hart 1967)."""
    count = min(_NEIGHBOURS, len(gain) - 1)
    centred = gain - gain.mean()

    def near(inputs: Inputs) -> Floats:
        said = np.empty(len(inputs.need))
        for start in range(0, len(said), 1000):
            cosines = inputs.vectors[start : start + 1000] @ train.vectors.T
            nearest = np.argpartition(-cosines, count, axis=1)[:, :count]
            weight = np.clip(np.take_along_axis(cosines, nearest, axis=1), 0.01, 1.0) ** _SHARPNESS
            said[start : start + 1000] = (centred[nearest] * weight).sum(axis=1) / weight.sum(axis=1)
        return said

    return near
