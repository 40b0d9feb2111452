"""Retrain the tier heads on a team's own labels, starting from an artifact in force. Needs numpy only.

The new head is `a * (the base head's log-odds) + c + w . [vector, features]`, an L2-penalised logistic regression in
which only `w` is held back. With few rows the penalty chosen by cross-validation is large, `w` is near 0, and the new
head is the base head with its calibration moved; with many rows `w` takes over. Domain heads and the standardisation
of the features are the base's, unchanged.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tiergate.artifact import Artifact
from tiergate.artifact_format import Calibration, Head, TierCalibration
from tiergate_classifier.label_rows import LabelArrays
from tiergate_classifier.risk_control import control_risk
from tiergate_classifier.selection import group_vectors

PENALTIES: Final = (1000.0, 100.0, 30.0, 10.0, 3.0, 1.0)
"""Candidates for the strength that holds `w` back, strongest first."""

FOLDS: Final = 5
MIN_QUALITY: Final = 0.95
MIN_ROWS: Final = 20
VECTOR_GAIN: Final = 4.0
FEATURE_GAIN: Final = 0.5
RESAMPLES: Final = 400
CONFIDENCE: Final = 0.95
KNOTS: Final = 65
_MAX_KNOT: Final = 12.0
_LIMIT: Final = 4.0
_SEED: Final = 20_250_101
_EPS: Final = 1e-12
_SMALLEST_STEP: Final = 1e-4

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Retrained:
    """New heads and calibration.

    Attributes:
        head: The heads.
        calibration: Calibration of the tiers; that of the domains is the base's.
        log_odds: Cross-fitted log-odds of the rows, shape (n, T).
        penalties: Penalty chosen for each tier but the strongest.
    """

    head: Head
    calibration: Calibration
    log_odds: Floats
    penalties: tuple[float, ...]


def retrain(base: Artifact, labels: LabelArrays, *, min_quality: float = MIN_QUALITY) -> Retrained:
    """Fit the tier heads and their calibration.

    Args:
        base: The artifact to start from; its tiers are those of the labels, cheapest first.
        labels: Rows to fit on.
        min_quality: Share of good answers that risk control is to meet.

    Raises:
        ValueError: There are fewer than `MIN_ROWS` rows.
    """
    if len(labels.rows) < MIN_ROWS:
        raise ValueError(f"{len(labels.rows)} rows are too few to train on; label at least {MIN_ROWS}")
    groups = group_vectors(labels.vectors)
    offset = base.head.log_odds(labels.vectors, labels.features)[0]
    # Ridge does not change when the inputs are turned into their row space, and that is small with few rows.
    left, singular, back = np.linalg.svd(_inputs(base, labels), full_matrices=False)
    inputs = left * singular
    tiers = len(base.tiers)
    weight, bias = base.head.tier_weight.astype(np.float64).copy(), base.head.tier_bias.astype(np.float64).copy()
    log_odds, penalties = np.zeros((len(labels.rows), tiers)), []
    curves = dict(base.calibration.tiers)
    for tier in range(tiers - 1):
        design = np.concatenate([np.ones((len(inputs), 1)), offset[:, tier : tier + 1], inputs], axis=1)
        good = labels.good[:, tier].astype(np.float64)
        penalty, log_odds[:, tier] = _choose_penalty(design, good, labels.weight, groups)
        penalties.append(penalty)
        found = fit_logistic(design, good, labels.weight, _strengths(design.shape[1], penalty))
        gains = _gains(base)
        weight[tier] = found[1] * weight[tier] + (found[2:] @ back) * gains
        bias[tier] = found[1] * bias[tier] + found[0]
        curves[base.tiers[tier]] = calibrate_scores(log_odds[:, tier], good, labels.weight, groups)
    head = replace(base.head, tier_weight=weight.astype(np.float32), tier_bias=bias.astype(np.float32))
    calibration = _calibration(base, curves, log_odds, labels, min_quality)
    return Retrained(head=head, calibration=calibration, log_odds=log_odds, penalties=tuple(penalties))


def recalibrate(base: Artifact, labels: LabelArrays, *, min_quality: float = MIN_QUALITY) -> Calibration:
    """Return the base's calibration with the tiers' curves refitted on the labels; the heads stay as they are.

    Raises:
        ValueError: There are fewer than `MIN_ROWS` rows.
    """
    if len(labels.rows) < MIN_ROWS:
        raise ValueError(f"{len(labels.rows)} rows are too few to calibrate on; label at least {MIN_ROWS}")
    groups = group_vectors(labels.vectors)
    log_odds = base.head.log_odds(labels.vectors, labels.features)[0].astype(np.float64)
    curves = dict(base.calibration.tiers)
    for place, tier in enumerate(base.tiers[:-1]):
        good = labels.good[:, place].astype(np.float64)
        curves[tier] = calibrate_scores(log_odds[:, place], good, labels.weight, groups)
    return _calibration(base, curves, log_odds, labels, min_quality)


def _calibration(
    base: Artifact, curves: Mapping[str, TierCalibration], log_odds: Floats, labels: LabelArrays, min_quality: float
) -> Calibration:
    """Return the calibration, with the cut of each tier but the strongest chosen anew by risk control on the labels.

    Rows were scored by heads of other folds. Few labels may control no cut of a tier; then the tier is not used.
    """
    cuts = {}
    for place, tier in enumerate(base.tiers[:-1]):
        bounds = np.interp(log_odds[:, place], curves[tier].knots, curves[tier].lower_bound)
        good = labels.good[:, place].astype(np.bool_)
        cuts[tier] = control_risk(bounds, good, min_quality=min_quality, confidence=CONFIDENCE)
    return Calibration(confidence=CONFIDENCE, tiers=curves, domains=base.calibration.domains, cuts=cuts)


def fit_logistic(design: Floats, target: Floats, weight: Floats, strength: Floats) -> Floats:
    """Fit a logistic regression by Newton's method with step halving; return the coefficients, shape (d,).

    Args:
        design: Shape (n, d).
        target: Targets in [0, 1], shape (n,).
        weight: Weight of each row, shape (n,).
        strength: L2 penalty of each coefficient, shape (d,); a tiny one is added so that the fit always exists.
    """
    held = strength + 1e-6
    found = np.zeros(design.shape[1])
    best = _loss(design @ found, target, weight) + 0.5 * float(held @ found**2)
    for _ in range(50):
        p = _sigmoid(design @ found)
        gradient = design.T @ (weight * (p - target)) + held * found
        curvature = (design * (weight * np.maximum(p * (1 - p), 1e-6))[:, np.newaxis]).T @ design + np.diag(held)
        step = np.linalg.solve(curvature, gradient)
        size, trial, loss = 1.0, found, best
        while size > _SMALLEST_STEP:
            trial = found - size * step
            loss = _loss(design @ trial, target, weight) + 0.5 * float(held @ trial**2)
            if loss <= best:
                break
            size /= 2
        else:
            break
        done = best - loss < 1e-8 * (1 + abs(best))
        found, best = trial, loss
        if done:
            break
    return np.asarray(found)


def calibrate_scores(log_odds: Floats, good: Floats, weight: Floats, groups: NDArray[np.int64]) -> TierCalibration:
    """Fit Platt's sigmoid and its lower bound by a grouped bootstrap; see `calibrate.platt_with_bound`.

    Args:
        log_odds: Outputs of heads that have not seen the rows, shape (n,).
        good: Shape (n,), 0 or 1.
        weight: Shape (n,).
        groups: Group number per row, shape (n,).
    """
    knots = np.linspace(-_MAX_KNOT, _MAX_KNOT, KNOTS)
    probability = _platt(log_odds, good, weight, knots)
    random = np.random.default_rng(_SEED)
    names, member = np.unique(groups, return_inverse=True)
    curves = np.empty((RESAMPLES, KNOTS))
    for turn in range(RESAMPLES):
        drawn = np.bincount(random.integers(len(names), size=len(names)), minlength=len(names))[member]
        curves[turn] = _platt(log_odds, good, weight * drawn, knots)
    bound = np.minimum(np.quantile(curves, 1 - CONFIDENCE, axis=0), probability)
    return TierCalibration(knots=_rounded(knots), probability=_rising(probability), lower_bound=_rising(bound))


def _platt(log_odds: Floats, good: Floats, weight: Floats, knots: Floats) -> Floats:
    """Return the sigmoid at the knots, on Platt's smoothed targets; a falling slope becomes a flat curve."""
    positive, negative = float(weight @ good), float(weight @ (1 - good))
    target = np.where(good == 1, (positive + 1) / (positive + 2), 1 / (negative + 2))
    design = np.stack([np.ones(len(log_odds)), log_odds], axis=1)
    offset, slope = fit_logistic(design, target, weight, np.zeros(2))
    if slope <= 0:
        share = (positive + 1) / (positive + negative + 2)
        return np.full(len(knots), share)
    return _sigmoid(offset + slope * knots)


