"""Figures of an artifact on labelled rows: calibration error by slice, and what routing with it gives."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tiergate.adapters.embedded_classifier import EmbeddedClassifier
from tiergate.artifact import Artifact
from tiergate.artifact_format import Metric
from tiergate.policy.intent_router import decide_route
from tiergate.ports import Classification
from tiergate.settings import Policy
from tiergate_classifier.label_rows import LabelArrays
from tiergate_classifier.tail_check import OVERALL, WORST
from tiergate_classifier.validation import reference_distance

BINS: Final = 10
NULL_DRAWS: Final = 200
RESAMPLES: Final = 2000
_SEED: Final = 20_250_101

Floats = NDArray[np.float64]


def calibration_error(scores: Floats, good: Floats, weight: Floats | None = None) -> float:
    """Return the expected calibration error: ten bins of equal count, bias-corrected, not below 0.

    From the mean error of the bins the one is subtracted that a perfectly calibrated score shows at the same scores.

    Args:
        scores: Shape (n,).
        good: 0 or 1, shape (n,).
        weight: Shape (n,); None counts every row alike.
    """
    if len(scores) == 0:
        return 0.0
    weight = np.ones(len(scores)) if weight is None else weight
    random = np.random.default_rng(_SEED)
    drawn = [(random.random(len(scores)) < scores).astype(np.float64) for _ in range(NULL_DRAWS)]
    null = np.mean([_plain_error(scores, outcome, weight) for outcome in drawn])
    return max(0.0, _plain_error(scores, good, weight) - float(null))


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
    said = [classifier.score(row.embedding, row.features) for row in labels.rows]
    return _route(said, labels, policy, kind=classifier.kind, digest=classifier.digest)


def _route(
    classified: Sequence[Classification], labels: LabelArrays, policy: Policy, *, kind: str, digest: str
) -> Routed:
    names, chosen, scores = policy.tier_names, [], []
    for said in classified:
        decision = decide_route(said, policy, controls={}, kind=kind, digest=digest)
        chosen.append(names.index(decision.tier or policy.strongest_tier))
        scores.append([said.scores[tier] for tier in names])
    tier = np.array(chosen, dtype=np.int64)
    at = np.arange(len(tier))
    return Routed(
        tier=tier, quality=labels.quality[at, tier], cost_usd=labels.cost_usd[at, tier], scores=np.array(scores)
    )


def tail_slices(
    domains: Sequence[str | None], values: Mapping[str, Floats], *, min_slice_rows: int
) -> Mapping[str, NDArray[np.bool_]]:
    """Return the reported slices of n rows, each of shape (n,) and of enough rows.

    Each domain, the domains that are too rare to stand alone as `domain/rare`, and thirds of each value.

    Args:
        domains: Length n, None where unknown.
        values: By name, each of shape (n,), NaN where unknown.
        min_slice_rows: Slices with fewer rows are left out.
    """
    count = Counter(domains)
    kept = {name for name, rows in count.items() if rows >= min_slice_rows}
    slices = {f"domain/{name}": np.array([one == name for one in domains]) for name in sorted(kept - {None}, key=str)}
    slices["domain/rare"] = np.array([one is not None and one not in kept for one in domains])
    for name, value in values.items():
        known = np.isfinite(value)
        if not known.any():
            continue
        low, high = np.quantile(value[known], [1 / 3, 2 / 3])
        slices[f"{name}/low"] = known & (value <= low)
        slices[f"{name}/middle"] = known & (value > low) & (value <= high)
        slices[f"{name}/high"] = known & (value > high)
    return {name: mask for name, mask in slices.items() if mask.sum() >= min_slice_rows}


def slices_of(
    labels: LabelArrays, reference: NDArray[Any] | None = None, *, min_slice_rows: int = 1
) -> Mapping[str, NDArray[np.bool_]]:
    """Return `tail_slices` by `length`, `distance` to the training vectors, and `cost` of a strong answer."""
    values = {
        "length": np.array([row.features["log_characters"] for row in labels.rows], dtype=np.float64),
        "distance": reference_distance(labels.vectors, reference),
        "cost": labels.cost_usd[:, -1],
    }
    return tail_slices([row.domain for row in labels.rows], values, min_slice_rows=min_slice_rows)


def error_metrics(
    scores: Floats, good: NDArray[np.bool_], slices: Mapping[str, NDArray[np.bool_]], weight: Floats | None = None
) -> tuple[Metric, ...]:
    """Return the calibration error of all rows, the worst slice's where there is one, and each slice's.

    Args:
        scores: P(good enough), shape (n, T).
        good: Shape (n, T).
        slices: What `tail_slices` gives.
        weight: 1 / probability of each row, for the overall figure, shape (n,); None counts every row alike.
    """
    even = np.ones(len(scores))
    found = [_error_metric(OVERALL, scores, good, np.arange(len(scores)), even if weight is None else weight)]
    by_slice = [
        _error_metric(f"{OVERALL}/{name}", scores, good, np.flatnonzero(mask), even) for name, mask in slices.items()
    ]
    if by_slice:
        found.append(max(by_slice, key=lambda metric: metric.value).model_copy(update={"name": WORST}))
    return (*found, *by_slice)


def measure_labels(
    artifact: Artifact, labels: LabelArrays, policy: Policy, *, min_slice_rows: int
) -> tuple[Metric, ...]:
    """Return the figures of the card on held-out rows.

    - `calibration_error[/SLICE]`: the worst tier's, on all rows (weighted to all traffic) and on each slice.
    - `worst_slice_calibration_error`: the largest of those of slices; absent without one.
    - `quality`, `baseline_quality`, `cost_share`, `routed/TIER`: routing by the policy, weighted to all traffic.
    """
    return _measure(route_labels(artifact, labels, policy), artifact, labels, policy, min_slice_rows)


def measure_classified(
    classified: Sequence[Classification],
    artifact: Artifact,
    labels: LabelArrays,
    policy: Policy,
    *,
    min_slice_rows: int,
) -> tuple[Metric, ...]:
    """Return the figures of `measure_labels` for rows that another classifier than the embedded one has scored.

    Args:
        classified: What it says of each row.
        artifact: The embedded artifact beside it.
        labels: The rows.
        policy: Routes them.
        min_slice_rows: Slices with fewer rows are not reported.
    """
    kind = next((said.kind for said in classified if said.kind), "vllm")
    routed = _route(classified, labels, policy, kind=kind, digest=artifact.digest)
    return _measure(routed, artifact, labels, policy, min_slice_rows)


def _measure(
    routed: Routed, artifact: Artifact, labels: LabelArrays, policy: Policy, min_slice_rows: int
) -> tuple[Metric, ...]:
    tiers = policy.tier_names
    reference = None if artifact.reference is None else artifact.reference.vectors
    slices = slices_of(labels, reference, min_slice_rows=min_slice_rows)
    found = list(error_metrics(routed.scores, labels.good, slices, labels.weight))
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


def _error_metric(name: str, scores: Floats, good: NDArray[np.bool_], at: NDArray[np.int64], weight: Floats) -> Metric:
    """Return the worst tier's calibration error with a bootstrap interval; the strongest tier is certain.

    Args:
        name: Of the figure.
        scores: Shape (n, T).
        good: Shape (n, T).
        at: Places of the rows that count.
        weight: Shape (n,).
    """
    random = np.random.default_rng(_SEED)

    def worst(rows: NDArray[np.int64], error: Callable[[Floats, Floats, Floats], float]) -> float:
        tiers = range(scores.shape[1] - 1)
        return max(error(scores[rows, tier], good[rows, tier].astype(np.float64), weight[rows]) for tier in tiers)

    value = worst(at, calibration_error)
    spread = [worst(random.choice(at, size=len(at)), _plain_error) for _ in range(100)]
    middle = float(np.mean(spread))
    low, high = np.quantile(spread, [0.025, 0.975]) - middle + value
    return _metric(name, value, len(at), max(0.0, float(low)), max(0.0, float(high)))


def _plain_error(scores: Floats, good: Floats, weight: Floats) -> float:
    """Return the error without the correction: the gap of each bin, by the weight of its rows."""
    parts = [part for part in np.array_split(np.argsort(scores, kind="stable"), BINS) if len(part)]
    gaps = weight * (good - scores)
    return sum(abs(float(gaps[part].sum())) for part in parts) / float(weight.sum())


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
