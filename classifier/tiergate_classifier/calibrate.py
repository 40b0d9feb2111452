"""Turn the heads' outputs into probabilities and lower bounds, on rows that the heads have not seen."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize, minimize_scalar
from scipy.special import expit, log_softmax, softmax

from tiergate.artifact_format import Calibration, DomainCalibration, TierCalibration
from tiergate_classifier.data import Table
from tiergate_classifier.difficulty import DifficultyScore
from tiergate_classifier.splits import fold_rows
from tiergate_classifier.train import fit_heads

CONFIDENCE = 0.95
MIN_RECALL = 0.95
KNOTS = 65
RESAMPLES = 1000
_SEED = 20_250_101
_MAX_KNOT = 12.0
_DIGITS = 6

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Outputs:
    """What heads say of rows they were not fitted on: n rows, T tiers, K domains.

    Attributes:
        tier_log_odds: Shape (n, T).
        domain_logits: Shape (n, K).
    """

    tier_log_odds: Floats
    domain_logits: Floats


def cross_fit(
    table: Table,
    groups: NDArray[np.int64],
    *,
    tiers: int,
    domains: int,
    difficulty: DifficultyScore | None = None,
) -> Outputs:
    """Return for each row the outputs of heads that were fitted on the other folds.

    This way every row serves the heads that ship (fitted on all of them) and their calibration, as in
    scikit-learn's CalibratedClassifierCV(ensemble=False). On this workload it lets a fifth more of the simple
    prompts reach 0.95 than a calibration split that the heads never use. The heads of a fold have seen a
    tenth fewer rows than those that ship, so their outputs are a little less sharp: the calibration errs on
    the careful side.

    Args:
        table: Development rows.
        groups: Group number per row, shape (n,); a group is in one fold.
        tiers: Number of tiers.
        domains: Number of domains.
        difficulty: Score that the tier heads are tied to, see `fit_heads`.
    """
    tier_log_odds = np.zeros((len(groups), tiers))
    domain_logits = np.zeros((len(groups), domains))
    for fold in fold_rows(groups):
        head = fit_heads(table.take(fold.train), tiers=tiers, domains=domains, difficulty=difficulty)
        rows, at = table.take(fold.calibration), np.asarray(fold.calibration)
        tier_log_odds[at], domain_logits[at] = head.log_odds(rows.vectors, rows.features)
    return Outputs(tier_log_odds=tier_log_odds, domain_logits=domain_logits)


def calibrate(
    table: Table,
    outputs: Outputs,
    groups: NDArray[np.int64],
    *,
    tiers: Sequence[str],
    domains: Sequence[str],
    safety: Sequence[str],
) -> Calibration:
    """Calibrate all heads.

    Args:
        table: Rows.
        outputs: What heads that were fitted on other rows say of them.
        groups: Group number per row, shape (n,); rows of a group are resampled together.
        tiers: Tiers, cheapest first.
        domains: Domains.
        safety: Domains that get a cut by recall.
    """
    curves = {
        tier: platt_with_bound(outputs.tier_log_odds[:, place], table.tier <= place, groups)
        for place, tier in enumerate(tiers[:-1])
    }
    curves[tiers[-1]] = TierCalibration(knots=(0.0,), probability=(1.0,), lower_bound=(1.0,))
    return Calibration(
        confidence=CONFIDENCE,
        tiers=curves,
        domains=calibrate_domains(outputs.domain_logits, table.domain, domains, safety),
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
