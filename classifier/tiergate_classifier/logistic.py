"""Penalised logistic regression with an offset and soft targets, in numpy.

scikit-learn's takes neither an offset nor targets between 0 and 1, and both are needed to calibrate: the offset keeps a
score's order while other evidence is shrunk towards saying nothing.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_STEPS = 60
_LIMIT = 35.0


def sigmoid(log_odds: Floats) -> Floats:
    """Return the probabilities of log-odds, without overflow."""
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(log_odds, -_LIMIT, _LIMIT))))


def log_odds_of(probability: Floats, *, least: float = 1e-12) -> Floats:
    """Return the log-odds of probabilities, those nearer to 0 or 1 than `least` pulled in."""
    inside = np.clip(probability, least, 1.0 - least)
    return np.asarray(np.log(inside) - np.log1p(-inside))


def log_loss(log_odds: Floats, good: Floats) -> Floats:
    """Return the logarithmic loss of each row, shape (n,)."""
    return np.asarray(np.logaddexp(0.0, log_odds) - good * log_odds)


def fit_logistic(
    inputs: Floats,
    good: Floats,
    *,
    penalty: Floats,
    centre: Floats | None = None,
    offset: Floats | None = None,
) -> Floats:
    """Return the weights that minimise log-loss plus `sum(penalty * (weights - centre) ** 2) / 2`.

    Newton's method with halved steps (Hastie et al. 2009, section 4.4.1); the penalty is a normal prior.

    Args:
        inputs: Shape (n, m); a column of ones makes an intercept.
        good: Targets between 0 and 1, shape (n,).
        penalty: Precision of the prior of each weight, shape (m,).
        centre: Mean of the prior, shape (m,); None for 0.
        offset: Log-odds added to every row, shape (n,); None for 0.

    Returns:
        Shape (m,).
    """
    middle = np.zeros(inputs.shape[1]) if centre is None else centre
    base = np.zeros(len(good)) if offset is None else offset
    weights = middle.copy()

    def objective(candidate: Floats) -> float:
        prior = float(np.sum(penalty * (candidate - middle) ** 2)) / 2
        return float(log_loss(base + inputs @ candidate, good).sum()) + prior

    value = objective(weights)
    for _ in range(_STEPS):
        probability = sigmoid(base + inputs @ weights)
        gradient = inputs.T @ (probability - good) + penalty * (weights - middle)
        curvature = (inputs * (probability * (1 - probability))[:, None]).T @ inputs + np.diag(penalty + 1e-9)
        step = np.linalg.solve(curvature, gradient)
        size = 1.0
        while objective(weights - size * step) > value and size > 1e-6:  # noqa: PLR2004 - gives up halving
            size /= 2
        weights = weights - size * step
        before, value = value, objective(weights)
        if before - value < 1e-9 * (1 + abs(value)):
            break
    return np.asarray(weights)
