"""From the calls of a simulation to its figures, each with an interval, beside what was published.

Intervals are percentile bootstraps over tasks (Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, ch. 13):
the calls of a task stay together, and before and after stay paired.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiergate.demo.simulation import CallPair
from tiergate.demo.simulation_scenario import DIFFICULTIES, Goals, SimulationScenario

RESAMPLES = 2000
LEVEL = 0.95
_P95 = 95.0

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One figure of a run.

    Attributes:
        name: Its name.
        value: The figure.
        low: Lower end of the 95 % interval.
        high: Upper end.
        published: The reference case's figure; None without one.
        reproduced: Whether the published figure is inside the interval or the run does better; None without one.
        why: What explains a difference; empty when there is none to explain.
    """

    name: str
    value: float
    low: float
    high: float
    published: float | None = None
    reproduced: bool | None = None
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """One goal of the scenario, and whether the run meets it."""

    name: str
    value: float
    bound: float
    met: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Columns:
    """The calls as arrays of one length; `task` counts from 0."""

    task: NDArray[np.intp]
    values: Mapping[str, Floats]

    def of(self, rows: NDArray[np.intp]) -> "_Columns":
        """Return the rows of a resample."""
        return _Columns(task=self.task[rows], values={name: column[rows] for name, column in self.values.items()})


