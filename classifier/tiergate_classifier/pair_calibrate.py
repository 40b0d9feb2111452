"""Refit the pair model on a deployment's labelled pairs and find its cut, each row used for both and never at once.

Labelled pairs are scarce, and both the fit and the cut want them. Cross-fitting gives both all rows: each row is scored
by a model that was fitted without its fold, the cut is found on those scores, and the model that serves is fitted on
every row. The cut's rows are thus never rows of the fit that scored them, which is asserted. The serving model saw a
quarter more rows than those that the cut was found with; what that does is measured (benchmarks/cache_pairs.py).

The refit averages two ridge logistic regressions: one over the surface features and the shipped model's score, one over
|u - v| and u * v as well. The first is sure with few rows, the second learns what the vectors know of this traffic.
Where cosine orders the top of the labelled pairs better than the refit does, a model of cosine alone takes its place.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from tiergate.policy.error_bound import ErrorCut, decide_cut
from tiergate.policy.pair_features import FEATURES
from tiergate.policy.pair_model import PairModel
from tiergate_classifier.pair_data import PairInputs

FOLDS = 5
MIN_REFIT_ROWS = 300
"""Fewer labelled pairs than this only set the cut of the shipped model."""

MIN_REFIT_PER_LABEL = 40

SURFACE_STRENGTH, VECTOR_STRENGTH, VECTOR_SCALE = 0.03, 0.03, 0.5
"""Inverse ridge penalties of the two regressions, and what the vectors are scaled by beside the features."""

COSINE_FREEDOM, SHIPPED_FREEDOM = 10.0, 3.0
"""What the columns of cosine and of the shipped score are multiplied by before the ridge, so that it hardly shrinks
them: with few rows the fit then falls back to cosine, and not to nothing."""

WRONG_WEIGHT = 3.0
"""What a pair that shares no answer counts beside one that does. It turns the fit to the pure end of the scores, where
bounds are met; the intercept is moved back, so that the scores stay log-odds."""

TOLERANCE = 1e-3
"""Where the fits end. With 1e-4 they take twice as long, and the hits differ by less than a hundredth of them."""

CONFIDENCE = 0.95

TOP_SHARE = 0.25
"""What of the pairs is looked at to tell which score orders the top better: bounds are met there and nowhere else."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Calibrated:
    """A calibrated model and the cosine cut found by the same procedure on the same rows.

    Attributes:
        model: The model, its cuts on its own score.
        static: The cut on cosine alone, by bound.
        refitted: Whether the rows refitted the model, or only set the cut of the one given.
        labelled: Labelled pairs behind the cuts.
        scores: Score of each labelled pair by a model that did not see it, shape (labelled,); None without any.
    """

    model: PairModel
    static: dict[float, ErrorCut]
    refitted: bool
    labelled: int
    scores: NDArray[np.float64] | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FurtherPairs:
    """Pairs without labels that the cut will be used on.

    Attributes:
        features: Shape (M, F).
        vectors: Shape (M, 2 * D).
    """

    features: NDArray[np.float32]
    vectors: NDArray[np.float32]


def calibrate(
    inputs: PairInputs,
    base: PairModel,
    *,
    max_errors: Sequence[float],
    seed: int,
    confidence: float = CONFIDENCE,
    further: FurtherPairs | None = None,
) -> Calibrated:
    """Refit on labelled pairs and find the cut of each bound.

    Args:
        inputs: The labelled pairs; none may be among `further`.
        base: The model to start from.
        max_errors: Error bounds.
        seed: Decides the folds.
        confidence: Chance that a bound holds.
        further: What the cuts will be used on; its observed share of errors is bounded as well.
    """
    refitted = _enough(inputs)
    if refitted:
        scores, model = _fit(inputs, base, seed)
    else:
        scores, model = base.scores(inputs.features, inputs.vectors), base
    ahead = None if further is None else model.scores(further.features, further.vectors)
    ahead_cosine = None if further is None else further.features[:, FEATURES.index("cosine")].astype(np.float64)
    cuts = {
        error: decide_cut(scores, inputs.labels, max_error=error, confidence=confidence, further_scores=ahead)
        for error in max_errors
    }
    static = {
        error: decide_cut(
            inputs.cosine, inputs.labels, max_error=error, confidence=confidence, further_scores=ahead_cosine
        )
        for error in max_errors
    }
    served = replace(model, cuts=cuts)
    return Calibrated(model=served, static=static, refitted=refitted, labelled=len(inputs), scores=scores)


def _fit(inputs: PairInputs, base: PairModel, seed: int) -> tuple[NDArray[np.float64], PairModel]:
    """Return the score of each row by a model that did not see it, and the model that serves."""
    scores = cross_fit(inputs, base, seed=seed)
    if top_precision(scores, inputs.labels) >= top_precision(inputs.cosine, inputs.labels):
        return scores, refit(inputs, base)
    model = fit_cosine(inputs, base)
    return model.scores(inputs.features, inputs.vectors), model


