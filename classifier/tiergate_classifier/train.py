"""Fit the heads: regularised logistic regression on [vector, standardised features]."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from tiergate.artifact_format import Head
from tiergate_classifier.data import Table
from tiergate_classifier.difficulty import FEATURE_LIMIT, DifficultyScore

_MIN_SCALE = 1e-3
_FLAT = 1e-6
_MAX_STEPS = 60
_MAX_MOVE = 5.0
_TINY = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Penalty:
    """How strongly a head is held back.

    Attributes:
        inverse_strength: scikit-learn's C.
        vector_gain: What the vector is multiplied by before the fit: a larger gain lets it count for more.
        feature_gain: The same for the standardised features.
    """

    inverse_strength: float
    vector_gain: float
    feature_gain: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Tie:
    """How strongly the tier heads are tied to the difficulty score.

    Attributes:
        slope: Log-odds that a tier's answer loses per unit of difficulty, before a head has seen its own rows.
        strength: Precision of that belief, in the directions in which benchmark questions differ.
        freedom: Precision in every direction, as a share of that of an untied head.
    """

    slope: float
    strength: float
    freedom: float


DIFFICULTY_TIE = Tie(slope=3.0, strength=120.0, freedom=0.3)
TIER_PENALTY = Penalty(inverse_strength=0.3, vector_gain=4.0, feature_gain=0.5)
DOMAIN_PENALTY = Penalty(inverse_strength=0.3, vector_gain=4.0, feature_gain=0.3)


def fit_heads(table: Table, *, tiers: int, domains: int, difficulty: DifficultyScore | None = None) -> Head:
    """Fit one head per tier and one over the domains.

    The tier head t predicts P(tier t's answer is good enough) = P(the row's tier <= t). These are the
    binary problems of Frank and Hall, "A Simple Approach to Ordinal Classification" (ECML 2001), section
    2. The strongest tier is the baseline: its answer counts as good enough, its head is zero. The domain head
    is multinomial.

    With a difficulty score the tier heads have a normal prior whose mean is a multiple of the score and whose
    precision is large where benchmark questions differ from one another and small elsewhere: ordinary prompts go by
    the rows, questions of one kind are ranked by the score.

    Args:
        table: Rows to fit on.
        tiers: Number of tiers.
        domains: Number of domains, two or more; each has rows.
        difficulty: Score that the tier heads are tied to; None for heads of the rows alone.

    Raises:
        ValueError: The rows hold another number of domains.
    """
    found = len(np.unique(table.domain))
    if found != domains or domains == 1:
        raise ValueError(f"the rows hold {found} domains; the artifact is to know {domains}, at least two")
    mean, scale = _standard_of(table, difficulty)
    standard = np.clip((table.features - mean) / scale, -FEATURE_LIMIT, FEATURE_LIMIT)
    width = table.vectors.shape[1] + standard.shape[1]
    tier_weight, tier_bias = np.zeros((tiers, width)), np.zeros(tiers)
    for tier in range(tiers - 1):
        good = table.tier <= tier
        if difficulty is None:
            weight, bias = _fit(table.vectors, standard, good, TIER_PENALTY)
            tier_weight[tier], tier_bias[tier] = weight[0], bias[0]
        else:
            tier_weight[tier], tier_bias[tier] = _fit_tied(table.vectors, standard, good, difficulty)
    domain_weight, domain_bias = _fit_domains(table.vectors, standard, table.domain)
    return Head(
        tier_weight=tier_weight.astype(np.float32),
        tier_bias=tier_bias.astype(np.float32),
        domain_weight=domain_weight.astype(np.float32),
        domain_bias=domain_bias.astype(np.float32),
        feature_mean=mean.astype(np.float32),
        feature_scale=scale.astype(np.float32),
    )


def _fit(
    vectors: NDArray[np.float32],
    standard: NDArray[np.floating[Any]],
    labels: NDArray[np.int64] | NDArray[np.bool_],
    penalty: Penalty,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return weights on the bare inputs, shape (rows, D + F), and biases, with the gains folded in."""
    gains = np.concatenate(
        [np.full(vectors.shape[1], penalty.vector_gain), np.full(standard.shape[1], penalty.feature_gain)]
    )
    inputs = np.concatenate([vectors, standard], axis=1).astype(np.float64) * gains
    model = LogisticRegression(C=penalty.inverse_strength, max_iter=5000, tol=1e-8)
    model.fit(inputs, labels)
    return model.coef_ * gains, model.intercept_


def _standard_of(table: Table, difficulty: DifficultyScore | None) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean and scale of the features; the score's own where there is one, since its weights go by them."""
    if difficulty is not None:
        return difficulty.feature_mean, difficulty.feature_scale
    spread = table.features.std(axis=0)
    scale = np.where(spread > _MIN_SCALE, spread, 1.0)
    return table.features.mean(axis=0).astype(np.float64), scale.astype(np.float64)


def _fit_tied(
    vectors: NDArray[np.float32],
    standard: NDArray[np.float64],
    good: NDArray[np.bool_],
    difficulty: DifficultyScore,
) -> tuple[NDArray[np.float64], float]:
    """Return weights, shape (D + F,), and bias of logistic regression with the prior of `DIFFICULTY_TIE`.

    Newton's method (Hastie et al. 2009, section 4.4.1), its steps bounded so that no log-odds moves by more than 5.
    """
    width = len(difficulty.weight)
    gains = np.concatenate(
        [
            np.full(vectors.shape[1], TIER_PENALTY.vector_gain),
            np.full(standard.shape[1], TIER_PENALTY.feature_gain),
        ]
    )
    precision = np.zeros((width + 1, width + 1))
    precision[:width, :width] = DIFFICULTY_TIE.strength * difficulty.spread
    own = DIFFICULTY_TIE.freedom / (TIER_PENALTY.inverse_strength * gains**2)
    precision[np.diag_indices(width + 1)] += np.append(own, _FLAT)
    centre = np.append(-DIFFICULTY_TIE.slope * difficulty.weight, 0.0)
    inputs = np.concatenate([vectors, standard, np.ones((len(good), 1))], axis=1).astype(np.float64)
    weights = centre.copy()
    for _ in range(_MAX_STEPS):
        probability = expit(inputs @ weights)
        gradient = inputs.T @ (probability - good) + precision @ (weights - centre)
        curvature = (inputs * (probability * (1 - probability))[:, None]).T @ inputs + precision
        step = np.linalg.solve(curvature, gradient)
        reach = float(np.abs(inputs @ step).max())
        weights = weights - step * min(1.0, _MAX_MOVE / max(reach, _TINY))
        if reach < _TINY:
            break
    return weights[:width], float(weights[width])


def _fit_domains(
    vectors: NDArray[np.float32], standard: NDArray[np.floating[Any]], domain: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return one row of weights and one bias per domain; of two domains scikit-learn gives the difference."""
    weight, bias = _fit(vectors, standard, domain, DOMAIN_PENALTY)
    if len(bias) > 1:
        return weight, bias
    return np.concatenate([-weight / 2, weight / 2]), np.concatenate([-bias / 2, bias / 2])
