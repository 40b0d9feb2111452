"""Turn the heads' outputs into probabilities and lower bounds, on rows that the heads have not seen."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize, minimize_scalar
from scipy.special import expit, log_softmax, softmax

from tiergate.artifact_format import Calibration, DomainCalibration, Head, TierCalibration
from tiergate_classifier.data import Table

CONFIDENCE = 0.95
MIN_RECALL = 0.95
KNOTS = 65
RESAMPLES = 1000
_SEED = 20_250_101
_MAX_KNOT = 12.0
_DIGITS = 6

Floats = NDArray[np.float64]


def calibrate(
    table: Table,
    head: Head,
    groups: NDArray[np.int64],
    *,
    tiers: Sequence[str],
    domains: Sequence[str],
    safety: Sequence[str],
) -> Calibration:
    """Calibrate all heads.

    Args:
        table: Calibration rows.
        head: Heads that were fitted on other rows.
        groups: Group number per row; rows of a group are resampled together. Shape (n,).
        tiers: Tiers, cheapest first.
        domains: Domains.
        safety: Domains that get a cut by recall.
    """
    tier_log_odds, domain_logits = head.log_odds(table.vectors, table.features)
    curves: dict[str, TierCalibration] = {}
    for place, tier in enumerate(tiers[:-1]):
        curves[tier] = platt_with_bound(tier_log_odds[:, place].astype(np.float64), table.tier <= place, groups)
    curves[tiers[-1]] = TierCalibration(knots=(0.0,), probability=(1.0,), lower_bound=(1.0,))
    return Calibration(
        confidence=CONFIDENCE,
        tiers=curves,
        domains=calibrate_domains(domain_logits.astype(np.float64), table.domain, domains, safety),
    )


def platt_with_bound(log_odds: Floats, good: NDArray[np.bool_], groups: NDArray[np.int64]) -> TierCalibration:
    """Fit Platt's sigmoid and a lower confidence bound of it.

    The sigmoid: Platt, "Probabilistic Outputs for Support Vector Machines" (1999), section 2.2, with his
        smoothed targets,
    which keep a separable sample from claiming certainty. The bound at a score is the 5 % quantile of the
    sigmoids refitted on `RESAMPLES` bootstrap samples of groups (percentile bootstrap, Efron and
    Tibshirani 1993, chapter 13), one-sided.

    What the bound covers: that another sample of calibration rows would have given another sigmoid. What
        it does not: a
    curve that is no sigmoid, and traffic unlike the rows. A bound without the sigmoid (Clopper-Pearson on
    the rows near the score) needs 59 rows without one error to reach 0.95 and so 59 rows per score; a few
    hundred rows do not have them. The test rows show whether the promise held.

    Args:
        log_odds: Shape (n,).
        good: Whether the tier is good enough for the row, shape (n,).
        groups: Group number per row, shape (n,).
    """
    knots = np.linspace(-_MAX_KNOT, _MAX_KNOT, KNOTS)
    probability = _platt(log_odds, good, np.ones(len(good)))(knots)
    random = np.random.default_rng(_SEED)
    names, member = np.unique(groups, return_inverse=True)
    curves = np.empty((RESAMPLES, KNOTS))
    for turn in range(RESAMPLES):
        drawn = np.bincount(random.integers(len(names), size=len(names)), minlength=len(names))
        curves[turn] = _platt(log_odds, good, drawn[member].astype(np.float64))(knots)
    bound = np.minimum(np.quantile(curves, 1 - CONFIDENCE, axis=0), probability)
    return TierCalibration(
        knots=_rounded(knots),
        probability=_rounded(np.maximum.accumulate(probability)),
        lower_bound=_rounded(np.maximum.accumulate(bound)),
    )


class _Sigmoid:
    """P = 1 / (1 + exp(-(slope * x + offset)))."""

    def __init__(self, slope: float, offset: float) -> None:
        self._slope, self._offset = slope, offset

    def __call__(self, log_odds: Floats) -> Floats:
        return np.asarray(expit(self._slope * log_odds + self._offset), dtype=np.float64)


def _platt(log_odds: Floats, good: NDArray[np.bool_], weight: Floats) -> _Sigmoid:
    positive, negative = weight[good].sum(), weight[~good].sum()
    target = np.where(good, (positive + 1) / (positive + 2), 1 / (negative + 2))

    def loss(parameters: Floats) -> tuple[float, Floats]:
        slope, offset = np.exp(parameters[0]), parameters[1]  # a slope above 0 keeps the curve rising
        logits = slope * log_odds + offset
        value = float(weight @ (np.logaddexp(0, logits) - target * logits))
        error = weight * (expit(logits) - target)
        return value, np.array([slope * (error @ log_odds), error.sum()])

    found = minimize(loss, np.zeros(2), jac=True, method="L-BFGS-B", bounds=[(-4.0, 4.0), (-20.0, 20.0)])
    return _Sigmoid(float(np.exp(found.x[0])), float(found.x[1]))


def calibrate_domains(
    logits: Floats, domain: NDArray[np.int64], domains: Sequence[str], safety: Sequence[str]
) -> DomainCalibration:
    """Fit one temperature, and for each safety domain the highest cut that keeps `MIN_RECALL` of its rows.

    Temperature: Guo et al., "On Calibration of Modern Neural Networks" (ICML 2017), section 4.2.

    Args:
        logits: Shape (n, K).
        domain: Index of each row's domain, shape (n,).
        domains: Names, K of them.
        safety: Names of the domains that get a cut.
    """

    def loss(log_temperature: float) -> float:
        return float(-log_softmax(logits / np.exp(log_temperature), axis=1)[np.arange(len(domain)), domain].mean())

    temperature = float(np.exp(minimize_scalar(loss, bounds=(-3.0, 3.0), method="bounded").x))
    temperature = round(temperature, _DIGITS)
    scores = softmax(logits / temperature, axis=1)
    cuts: Mapping[str, float] = {
        name: recall_cut(scores[domain == domains.index(name), domains.index(name)]) for name in safety
    }
    return DomainCalibration(temperature=temperature, min_scores=cuts)


def recall_cut(scores: Floats) -> float:
    """Return the highest cut, rounded down, that at least `MIN_RECALL` of the scores reach."""
    allowed = int(np.floor((1 - MIN_RECALL) * len(scores) + 1e-9))
    return float(np.floor(np.sort(scores)[allowed] * 1e4) / 1e4)


def _rounded(values: Floats) -> tuple[float, ...]:
    return tuple(float(value) for value in np.round(values, _DIGITS))
