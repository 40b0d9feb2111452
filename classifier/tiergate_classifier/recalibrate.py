"""Fit an artifact's probabilities to a team's own traffic from a few hundred graded rows: `tiergate calibrate`.

A tier's head is updated, not replaced: its old score enters with a free slope, and a correction that is linear in the
main directions of the vectors (topics) is held towards zero by a penalty that cross-validation picks. What the
held-out folds say is then mapped to probabilities by a sigmoid with a bootstrap lower bound. The result has the
artifact's own format.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiergate.artifact import Artifact
from tiergate.artifact_format import Calibration, Head, TierCalibration
from tiergate_classifier.folds import left_out
from tiergate_classifier.logistic import fit_logistic, log_loss, sigmoid
from tiergate_classifier.routing_metrics import calibration_error

Floats = NDArray[np.float64]

FOLDS = 5
PENALTIES = (15.0, 30.0)
"""Precision of the correction per topic, tried in this order."""
AXES = 8
RESAMPLES = 400
SLICE_ROWS = 500
_LIMIT = 4.0
_SEED = 20_250_204
_KNOTS = np.linspace(-12.0, 12.0, 97)
_WEAK = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceError:
    """Calibration error of one slice.

    Attributes:
        name: Such as `domain/law`, `length/long`, `score/low`, or `all`.
        n: Rows in it.
        ece: `routing_metrics.calibration_error`.
    """

    name: str
    n: int
    ece: float


def recalibrate(
    artifact: Artifact, vectors: NDArray[Any], features: NDArray[Any], good: Mapping[str, Floats]
) -> tuple[Head, Calibration]:
    """Return head and calibration for the rows' traffic; tiers without rows keep what they have.

    Args:
        artifact: Whose tiers to update.
        vectors: Shape (n, D).
        features: Shape (n, F), in the artifact's order.
        good: How good each tier's answer was, 0..1 and NaN where not run, shape (n,) by tier.

    Raises:
        ValueError: A tier is not the artifact's.
    """
    head = artifact.head
    standard = np.clip((features - head.feature_mean) / head.feature_scale, -_LIMIT, _LIMIT)
    inputs = np.concatenate([vectors, standard], axis=1).astype(np.float64)
    weight, bias = head.tier_weight.copy(), head.tier_bias.copy()
    curves = dict(artifact.calibration.tiers)
    for tier, outcomes in good.items():
        if tier not in artifact.tiers:
            raise ValueError(f"{tier!r} is no tier of the artifact; it knows {', '.join(artifact.tiers)}")
        place, run = artifact.tiers.index(tier), np.flatnonzero(np.isfinite(outcomes))
        if len(run) < 2 * FOLDS:
            continue
        weight[place], bias[place], curves[tier] = _update(
            inputs[run], outcomes[run], weight[place].astype(np.float64), float(bias[place]), vectors.shape[1]
        )
    return replace(head, tier_weight=weight, tier_bias=bias), artifact.calibration.model_copy(update={"tiers": curves})


def _update(
    inputs: Floats, good: Floats, weight: Floats, bias: float, dimensions: int
) -> tuple[NDArray[np.float32], float, TierCalibration]:
    middle = inputs.mean(axis=0)
    axes = _topic_axes(inputs[:, :dimensions] - middle[:dimensions], inputs.shape[1])
    score = inputs @ weight + bias
    centre, spread = float(score.mean()), float(score.std()) or 1.0
    design = np.column_stack([np.ones(len(good)), (score - centre) / spread, (inputs - middle) @ axes])
    best, held_out = _best_penalty(design, good)
    fitted = fit_logistic(design, good, penalty=_penalties(design.shape[1], best))
    slope = fitted[1] / spread
    correction = axes @ fitted[2:]
    new_bias = fitted[0] - slope * centre - float(middle @ correction) + slope * bias
    return (slope * weight + correction).astype(np.float32), float(new_bias), _curve(held_out, good)


def _topic_axes(vectors: Floats, width: int) -> Floats:
    """Return the main directions of the centred vectors, scaled to unit spread, shape (width, `AXES`).

    A few hundred rows tell how good a tier is per topic, which few directions hold, but not per dimension.
    """
    _, sizes, directions = np.linalg.svd(vectors, full_matrices=False)
    count = min(AXES, len(sizes))
    axes = np.zeros((width, count))
    axes[: vectors.shape[1]] = (directions[:count] / (sizes[:count, None] / np.sqrt(len(vectors)) + 1e-9)).T
    return axes


def _penalties(width: int, penalty: float) -> Floats:
    return np.concatenate([[1e-6, _WEAK], np.full(width - 2, penalty)])


def _best_penalty(design: Floats, good: Floats) -> tuple[float, Floats]:
    """Return the penalty with the least held-out loss, and what the held-out folds say under it."""
    losses, said = [], []
    for penalty in PENALTIES:
        log_odds = np.zeros(len(good))
        for inside, outside in left_out(good, FOLDS, seed=_SEED):
            fitted = fit_logistic(design[inside], good[inside], penalty=_penalties(design.shape[1], penalty))
            log_odds[outside] = design[outside] @ fitted
        losses.append(float(log_loss(log_odds, good).mean()))
        said.append(log_odds)
    least = int(np.argmin(losses))
    return PENALTIES[least], said[least]


def _curve(log_odds: Floats, good: Floats) -> TierCalibration:
    """Fit a sigmoid to held-out log-odds, and its lower bound: the 5 % quantile over bootstrap samples."""
    penalty, centre = np.array([_WEAK, _WEAK]), np.array([0.0, 1.0])

    def fit(rows: NDArray[np.intp]) -> Floats:
        design = np.column_stack([np.ones(len(rows)), log_odds[rows]])
        offset, slope = fit_logistic(design, good[rows], penalty=penalty, centre=centre)
        return sigmoid(offset + max(slope, 0.0) * _KNOTS)

    random = np.random.default_rng(_SEED)
    probability = fit(np.arange(len(good)))
    drawn = [fit(random.integers(0, len(good), len(good))) for _ in range(RESAMPLES)]
    bound = np.minimum(np.quantile(drawn, 0.05, axis=0), probability)
    return TierCalibration(
        knots=tuple(_KNOTS.tolist()),
        probability=tuple(np.maximum.accumulate(np.round(probability, 6)).tolist()),
        lower_bound=tuple(np.maximum.accumulate(np.round(bound, 6)).tolist()),
    )


def slice_errors(
    probability: Floats, good: Floats, *, domains: tuple[str | None, ...], characters: Floats
) -> tuple[SliceError, ...]:
    """Return the calibration error of all rows and of each slice with at least `SLICE_ROWS` rows.

    Slices: by domain, by thirds of length, by thirds of score.

    Args:
        probability: Shape (n,).
        good: Shape (n,), 0..1.
        domains: Length n, None where unknown.
        characters: Length of each prompt, shape (n,).
    """
    members: dict[str, NDArray[np.bool_]] = {"all": np.ones(len(good), dtype=np.bool_)}
    for domain in sorted({one for one in domains if one is not None}):
        members[f"domain/{domain}"] = np.array([one == domain for one in domains])
    for kind, values, names in (
        ("length", characters, ("short", "middle", "long")),
        ("score", probability, ("low", "middle", "high")),
    ):
        thirds = np.searchsorted(np.quantile(values, [1 / 3, 2 / 3]), values)
        members |= {f"{kind}/{name}": thirds == number for number, name in enumerate(names)}
    return tuple(
        SliceError(name=name, n=int(inside.sum()), ece=calibration_error(probability[inside], good[inside]))
        for name, inside in members.items()
        if name == "all" or inside.sum() >= SLICE_ROWS
    )
