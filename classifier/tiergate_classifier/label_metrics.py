"""Figures of an artifact on labelled rows: calibration error by slice, and what routing with it gives."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tiergate.adapters.embedded_classifier import EmbeddedClassifier
from tiergate.artifact import Artifact
from tiergate.artifact_format import Metric
from tiergate.policy.intent_router import decide_route
from tiergate.settings import Policy
from tiergate_classifier.label_rows import LabelArrays

BINS: Final = 10
NULL_DRAWS: Final = 200
RESAMPLES: Final = 2000
_SEED: Final = 20_250_101

Floats = NDArray[np.float64]


def calibration_error(scores: Floats, good: Floats) -> float:
    """Return the expected calibration error: ten bins of equal count, bias-corrected, not below 0.

    From the mean error of the bins the one is subtracted that a perfectly calibrated score shows at the same scores.

    Args:
        scores: Shape (n,).
        good: 0 or 1, shape (n,).
    """
    if len(scores) == 0:
        return 0.0
    order = np.argsort(scores, kind="stable")
    bins = [part for part in np.array_split(order, BINS) if len(part)]
    random = np.random.default_rng(_SEED)

    def error(outcome: Floats) -> float:
        gaps = [abs(float(outcome[part].mean() - scores[part].mean())) * len(part) for part in bins]
        return sum(gaps) / len(scores)

    null = np.mean([error((random.random(len(scores)) < scores).astype(np.float64)) for _ in range(NULL_DRAWS)])
    return max(0.0, error(good) - float(null))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Routed:
    """What routing gives on labelled rows: n rows.

    Attributes:
        tier: Place of the chosen tier, shape (n,).
        quality: Grade of its answer, shape (n,).
        cost_usd: Its cost, shape (n,).
        scores: P(good enough), shape (n, T).
    """

    tier: NDArray[np.int64]
    quality: Floats
    cost_usd: Floats
    scores: Floats


def route_labels(artifact: Artifact, labels: LabelArrays, policy: Policy) -> Routed:
    """Route each row as the proxy would with this artifact and policy, and look its outcome up.

    Raises:
        ClassifierError: A row cannot be scored.
    """
    classifier = EmbeddedClassifier(artifact)
    names, chosen, scores = policy.tier_names, [], []
    for row in labels.rows:
        said = classifier.score(row.embedding, row.features)
        decision = decide_route(said, policy, controls={}, kind=classifier.kind, digest=classifier.digest)
        chosen.append(names.index(decision.tier or policy.strongest_tier))
        scores.append([said.scores[tier] for tier in names])
    tier = np.array(chosen, dtype=np.int64)
    at = np.arange(len(tier))
    return Routed(
        tier=tier, quality=labels.quality[at, tier], cost_usd=labels.cost_usd[at, tier], scores=np.array(scores)
    )


def slices_of(labels: LabelArrays) -> Mapping[str, NDArray[np.bool_]]:
    """Return the reported slices: each domain, and thirds by length of the prompt. Each of shape (n,)."""
    domains = sorted({row.domain for row in labels.rows if row.domain is not None})
    slices = {f"domain/{name}": np.array([row.domain == name for row in labels.rows]) for name in domains}
    length = np.array([row.features["log_characters"] for row in labels.rows])
    low, high = np.quantile(length, [1 / 3, 2 / 3])
    return slices | {
        "length/short": length <= low,
        "length/middle": (length > low) & (length <= high),
        "length/long": length > high,
    }


def measure_labels(
    artifact: Artifact, labels: LabelArrays, policy: Policy, *, min_slice_rows: int
) -> tuple[Metric, ...]:
    """Return the figures of the card on held-out rows.

    - `calibration_error[/SLICE]`: the worst tier's, on all rows and on each slice of enough rows.
    - `worst_slice_calibration_error`: the largest of those of slices; absent without one.
    - `quality`, `baseline_quality`, `cost_share`, `routed/TIER`: routing by the policy, weighted to all traffic.
    """
    routed = route_labels(artifact, labels, policy)
    tiers = policy.tier_names
    found = [_error_metric("calibration_error", routed.scores, labels.good, np.ones(len(labels.rows), dtype=bool))]
    slices = {name: mask for name, mask in slices_of(labels).items() if mask.sum() >= min_slice_rows}
    by_slice = [
        _error_metric(f"calibration_error/{name}", routed.scores, labels.good, mask) for name, mask in slices.items()
    ]
    if by_slice:
        worst = max(by_slice, key=lambda metric: metric.value)
        found.append(worst.model_copy(update={"name": "worst_slice_calibration_error"}))
    found += by_slice
    found += [
        _mean("quality", routed.quality, labels.weight),
        _mean("baseline_quality", labels.quality[:, -1], labels.weight),
        *(
            _mean(f"routed/{name}", (routed.tier == at).astype(np.float64), labels.weight)
            for at, name in enumerate(tiers)
        ),
    ]
    known = np.isfinite(labels.cost_usd).all(axis=1)
    if known.any() and (total := float(labels.weight[known] @ labels.cost_usd[known, -1])) > 0:
        share = routed.cost_usd[known] * known.sum() / (total / labels.weight[known].mean())
        found.append(_mean("cost_share", share, labels.weight[known]))
    return tuple(found)


def _error_metric(name: str, scores: Floats, good: NDArray[np.bool_], mask: NDArray[np.bool_]) -> Metric:
    """Return the worst tier's calibration error with a bootstrap interval; the strongest tier is certain."""
    at = np.flatnonzero(mask)
    random = np.random.default_rng(_SEED)

    def worst(rows: NDArray[np.int64], draws: bool) -> float:  # noqa: FBT001
        errors = [
            calibration_error(scores[rows, tier], good[rows, tier].astype(np.float64))
            if draws
            else _plain_error(scores[rows, tier], good[rows, tier].astype(np.float64))
            for tier in range(scores.shape[1] - 1)
        ]
        return max(errors)

    value = worst(at, draws=True)
    spread = [worst(random.choice(at, size=len(at)), draws=False) for _ in range(100)]
    middle = float(np.mean(spread))
    low, high = np.quantile(spread, [0.025, 0.975]) - middle + value
    return _metric(name, value, len(at), max(0.0, float(low)), max(0.0, float(high)))


def _plain_error(scores: Floats, good: Floats) -> float:
    parts = [part for part in np.array_split(np.argsort(scores, kind="stable"), BINS) if len(part)]
    return sum(abs(float(good[part].mean() - scores[part].mean())) * len(part) for part in parts) / len(scores)


def _mean(name: str, values: Floats, weight: Floats) -> Metric:
    low, high = bootstrap_mean(values, weight)
    return _metric(name, float(np.average(values, weights=weight)), len(values), low, high)


def bootstrap_mean(values: Floats, weight: Floats, *, level: float = 0.95) -> tuple[float, float]:
    """Return the percentile bootstrap interval of a weighted mean (Efron and Tibshirani 1993, chapter 13).

    Args:
        values: Shape (n,).
        weight: Shape (n,).
        level: Two-sided level.
    """
    random = np.random.default_rng(_SEED)
    n = len(values)
    means = np.empty(RESAMPLES)
    for turn in range(RESAMPLES):
        rows = random.integers(n, size=n)
        means[turn] = np.average(values[rows], weights=weight[rows])
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _metric(name: str, value: float, n: int, low: float, high: float) -> Metric:
    return Metric(name=name, value=round(value, 4), n=n, low=round(low, 4), high=round(high, 4))


def find_metric(metrics: Sequence[Metric], name: str) -> Metric | None:
    """Return a metric by its name, or None."""
    return next((metric for metric in metrics if metric.name == name), None)
