"""From a raw confidence to log-odds: calibrated, and strictly rising, so that the order of answers stays.

The weighted mean of two calibrations, one stiff and one free; the stiff one has half of the weight up to 300 rows,
then less and less:

- a logistic on the normal score of the confidence's rank (Platt 1999, on ranks: raw confidences crowd at 1 on no scale
  that holds for all models);
- isotonic regression averaged over bootstrap samples (Zadrozny and Elkan 2002; Breiman 1996 on bagging). A single
  isotonic fit has steps, and its ties cost discrimination; so do the averages of Venn-Abers (Vovk and Petej 2014).

On left-out rows of eight models and four sets, 500 calibration rows, it alone never lost discrimination: isotonic and
Venn-Abers lost up to .017 AUROC, Platt's and beta calibration on log-odds up to .08 where confidences crowd at 1. All
are about equally well calibrated there (benchmarks/results/gate.json, "methods").
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm
from sklearn.isotonic import IsotonicRegression

from tiergate.policy.gate_calibration import PRIOR_SPREAD, score_by_prior
from tiergate_classifier.logistic import fit_logistic, log_odds_of, sigmoid

Floats = NDArray[np.float64]
Scale = Literal["probability", "number"]

MIN_ROWS = 20
"""Below this many outcomes the documented prior's map is only shifted, not replaced."""

_BAGS = 50
_MAX_STIFF, _STIFF_ROWS = 0.5, 300.0
_KNOTS = 64
_RANK_KNOTS = 256
_SLOPE_CENTRE, _SLOPE_PRECISION, _MIN_SLOPE = 0.5, 1.0, 0.02
_SHIFT_PRECISION = 1 / PRIOR_SPREAD**2
_LEAST = 1e-15
_STEP = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ConfidenceMap:
    """Knots of a strictly rising map.

    Attributes:
        scale: Whether the knots are log-odds of a probability, or places on the confidence's own scale.
        knots: Shape (k,), strictly rising.
        log_odds: Log-odds of a good answer at the knots, shape (k,), strictly rising.
        spread: Standard deviation of the log-odds over bootstrap samples, averaged over the knots.
    """

    scale: Scale
    knots: Floats
    log_odds: Floats
    spread: float

    def apply(self, confidence: Floats) -> Floats:
        """Return log-odds, shape (n,), as `policy.gate_calibration` computes them between the outermost knots."""
        return np.asarray(np.interp(place_of(confidence, self.scale), self.knots, self.log_odds))


def scale_of(confidence: Floats) -> Scale:
    """Return "probability" when every confidence lies in [0, 1]."""
    return "probability" if bool(np.all((confidence >= 0) & (confidence <= 1))) else "number"


def place_of(confidence: Floats, scale: Scale) -> Floats:
    """Return the places of confidences on the scale of the knots, shape (n,)."""
    return log_odds_of(confidence, least=_LEAST) if scale == "probability" else confidence


def fit_confidence_map(confidence: Floats, good: Floats, *, scale: Scale, seed: int) -> ConfidenceMap | None:
    """Fit the map on rows that have a confidence; None when too few do and their scale is no probability.

    Args:
        confidence: Finite, shape (n,).
        good: Outcomes between 0 and 1, shape (n,).
        scale: Scale of the confidence.
        seed: Seed of the bootstrap samples.
    """
    if len(good) < MIN_ROWS or len(np.unique(confidence)) < 2:  # noqa: PLR2004 - one value has no order
        return _shift_prior(confidence, good) if scale == "probability" else None
    places = place_of(confidence, scale)
    knots = np.unique(np.quantile(places, np.linspace(0, 1, _KNOTS)))
    stiff = _fit_on_ranks(places, good, knots)
    generator = np.random.default_rng(seed)
    bags = np.empty((_BAGS, len(knots)))
    for bag in bags:
        rows = generator.integers(0, len(good), len(good))
        isotonic = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip").fit(places[rows], good[rows])
        bag[:] = isotonic.predict(knots)
    share = min(_MAX_STIFF, _STIFF_ROWS / (_STIFF_ROWS + len(good)))
    blended = log_odds_of(share * stiff + (1 - share) * bags.mean(axis=0), least=1e-6)
    spread = float(log_odds_of(share * stiff + (1 - share) * bags, least=1e-6).std(axis=0).mean())
    return ConfidenceMap(scale=scale, knots=knots, log_odds=_rising(blended), spread=spread)


def _fit_on_ranks(places: Floats, good: Floats, knots: Floats) -> Floats:
    """Return P(good) at the knots by a logistic on normal scores of ranks, slope above 0."""
    ordered = np.sort(places)
    values, starts, counts = np.unique(ordered, return_index=True, return_counts=True)
    ranks = (starts + counts / 2) / len(ordered)
    if len(values) > _RANK_KNOTS:
        kept = np.unique(np.linspace(0, len(values) - 1, _RANK_KNOTS).round().astype(int))
        values, ranks = values[kept], ranks[kept]
    scores = norm.ppf(np.interp(places, values, ranks))
    weights = fit_logistic(
        np.column_stack([np.ones(len(scores)), scores]),
        good,
        penalty=np.array([1e-3, _SLOPE_PRECISION]),
        centre=np.array([0.0, _SLOPE_CENTRE]),
    )
    at_knots = norm.ppf(np.interp(knots, values, ranks))
    return sigmoid(weights[0] + max(weights[1], _MIN_SLOPE) * at_knots)


def _shift_prior(confidence: Floats, good: Floats) -> ConfidenceMap:
    """Move the documented prior's map up or down by what a few outcomes say, shrunk to not at all."""
    grid = sigmoid(np.linspace(-6.9, 6.9, 47))
    prior = log_odds_of(np.array([score_by_prior(one).probability for one in grid.tolist()]))
    knots = log_odds_of(grid)
    offset = np.interp(log_odds_of(confidence), knots, prior)
    ones = np.ones((len(good), 1))
    shift = fit_logistic(ones, good, penalty=np.array([_SHIFT_PRECISION]), offset=offset)[0]
    spread = float(1 / np.sqrt(_SHIFT_PRECISION + len(good) / 4))
    return ConfidenceMap(scale="probability", knots=knots, log_odds=_rising(prior + shift), spread=spread)


def _rising(log_odds: Floats) -> Floats:
    """Make rising values strictly so."""
    floor = np.maximum.accumulate(log_odds - _STEP * np.arange(len(log_odds)))
    return np.asarray(floor + _STEP * np.arange(len(log_odds)))
