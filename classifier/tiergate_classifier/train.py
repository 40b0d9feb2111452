"""Fit the heads: regularised logistic regression on [vector, standardised features]."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from tiergate.artifact_format import Head
from tiergate_classifier.data import Table

_MIN_SCALE = 1e-3


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


TIER_PENALTY = Penalty(inverse_strength=0.3, vector_gain=4.0, feature_gain=0.5)
DOMAIN_PENALTY = Penalty(inverse_strength=0.3, vector_gain=4.0, feature_gain=0.3)


def fit_heads(table: Table, *, tiers: int, domains: int) -> Head:
    """Fit one head per tier and one over the domains.

    The tier head t predicts P(tier t's answer is good enough) = P(the row's tier <= t). These are the
    binary problems of Frank and Hall, "A Simple Approach to Ordinal Classification" (ECML 2001), section
    2. The strongest tier is the baseline: its answer counts as good enough, its head is zero. The domain head
    is multinomial.

    Args:
        table: Rows to fit on.
        tiers: Number of tiers.
        domains: Number of domains, two or more; each has rows.

    Raises:
        ValueError: The rows hold another number of domains.
    """
    found = len(np.unique(table.domain))
    if found != domains or domains == 1:
        raise ValueError(f"the rows hold {found} domains; the artifact is to know {domains}, at least two")
    mean = table.features.mean(axis=0)
    scale = np.where(table.features.std(axis=0) > _MIN_SCALE, table.features.std(axis=0), 1.0)
    standard = (table.features - mean) / scale
    width = table.vectors.shape[1] + standard.shape[1]
    tier_weight, tier_bias = np.zeros((tiers, width)), np.zeros(tiers)
    for tier in range(tiers - 1):
        weight, bias = _fit(table.vectors, standard, table.tier <= tier, TIER_PENALTY)
        tier_weight[tier], tier_bias[tier] = weight[0], bias[0]
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
    standard: NDArray[np.float32],
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


def _fit_domains(
    vectors: NDArray[np.float32], standard: NDArray[np.float32], domain: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return one row of weights and one bias per domain; of two domains scikit-learn gives the difference."""
    weight, bias = _fit(vectors, standard, domain, DOMAIN_PENALTY)
    if len(bias) > 1:
        return weight, bias
    return np.concatenate([-weight / 2, weight / 2]), np.concatenate([-bias / 2, bias / 2])
