"""What a log says of a policy that did not run: exact where it can, else an estimate with an interval, else a refusal.

Estimators, for the mean over the very requests of the log: inverse propensity scoring (Horvitz and Thompson 1952) and
doubly robust (Dudik, Langford and Li, "Doubly Robust Policy Evaluation and Learning", ICML 2011), which is the
difference estimator of survey sampling. The draws of exploration are independent of each other, so the variance is
that of Poisson sampling (Saerndal, Swensson and Wretman, "Model Assisted Survey Sampling", 1992, section 3.5), and
the intervals use Student's t with the effective number of rows behind the variance less one.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tiergate.adapters.decision_columns import DecisionColumns, split_by_domain
from tiergate.policy.gate_calibration import GateCalibration
from tiergate.ports import Classification
from tiergate.settings import Policy
from tiergate_classifier.replay_log import METRICS, NO_CUTS, Floats, Replayed, ReplayError, replay_columns

_DRAWN_BELOW = 0.5
"""A logged propensity up to this means that exploration drew the tier: the router's own choice has more."""

MIN_MATCHED = 30
"""Fewer explored rows than this among those whose tier changes, and replay refuses."""
LEVEL = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """One metric under the policy, with its 95 % interval.

    Attributes:
        metric: cost_usd, quality, escalated (share) or latency_ms; the mean of a request.
        method: exact, doubly_robust, ips or unknown.
        value: The estimate; None when the log cannot tell.
        low: Lower end.
        high: Upper end.
        rows: Rows behind it.
        why: Why the log cannot tell; empty when it can.
    """

    metric: str
    method: Literal["exact", "doubly_robust", "ips", "unknown"]
    value: float | None
    low: float | None
    high: float | None
    rows: int
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """What a log says of a policy.

    Attributes:
        n: Rows.
        changed: Share whose tier differs from the router's logged choice or draw.
        matched_changed: Rows that were drawn onto the policy's tier where it is not the router's.
        extended: Share whose escalation had to be modelled.
        estimates: The main estimate of each metric.
        ips: The plain inverse-propensity estimate of each metric, for comparison.
        tier_shares: Share of routed requests by tier under the policy.
    """

    n: int
    changed: float
    matched_changed: int
    extended: float
    estimates: tuple[Estimate, ...]
    ips: tuple[Estimate, ...]
    tier_shares: dict[str, float]


def replay(
    columns: DecisionColumns,
    policy: Policy,
    cuts: Classification = NO_CUTS,
    calibration: GateCalibration | None = None,
) -> Replay:
    """Estimate what the requests of a log would have given under a policy.

    Args:
        columns: The log.
        policy: What to ask about.
        cuts: A classification of which only the cuts count: those of the artifact that the log was written with.
        calibration: The gate's, for plans; None for the documented prior.

    Raises:
        ReplayError: The log is empty, or cannot tell: decisions change and were never explored, or too rarely.
    """
    if not len(columns):
        raise ReplayError("the log", "", "has no decisions", "name a log that has some")
    if not columns.classified.any():
        raise ReplayError("the log", "route.lower_bounds", "no row has it", "replay a log of this version or later")
    replayed = replay_columns(columns, policy, cuts, calibration)
    changed = ~replayed.matched & ~replayed.fixed
    exploratory = replayed.propensity < 1.0
    informative = int((replayed.matched & exploratory & (replayed.propensity <= _DRAWN_BELOW)).sum())
    _refuse_blind(changed, exploratory, changed & (replayed.propensity > _DRAWN_BELOW), informative)
    exact = not changed.any()
    estimates, ips = [], []
    for metric in METRICS:
        estimates.append(_estimate(replayed, metric, exact=exact, robust=True))
        ips.append(_estimate(replayed, metric, exact=exact, robust=False))
    counts = np.bincount(replayed.tiers[~replayed.fixed], minlength=len(replayed.names)).tolist()
    routed = dict(zip(replayed.names, counts, strict=True))
    return Replay(
        n=len(columns),
        changed=float(changed.mean()),
        matched_changed=informative,
        extended=float(replayed.extended.mean()),
        estimates=tuple(estimates),
        ips=tuple(ips),
        tier_shares={name: routed[name] / max(1, sum(counts)) for name in policy.tier_names},
    )


def _refuse_blind(
    changed: NDArray[np.bool_], exploratory: NDArray[np.bool_], moved: NDArray[np.bool_], informative: int
) -> None:
    """Refuse what the log cannot tell.

    Rows that exploration drew away from the router's choice differ from any policy that chooses as the router did;
    `moved` are those where the policy differs from the router itself.
    """
    blind = int((changed & ~exploratory).sum())
    if blind:
        problem = f"{blind} of {len(changed)} decisions would change and no other tier was ever possible for them"
        fix = "set `exploration.share` (0.02 is enough for some thousand requests) and replay a later week"
        raise ReplayError("the log", "route.propensity", problem, fix)
    if moved.any() and informative < MIN_MATCHED:
        problem = f"only {informative} explored rows are on the tier that the policy wants, {MIN_MATCHED} are needed"
        raise ReplayError("the log", "route.propensity", problem, "let exploration run longer, or raise its share")


