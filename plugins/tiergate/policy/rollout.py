"""The four weeks of a rollout, from the rows of the decision log: what each week showed, and whether it may end.

Week 1 decides and acts on nothing (`mode: shadow`), week 2 acts with gate and domain overrides, week 3 runs a
threshold experiment, week 4 is the result. A week is seven days from the first row.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

DAY_S = 86_400.0
WEEK_S = 7 * DAY_S
WEEKS = 4
MIN_REQUESTS = 1_000
MAX_ESCALATION_RATIO = 0.05
MAX_FAILED_STAGES = 0.01
MAX_OVERHEAD_P95_MS = 50.0
MIN_SAVING = 0.40
Z = 1.959964


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """A share with its 95 % Wilson interval (Wilson 1927)."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Mean:
    """A mean with its 95 % normal interval; NaN where there is nothing to average."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Week:
    """What one week showed.

    Attributes:
        number: From 1.
        requests: Decisions.
        shadow: Share of them that were not acted on.
        cost_usd: Mean cost of a request that was acted on, or that went where it would have gone.
        baseline_usd: Mean of what the baseline tier would have cost.
        saving: 1 - cost / baseline over all requests; NaN without a baseline.
        tiers: Share of routed requests by tier.
        hit_ratio: Share answered by the cache.
        escalations: Share that was escalated.
        failed_stages: Share with a stage that failed.
        failed: Share that failed.
        p95_ms: P95 of latency.
        overhead_p95_ms: P95 of tiergate's own part.
        quality: Mean feedback, 0 to 1.
        daily_cost_usd: Mean cost of a request on each day; NaN for a day without requests.
        experiments: Names of the experiments that ran.
    """

    number: int
    requests: int
    shadow: float
    cost_usd: Mean
    baseline_usd: float
    saving: float
    tiers: Mapping[str, float]
    hit_ratio: Share
    escalations: Share
    failed_stages: float
    failed: float
    p95_ms: float
    overhead_p95_ms: float
    quality: Mean
    daily_cost_usd: Sequence[float] = field(default_factory=tuple)
    experiments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Criterion:
    """One condition for the end of a week."""

    text: str
    met: bool
    found: str


def measure_weeks(rows: Iterable[Mapping[str, Any]]) -> list[Week]:
    """Return the weeks of a log, oldest first; weeks without a row are left out.

    Args:
        rows: In order of time.
    """
    by_week: dict[int, list[Mapping[str, Any]]] = {}
    start: float | None = None
    for row in rows:
        start = row["ts"] if start is None else start
        by_week.setdefault(int((row["ts"] - start) // WEEK_S), []).append(row)
    return [_measure_week(week, found, (start or 0.0) + week * WEEK_S) for week, found in sorted(by_week.items())]


def check_week(weeks: Sequence[Week], number: int) -> list[Criterion]:
    """Return the exit criteria of a week, 1 to 4, with what was found; none is met by a week without data."""
    week = next((item for item in weeks if item.number == number), None)
    if week is None:
        return [Criterion(text=f"week {number} has data", met=False, found="no decisions")]
    found = [
        Criterion(
            text=f"at least {MIN_REQUESTS} decisions",
            met=week.requests >= MIN_REQUESTS,
            found=str(week.requests),
        ),
        _at_most("a stage failed in", week.failed_stages, MAX_FAILED_STAGES),
    ]
    return found + {1: _check_shadow, 2: _check_active, 3: _check_experiment, 4: _check_result}[number](weeks, week)


def recommend(weeks: Sequence[Week]) -> tuple[str, str]:
    """Return the next action and its reason: the first that the latest week, beside the first one, calls for."""
    if not weeks:
        return "send traffic through tiergate", "the log is empty"
    for advise in (_advise_on_stages, _advise_on_shadow, _advise_on_answers, _advise_on_saving, _advise_on_evidence):
        found = advise(weeks, weeks[-1])
        if found is not None:
            return found
    return "keep the policy and look again next week", "cost, quality, escalations and stages are within their bounds"


def _advise_on_stages(_weeks: Sequence[Week], week: Week) -> tuple[str, str] | None:
    if week.failed_stages <= MAX_FAILED_STAGES:
        return None
    return "find the stage that fails", f"a stage failed in {week.failed_stages:.1%} of the requests"


def _advise_on_shadow(weeks: Sequence[Week], week: Week) -> tuple[str, str] | None:
    if week.shadow <= 0.5:  # noqa: PLR2004  less than most of the week
        return None
    missing = [f"{item.text} (found: {item.found})" for item in check_week(weeks, 1) if not item.met]
    if week.number == 1 and missing:
        return "stay in shadow mode", f"not yet: {'; '.join(missing)}"
    return "set `mode: active`", "the week ran in shadow mode, so nothing was saved"


def _advise_on_answers(weeks: Sequence[Week], week: Week) -> tuple[str, str] | None:
    if week.quality.high < weeks[0].quality.low:
        return (
            "raise `confidence_gate.escalate_below` or `intent_router.min_quality`, or retrain on this log",
            f"quality fell to {week.quality.value:.3f}, for sure below the first week's {weeks[0].quality.value:.3f}",
        )
    if week.escalations.low > MAX_ESCALATION_RATIO:
        return (
            "retrain the classifier on this log, or lower `confidence_gate.escalate_below`",
            f"{week.escalations.value:.1%} of the answers were escalated, for sure more than 5 %",
        )
    return None


def _advise_on_saving(_weeks: Sequence[Week], week: Week) -> tuple[str, str] | None:
    if math.isnan(week.saving) or week.saving >= MIN_SAVING:
        return None
    strongest = max(week.tiers.items(), key=lambda item: item[1], default=("none", 0.0))
    return (
        "replay this log with a lower `intent_router.min_quality`, or add data of its largest domain and retrain",
        f"the saving is {week.saving:.1%}, the target 40 %; {strongest[1]:.0%} go to {strongest[0]}",
    )


def _advise_on_evidence(_weeks: Sequence[Week], week: Week) -> tuple[str, str] | None:
    if math.isnan(week.quality.value):
        return "switch judge sampling on, or collect feedback", "nobody has said how good the answers are"
    if week.requests < MIN_REQUESTS:
        return (
            "send more of the traffic through before you judge the policy",
            f"{week.requests} decisions this week are within the bounds, {MIN_REQUESTS} say something",
        )
    return None


def share_of(count: int, total: int) -> Share:
    """Return a share with its Wilson interval; 0 to 1 without data."""
    if total == 0:
        return Share(value=0.0, low=0.0, high=1.0)
    value, square = count / total, Z * Z
    centre = (value + square / (2 * total)) / (1 + square / total)
    half = Z / (1 + square / total) * math.sqrt(value * (1 - value) / total + square / (4 * total**2))
    return Share(value=value, low=max(0.0, centre - half), high=min(1.0, centre + half))


def mean_of(values: Sequence[float]) -> Mean:
    """Return a mean with its normal interval; NaN without data."""
    if not values:
        return Mean(value=math.nan, low=math.nan, high=math.nan)
    mean = math.fsum(values) / len(values)
    spread = math.fsum((value - mean) ** 2 for value in values) / max(1, len(values) - 1)
    half = Z * math.sqrt(spread / len(values))
    return Mean(value=mean, low=mean - half, high=mean + half)


def quantile_of(values: Sequence[float], share: float) -> float:
    """Return a quantile, the nearest rank; NaN without data."""
    if not values:
        return math.nan
    return sorted(values)[min(len(values) - 1, math.ceil(share * len(values)) - 1)]


def _measure_week(week: int, rows: Sequence[Mapping[str, Any]], start: float) -> Week:
    total = len(rows)
    costs = [float(row["cost_usd"]) for row in rows]
    known = [row for row in rows if row["baseline_cost_usd"] is not None]
    baseline = math.fsum(row["baseline_cost_usd"] for row in known)
    spent = math.fsum(row["cost_usd"] for row in known)
    routed = Counter(row["route"]["tier"] for row in rows if row["route"]["tier"] is not None)
    scores = [row["feedback"]["score"] for row in rows if row.get("feedback")]
    days = [[row["cost_usd"] for row in rows if int((row["ts"] - start) // DAY_S) == day] for day in range(7)]
    return Week(
        number=week + 1,
        requests=total,
        shadow=sum(row.get("mode") == "shadow" for row in rows) / total,
        cost_usd=mean_of(costs),
        baseline_usd=baseline / len(known) if known else math.nan,
        saving=1 - spent / baseline if baseline else math.nan,
        tiers={tier: count / routed.total() for tier, count in sorted(routed.items())},
        hit_ratio=share_of(sum(row["cache"]["outcome"] == "hit" for row in rows), total),
        escalations=share_of(sum(row["gate"]["outcome"] == "escalated" for row in rows), total),
        failed_stages=sum(bool(row["errors"]) for row in rows) / total,
        failed=sum(row["status"] == "failed" for row in rows) / total,
        p95_ms=quantile_of([row["latency_ms"] for row in rows], 0.95),
        overhead_p95_ms=quantile_of([row["overhead_ms"] for row in rows], 0.95),
        quality=mean_of([score for score in scores if score is not None]),
        daily_cost_usd=tuple(mean_of(day).value for day in days),
        experiments=tuple(sorted({row["experiment"] for row in rows if row["experiment"]})),
    )


def _at_most(text: str, value: float, bound: float) -> Criterion:
    return Criterion(text=f"{text} at most {bound:.0%} of the requests", met=value <= bound, found=f"{value:.2%}")


def _check_shadow(_weeks: Sequence[Week], week: Week) -> list[Criterion]:
    routed = bool(week.tiers)
    return [
        Criterion(text="shadow mode all week", met=week.shadow == 1.0, found=f"{week.shadow:.0%}"),
        Criterion(text="requests are classified", met=routed, found=", ".join(week.tiers) or "none"),
        Criterion(
            text=f"tiergate adds at most {MAX_OVERHEAD_P95_MS:g} ms (P95)",
            met=week.overhead_p95_ms <= MAX_OVERHEAD_P95_MS,
            found=f"{week.overhead_p95_ms:.1f} ms",
        ),
    ]


def _check_active(_weeks: Sequence[Week], week: Week) -> list[Criterion]:
    return [
        Criterion(text="decisions are acted on", met=week.shadow == 0.0, found=f"{1 - week.shadow:.0%}"),
        _at_most("escalated", week.escalations.value, MAX_ESCALATION_RATIO),
        Criterion(text="it saves money", met=week.saving > 0, found=f"{week.saving:.1%}"),
    ]


def _check_experiment(_weeks: Sequence[Week], week: Week) -> list[Criterion]:
    names = ", ".join(week.experiments)
    return [Criterion(text="a threshold experiment ran", met=bool(names), found=names or "none")]


def _check_result(weeks: Sequence[Week], week: Week) -> list[Criterion]:
    first = weeks[0]
    held = math.isnan(first.quality.value) or week.quality.high >= first.quality.low
    return [
        Criterion(text=f"saving at least {MIN_SAVING:.0%}", met=week.saving >= MIN_SAVING, found=f"{week.saving:.1%}"),
        _at_most("escalated", week.escalations.value, MAX_ESCALATION_RATIO),
        Criterion(
            text="P95 not above week 1",
            met=week.p95_ms <= first.p95_ms,
            found=f"{week.p95_ms:.0f} ms, {first.p95_ms:.0f} before",
        ),
        Criterion(
            text="quality is known and not below week 1",
            met=not math.isnan(week.quality.value) and held,
            found=f"{week.quality.value:.3f}, {first.quality.value:.3f} before",
        ),
    ]