def _choose_penalty(design: Floats, good: Floats, weight: Floats, groups: NDArray[np.int64]) -> tuple[float, Floats]:
    """Return a penalty by cross-validation, and the cross-fitted log-odds under it.

    One-standard-error rule: Hastie, Tibshirani and Friedman, "The Elements of Statistical Learning", section 7.10.
    """
    names = np.unique(groups)
    fold_of = dict(zip(names.tolist(), np.random.default_rng(_SEED).permutation(len(names)) % FOLDS, strict=True))
    fold = np.array([fold_of[group] for group in groups.tolist()])
    tried = []
    for penalty in PENALTIES:
        said = np.zeros(len(good))
        for number in range(FOLDS):
            out = fold == number
            if out.any() and not out.all():
                strength = _strengths(design.shape[1], penalty)
                said[out] = design[out] @ fit_logistic(design[~out], good[~out], weight[~out], strength)
        tried.append((penalty, said, weight * (np.logaddexp(0, said) - good * said)))
    best = min(tried, key=lambda one: float(one[2].sum()))
    for penalty, said, losses in tried:  # the strongest whose loss is within a standard error of the least
        excess = losses - best[2]
        if excess.mean() <= excess.std() / np.sqrt(len(excess)) + _EPS:
            return penalty, said
    return best[0], best[1]


def _strengths(width: int, penalty: float) -> Floats:
    """Hold the residual weights back, and intercept and base slope hardly."""
    return np.concatenate([[1e-3, 1e-2], np.full(width - 2, penalty)])


def _gains(base: Artifact) -> Floats:
    dimensions, features = base.manifest.encoder.dimensions, len(base.manifest.features)
    return np.concatenate([np.full(dimensions, VECTOR_GAIN), np.full(features, FEATURE_GAIN)])


def _inputs(base: Artifact, labels: LabelArrays) -> Floats:
    standard = np.clip((labels.features - base.head.feature_mean) / base.head.feature_scale, -_LIMIT, _LIMIT)
    return np.asarray(np.concatenate([labels.vectors, standard], axis=1).astype(np.float64) * _gains(base))


def _loss(logits: Floats, target: Floats, weight: Floats) -> float:
    return float(weight @ (np.logaddexp(0, logits) - target * logits))


def _sigmoid(logits: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-np.clip(logits, -40, 40))))


def _rounded(values: Floats) -> tuple[float, ...]:
    return tuple(float(value) for value in np.round(values, 6))


def _rising(values: Sequence[float] | Floats) -> tuple[float, ...]:
    return _rounded(np.maximum.accumulate(np.asarray(values)))