def _estimate(replayed: Replayed, metric: str, *, exact: bool, robust: bool) -> Estimate:
    outcome, model = replayed.outcomes[metric], replayed.modelled[metric]
    known = replayed.matched & np.isfinite(outcome)
    if metric == "quality":
        return _estimate_rated(replayed, exact=exact, robust=robust)
    if replayed.matched.sum() > known.sum() or (robust and not np.isfinite(model).all() and not exact):
        return _unknown(metric, "a tier that the policy uses has no calls in the log")
    if exact:
        mean = float(outcome.mean())
        return Estimate(metric=metric, method="exact", value=mean, low=mean, high=mean, rows=len(outcome))
    weights = np.where(replayed.fixed, 1.0, replayed.matched / replayed.propensity)
    return _poisson(metric, outcome, model if robust else np.zeros_like(model), weights, robust=robust)


def _estimate_rated(replayed: Replayed, *, exact: bool, robust: bool) -> Estimate:
    """Estimate quality over the rated rows; a rating is taken to say nothing of which rows are rated."""
    outcome, model = replayed.outcomes["quality"], replayed.modelled["quality"]
    rated = np.isfinite(outcome)
    if (rated & replayed.matched).sum() < MIN_MATCHED or not np.isfinite(model).all():
        return _unknown("quality", f"fewer than {MIN_MATCHED} rated answers on the tiers that the policy uses")
    weights = np.where(replayed.fixed, 1.0, replayed.matched / replayed.propensity)[rated]
    model = model[rated] if robust else np.zeros(int(rated.sum()))
    outcome = outcome[rated]
    residual = weights * (outcome - model)
    mean = float((model + residual).mean())
    # Which rows are rated is luck too: the variance is that of a sample, not of the log.
    half = _student(len(outcome)) * float((model + residual).std(ddof=1)) / math.sqrt(len(outcome))
    method: Literal["doubly_robust", "ips"] = "doubly_robust" if robust or exact else "ips"
    return Estimate(metric="quality", method=method, value=mean, low=mean - half, high=mean + half, rows=len(outcome))


def _poisson(metric: str, outcome: Floats, model: Floats, weights: Floats, *, robust: bool) -> Estimate:
    residual = np.where(weights > 0, outcome - model, 0.0)
    mean = float((model + weights * residual).mean())
    chance = np.divide(1.0, weights, out=np.ones_like(weights), where=weights > 0)
    spread = weights**2 * (1.0 - chance) * residual**2
    variance = float(spread.sum()) / len(outcome) ** 2
    half = _student(_count_effective(spread, int((weights >= 1.0 / _DRAWN_BELOW).sum()))) * math.sqrt(variance)
    return Estimate(
        metric=metric,
        method="doubly_robust" if robust else "ips",
        value=mean,
        low=mean - half,
        high=mean + half,
        rows=int((weights > 0).sum()),
    )


def _count_effective(spread: Floats, drawn: int) -> float:
    """Return how many rows the variance rests on, for Student's t.

    The geometric mean of two counts: of the rows that exploration drew, and Satterthwaite's (1946), which is small when
    some outweigh the rest. On simulated logs the first alone covered 92.6 % at the least, the second alone 99 % at the
    most (benchmarks/replay_coverage.py, seeds 0 to 499; what is reported is run on other seeds).
    """
    fourth = float((spread**2).sum())
    return math.sqrt(max(1, drawn) * float(spread.sum()) ** 2 / fourth) if fourth else 1.0


def _student(n: float) -> float:
    """Return the quantile of Student's t for a 95 % interval from n rows (Abramowitz and Stegun 1964, 26.7.5)."""
    z, free = 1.959964, max(4.0, n - 1.0)
    return z + (z**3 + z) / (4 * free) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * free**2)


def _unknown(metric: str, why: str) -> Estimate:
    return Estimate(metric=metric, method="unknown", value=None, low=None, high=None, rows=0, why=why)


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepPoint:
    """One value of a threshold and what the log says of it.

    Attributes:
        domain: Whose rows; empty for those of all domains.
        key: Dotted key of the threshold.
        value: Its value.
        chosen: Whether the policy that was asked about has this value.
        replay: What the log says; None where it cannot tell.
        why: Why it cannot tell; empty when it can.
    """

    domain: str
    key: str
    value: float
    chosen: bool
    replay: Replay | None
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """A value of a threshold to be replayed: its key, the policy with it, and whether the policy has it anyway."""

    key: str
    value: float
    policy: Policy
    chosen: bool = False


def sweep(
    columns: DecisionColumns,
    thresholds: Sequence[Threshold],
    cuts: Classification = NO_CUTS,
    *,
    by_domain: bool = True,
    calibration: GateCalibration | None = None,
) -> list[SweepPoint]:
    """Replay a log under each value of a threshold: all rows, then those of each domain.

    Args:
        columns: The log.
        thresholds: What to replay.
        cuts: As for `replay`.
        by_domain: Whether each domain is replayed too.
        calibration: As for `replay`.
    """
    parts = {"": columns, **(split_by_domain(columns) if by_domain else {})}
    return [
        _replay_point(domain, part, threshold, (cuts, calibration))
        for domain, part in parts.items()
        for threshold in thresholds
    ]


def _replay_point(
    domain: str,
    columns: DecisionColumns,
    at: Threshold,
    known: tuple[Classification, GateCalibration | None],
) -> SweepPoint:
    found, why = None, ""
    try:
        found = replay(columns, at.policy, *known)
    except ReplayError as exc:
        why = exc.problem
    return SweepPoint(domain=domain, key=at.key, value=at.value, chosen=at.chosen, replay=found, why=why)