def top_precision(scores: NDArray[np.float64], labels: NDArray[np.bool_]) -> float:
    """Return the precision averaged over every cut that serves at most `TOP_SHARE` of the pairs."""
    count = max(1, round(len(scores) * TOP_SHARE))
    right = labels[np.argsort(-scores, kind="stable")][:count]
    return float((np.cumsum(right) / np.arange(1, count + 1)).mean())


def fit_cosine(inputs: PairInputs, base: PairModel) -> PairModel:
    """Return a model of cosine alone, in the shape of `base`; its order is that of cosine whatever the labels."""
    cosine = inputs.cosine
    centre, spread = float(cosine.mean()), float(cosine.std()) + 1e-6
    weight, bias = _logistic(((cosine - centre) / spread)[:, None].astype(np.float32), inputs.labels, 1.0)
    slope = max(float(weight[0]), 1e-3) / spread
    features = np.zeros_like(base.feature_weight)
    features[FEATURES.index("cosine")] = slope
    return PairModel(
        feature_weight=features,
        vector_weight=np.zeros_like(base.vector_weight),
        bias=bias - slope * centre,
        cuts={},
    )


def cross_fit(inputs: PairInputs, base: PairModel, *, seed: int, folds: int = FOLDS) -> NDArray[np.float64]:
    """Return for each row the score of a model that was refitted without its fold, shape (N,)."""
    fold = np.random.default_rng(seed).permutation(len(inputs)) % folds
    scores = np.zeros(len(inputs))
    for number in range(folds):
        fitted, scored = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
        if np.intersect1d(fitted, scored).size:
            raise AssertionError("a row would set the cut and fit the model that scores it")
        rows = inputs.take(scored)
        scores[scored] = refit(inputs.take(fitted), base).scores(rows.features, rows.vectors)
    return scores


def refit(inputs: PairInputs, base: PairModel) -> PairModel:
    """Return the shipped model's score refined by the surface features and the vectors of labelled pairs.

    Args:
        inputs: Labelled pairs with both labels among them.
        base: The model to start from.
    """
    mean = inputs.features.mean(axis=0)
    scale = inputs.features.std(axis=0) + np.float32(0.05)
    shipped = base.scores(inputs.features, inputs.vectors)
    centre, spread = float(shipped.mean()), float(shipped.std()) + 1e-6
    freedom = _freedom()
    columns = np.column_stack([(inputs.features - mean) / scale, (shipped - centre) / spread])
    surface = (columns * freedom).astype(np.float32)
    whole = np.hstack([surface, inputs.vectors * np.float32(VECTOR_SCALE)])
    width = surface.shape[1]
    narrow, narrow_bias = _logistic(surface, inputs.labels, SURFACE_STRENGTH, wrong=WRONG_WEIGHT)
    wide, wide_bias = _logistic(whole, inputs.labels, VECTOR_STRENGTH, wrong=WRONG_WEIGHT)
    mixed = (narrow + wide[:width]) / 2 * freedom
    share = mixed[-1] / spread
    feature_weight = mixed[:-1] / scale + share * base.feature_weight
    vector_weight = wide[width:] / 2 * VECTOR_SCALE + share * base.vector_weight
    bias = (narrow_bias + wide_bias) / 2 - float(mixed[:-1] @ (mean / scale)) + share * (base.bias - centre)
    return PairModel(
        feature_weight=feature_weight.astype(np.float32),
        vector_weight=vector_weight.astype(np.float32),
        bias=float(bias),
        cuts={},
    )


def _enough(inputs: PairInputs) -> bool:
    positives = int(np.count_nonzero(inputs.labels))
    return len(inputs) >= MIN_REFIT_ROWS and min(positives, len(inputs) - positives) >= MIN_REFIT_PER_LABEL


def _freedom() -> NDArray[np.float64]:
    """Return what each surface column is multiplied by, the shipped score last; shape (F + 1,)."""
    freedom = np.ones(len(FEATURES) + 1)
    freedom[[FEATURES.index("cosine"), FEATURES.index("log_distance")]] = COSINE_FREEDOM
    freedom[-1] = SHIPPED_FREEDOM
    return freedom


def _logistic(
    rows: NDArray[np.float32], labels: NDArray[np.bool_], strength: float, *, wrong: float = 1.0
) -> tuple[NDArray[np.float64], float]:
    """Return weights and intercept; pairs that share no answer count `wrong` times, and the odds are put right again.

    The weights sum up to the number of rows, so that the penalty means the same whatever `wrong` is.
    """
    weights = np.where(labels, 1.0, wrong)
    model = LogisticRegression(C=strength, max_iter=500, tol=TOLERANCE)
    model.fit(rows, labels, sample_weight=weights * (len(labels) / weights.sum()))
    return model.coef_[0].astype(np.float64), float(model.intercept_[0]) + math.log(wrong)
