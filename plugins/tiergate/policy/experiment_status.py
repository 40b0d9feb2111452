"""How an experiment stands, from the rows of the decision log: sums, confidence sequences, guardrails, mismatch."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tiergate.policy.confidence_sequence import (
    MIN_UNITS,
    ArmSums,
    Bounds,
    bound_difference,
    bound_mean,
    mismatch_evidence,
    sum_units,
)
from tiergate.policy.experiment import arm_shares
from tiergate.settings_experiments import Experiment

METRICS = ("escalated", "quality", "cost_usd", "failed")
MISMATCH_ALPHA = 0.01

Units = dict[str, dict[str, dict[str, list[float]]]]
"""arm -> metric -> unit -> [requests, total]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmStatus:
    """How one arm stands.

    Attributes:
        arm: Its name.
        units: Units seen.
        requests: Requests seen.
        means: Metric -> mean per request with its confidence sequence; quality over rated requests.
        differences: Metric -> arm minus control; empty for the control.
        breached: Guardrails that the arm is wholly beyond.
    """

    arm: str
    units: int
    requests: int
    means: Mapping[str, Bounds]
    differences: Mapping[str, Bounds]
    breached: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentStatus:
    """How an experiment stands.

    Attributes:
        experiment: Its name.
        arms: The control first.
        mismatch: Whether units do not fall onto arms by their shares: then no result counts.
        decided: Metrics on which some arm differs from the control for sure.
    """

    experiment: str
    arms: tuple[ArmStatus, ...]
    mismatch: bool
    decided: tuple[str, ...]


def add_row(units: Units, row: Mapping[str, Any]) -> None:
    """Add one row of the experiment to the sums of its unit."""
    failed = row["status"] != "ok"
    values: dict[str, float | None] = {
        "escalated": float(row["gate"]["outcome"] == "escalated"),
        "quality": (row.get("feedback") or {}).get("score"),
        "cost_usd": float(row["cost_usd"]),
        "failed": float(failed),
    }
    arm = units.setdefault(row["arm"], {})
    for metric, value in values.items():
        if value is not None:
            place = arm.setdefault(metric, {}).setdefault(row.get("unit") or row["decision_id"], [0.0, 0.0])
            place[0] += 1.0
            place[1] += value


def check_guardrails(experiment: Experiment, means: Mapping[str, Bounds]) -> tuple[str, ...]:
    """Return the guardrails that an arm is wholly beyond."""
    rails = experiment.guardrails
    found = []
    if rails.min_quality is not None and means["quality"].high < rails.min_quality:
        found.append("min_quality")
    if rails.max_cost_usd is not None and means["cost_usd"].low > rails.max_cost_usd:
        found.append("max_cost_usd")
    if rails.max_error_ratio is not None and means["failed"].low > rails.max_error_ratio:
        found.append("max_error_ratio")
    return tuple(found)


def measure_status(experiment: Experiment, rows: Iterable[Mapping[str, Any]]) -> ExperimentStatus:
    """Return how an experiment stands.

    Args:
        experiment: From policy.
        rows: Rows of the decision log; those of other experiments are left out.
    """
    units: Units = defaultdict(dict)
    for row in rows:
        if row["experiment"] == experiment.name and row["arm"] in experiment.arms:
            add_row(units, row)
    sums = {arm: {metric: _sum(units.get(arm, {}).get(metric, {})) for metric in METRICS} for arm in experiment.arms}
    arms = tuple(_status(experiment, arm, sums) for arm in experiment.arms)
    counts = {arm: sums[arm]["failed"].units for arm in experiment.arms}
    live = {arm: share for arm, share in arm_shares(experiment).items() if arm not in experiment.stopped}
    shares = {arm: share / sum(live.values()) for arm, share in live.items()}
    evidence = mismatch_evidence({arm: counts[arm] for arm in shares}, shares)
    # Once an arm is stopped its units go on to no other arm, but the counts before and after mix.
    mismatch = not experiment.stopped and evidence > math.log(1 / MISMATCH_ALPHA)
    decided = tuple(
        metric for metric in METRICS if any(arm.differences and arm.differences[metric].decided for arm in arms)
    )
    return ExperimentStatus(experiment=experiment.name, arms=arms, mismatch=mismatch, decided=decided)


def _status(experiment: Experiment, arm: str, sums: Mapping[str, Mapping[str, ArmSums]]) -> ArmStatus:
    means = {metric: bound_mean(sums[arm][metric]) for metric in METRICS}
    control = sums[experiment.control]
    differences = (
        {}
        if arm == experiment.control
        else {metric: bound_difference(control[metric], sums[arm][metric]) for metric in METRICS}
    )
    return ArmStatus(
        arm=arm,
        units=sums[arm]["failed"].units,
        requests=int(sums[arm]["failed"].weight),
        means=means,
        differences=differences,
        breached=check_guardrails(experiment, means),
    )


def _sum(units: Mapping[str, list[float]]) -> ArmSums:
    return sum_units([(weight, total) for weight, total in units.values()])


class ExperimentGuard:
    """Stops an arm of this process when its cost or its errors are wholly beyond a guardrail.

    Quality comes later, with feedback: `tiergate experiment status` looks at it. What one process stops, another one
    may still try until it has seen enough itself; `tiergate experiment stop` is for all and for good.

    Attributes:
        stopped: (experiment, arm) of what was stopped; only grows.
    """

    def __init__(self, experiments: Iterable[Experiment], *, every: int = 50, max_units: int = 100_000) -> None:
        self.stopped: set[tuple[str, str]] = set()
        self._experiments = {experiment.name: experiment for experiment in experiments}
        self._units: dict[str, Units] = {name: {} for name in self._experiments}
        self._seen = 0
        self._every, self._max_units = every, max_units

    def take(self, row: Mapping[str, Any]) -> None:
        """Take a finished record as a log row."""
        experiment = self._experiments.get(row["experiment"] or "")
        if experiment is None or row["arm"] not in experiment.arms:
            return
        units = self._units[experiment.name]
        if len(units.get(row["arm"], {}).get("failed", {})) < self._max_units:
            add_row(units, row)
        self._seen += 1
        if self._seen % self._every == 0 and row["arm"] != experiment.control:
            self._check(experiment, row["arm"])

    def _check(self, experiment: Experiment, arm: str) -> None:
        sums = {metric: _sum(self._units[experiment.name][arm].get(metric, {})) for metric in METRICS}
        if sums["failed"].units < MIN_UNITS:
            return
        if check_guardrails(experiment, {metric: bound_mean(sums[metric]) for metric in METRICS}):
            self.stopped.add((experiment.name, arm))