def measure(scenario: SimulationScenario, pairs: Sequence[CallPair]) -> list[Figure]:
    """Return the figures of a run with their intervals.

    Args:
        scenario: For the published figures.
        pairs: Every call of the run.
    """
    columns = _to_columns(pairs)
    names, resampled = list(_measure_once(columns, scenario.tasks)), []
    rows_of = [np.flatnonzero(columns.task == task) for task in range(scenario.tasks)]
    rng = np.random.default_rng(scenario.seed)
    for _ in range(RESAMPLES):
        rows = np.concatenate([rows_of[task] for task in rng.integers(0, scenario.tasks, scenario.tasks)])
        resampled.append(list(_measure_once(columns.of(rows), scenario.tasks).values()))
    with np.errstate(invalid="ignore"):
        low, high = np.nanquantile(np.array(resampled), [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    values = _measure_once(columns, scenario.tasks)
    return [_compare(name, values, float(low[place]), float(high[place]), scenario) for place, name in enumerate(names)]


def check_goals(goals: Goals, figures: Sequence[Figure]) -> list[Goal]:
    """Return the goals that a scenario states, each with what the run gave."""
    value = {figure.name: figure.value for figure in figures}
    at_most = {
        "escalation_ratio": goals.max_escalation_ratio,
        "hit_ratio": goals.max_hit_ratio,
        # The models' drawn time and tiergate's measured part: what else the client waits for is this machine's load.
        "p95_after_models_and_tiergate_ms": value["p95_before_models_ms"] if goals.p95_not_above_before else None,
    }
    at_least = {
        "saving": goals.min_saving,
        "quality_difference": None if goals.max_quality_loss is None else -goals.max_quality_loss,
        "hit_ratio": goals.min_hit_ratio,
    }
    found = [
        Goal(name=f"{name} at most", value=value[name], bound=bound, met=value[name] <= bound)
        for name, bound in at_most.items()
        if bound is not None
    ]
    return found + [
        Goal(name=f"{name} at least", value=value[name], bound=bound, met=value[name] >= bound)
        for name, bound in at_least.items()
        if bound is not None
    ]


def _to_columns(pairs: Sequence[CallPair]) -> _Columns:
    def column(read: Callable[[CallPair], Any]) -> Floats:
        return np.array([float(read(pair)) for pair in pairs])

    def routed(tier: str) -> Callable[[CallPair], Any]:
        return lambda pair: pair.record["route"]["tier"] == tier

    values = {
        "cost_before": column(lambda pair: pair.before.cost_usd),
        "cost_after": column(lambda pair: pair.after.cost_usd),
        "grade_before": column(lambda pair: pair.before.grade),
        "grade_after": column(lambda pair: pair.after.grade),
        "ms_before": column(lambda pair: pair.before.latency_ms),
        "ms_after": column(lambda pair: pair.after.latency_ms),
        "model_ms_before": column(lambda pair: pair.before.model_ms),
        "model_ms_after": column(lambda pair: pair.after.model_ms + (pair.record["overhead_ms"] or 0.0)),
        "overhead_ms": column(lambda pair: pair.record["overhead_ms"] or 0.0),
        "hit": column(lambda pair: pair.record["cache"]["outcome"] == "hit"),
        "wrong_hit": column(lambda pair: pair.after.wrong_hit),
        "escalated": column(lambda pair: pair.record["gate"]["outcome"] == "escalated"),
        "too_high": column(_is_too_high),
        "too_low": column(_is_too_low),
    }
    values |= {tier: column(routed(tier)) for tier in DIFFICULTIES}
    return _Columns(task=np.array([pair.call.task for pair in pairs], dtype=np.intp), values=values)


def _is_too_high(pair: CallPair) -> bool:
    tier = pair.record["route"]["tier"]
    return tier is not None and DIFFICULTIES.index(tier) > DIFFICULTIES.index(pair.call.difficulty)


def _is_too_low(pair: CallPair) -> bool:
    tier = pair.record["route"]["tier"]
    return tier is not None and DIFFICULTIES.index(tier) < DIFFICULTIES.index(pair.call.difficulty)


def _measure_once(columns: _Columns, tasks: int) -> dict[str, float]:
    get = columns.values
    routed = sum(get[tier].sum() for tier in DIFFICULTIES)
    hits = get["hit"].sum()
    before, after = get["cost_before"].sum(), get["cost_after"].sum()
    figures = {
        "cost_before_usd": before / tasks,
        "cost_after_usd": after / tasks,
        "saving": 1.0 - after / before,
        **{f"share_{tier}": get[tier].sum() / routed if routed else math.nan for tier in DIFFICULTIES},
        "routed_too_high": get["too_high"].sum() / routed if routed else math.nan,
        "routed_too_low": get["too_low"].sum() / routed if routed else math.nan,
        "escalation_ratio": get["escalated"].mean(),
        "hit_ratio": get["hit"].mean(),
        "wrong_hit_ratio": get["wrong_hit"].sum() / hits if hits else 0.0,
        "p95_before_ms": np.percentile(get["ms_before"], _P95),
        "p95_after_ms": np.percentile(get["ms_after"], _P95),
        "p95_difference_ms": np.percentile(get["ms_after"], _P95) - np.percentile(get["ms_before"], _P95),
        "p95_before_models_ms": np.percentile(get["model_ms_before"], _P95),
        "p95_after_models_and_tiergate_ms": np.percentile(get["model_ms_after"], _P95),
        "overhead_p50_ms": np.median(get["overhead_ms"]),
        "quality_before": get["grade_before"].mean(),
        "quality_after": get["grade_after"].mean(),
        "quality_difference": (get["grade_after"] - get["grade_before"]).mean(),
    }
    return {name: float(value) for name, value in figures.items()}


_LESS_IS_BETTER = frozenset({"cost_after_usd", "escalation_ratio", "p95_after_ms"})
_MORE_IS_BETTER = frozenset({"quality_after", "hit_ratio"})


def _compare(name: str, values: Mapping[str, float], low: float, high: float, scenario: SimulationScenario) -> Figure:
    published, value = scenario.published.get(name), values[name]
    if published is None:
        return Figure(name=name, value=value, low=low, high=high)
    better = (name in _LESS_IS_BETTER and value <= published) or (name in _MORE_IS_BETTER and value >= published)
    reproduced = low <= published <= high or better
    why = "" if low <= published <= high else _explain(name, values)
    return Figure(name=name, value=value, low=low, high=high, published=published, reproduced=reproduced, why=why)


def _explain(name: str, values: Mapping[str, float]) -> str:
    """Say what in the run makes a figure differ from the published one."""
    if name.startswith(("share_", "cost_after")):
        return (
            f"the classifier sends {values['routed_too_high']:.1%} of the calls higher than they need, and "
            f"{values['routed_too_low']:.1%} lower"
        )
    if name in {"cost_before_usd", "quality_before"}:
        return "an input: tokens per task, or how often the frontier's answers are good, as the scenario states them"
    if name.startswith("p95"):
        return (
            "measured at the client with this machine's proxy in between; tiergate's own part is "
            f"{values['overhead_p50_ms']:.1f} ms in the median"
        )
    if name == "quality_after":
        return f"quality before is {values['quality_before']:.2f} by the scenario; the difference is what is measured"
    if name == "escalation_ratio":
        return "follows from how often cheap answers are bad and how much their log-probabilities tell, both stated"
    return "follows from the share of repeats and paraphrases that the scenario states, and from min_similarity"
