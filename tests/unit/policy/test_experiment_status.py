import random
from typing import Any

import pytest

from tiergate.policy.experiment_status import ExperimentGuard, measure_status
from tiergate.settings_experiments import Experiment

ARMS = {"a": {}, "b": {"confidence_gate.escalate_below": 0.75}}


def experiment(**settings: Any) -> Experiment:
    return Experiment.model_validate({"name": "gate", "arms": ARMS, **settings})


def row(number: int, arm: str, *, escalated: bool = False, cost: float = 1.0, **changes: Any) -> dict[str, Any]:
    return {
        "decision_id": f"d-{number}",
        "experiment": "gate",
        "arm": arm,
        "unit": f"u-{number}",
        "gate": {"outcome": "escalated" if escalated else "trusted"},
        "feedback": {"score": 0.9},
        "cost_usd": cost,
        "status": "ok",
        **changes,
    }


def rows_of(count: int, rate: float, **changes: Any) -> list[dict[str, Any]]:
    rng = random.Random(3)
    rows = [row(n, "a", escalated=rng.random() < 0.05) for n in range(count)]
    return rows + [row(count + n, "b", escalated=rng.random() < rate, **changes) for n in range(count)]


def test_a_difference_is_found_and_the_rest_is_open() -> None:
    found = measure_status(experiment(), rows_of(1500, 0.15))
    assert found.decided == ("escalated",)
    assert not found.mismatch
    assert [arm.units for arm in found.arms] == [1500, 1500]
    assert not found.arms[0].differences


def test_rows_of_others_and_units_without_a_name() -> None:
    rows = [row(1, "a", unit=None), row(2, "c"), row(3, "a", experiment="other"), row(4, "a", feedback=None)]
    found = measure_status(experiment(), rows)
    assert (found.arms[0].units, found.arms[0].requests) == (2, 2)


def test_units_that_do_not_fall_by_the_shares_are_reported_unless_an_arm_was_stopped() -> None:
    rows = [row(n, "a") for n in range(900)] + [row(2000 + n, "b") for n in range(600)]
    assert measure_status(experiment(), rows).mismatch
    assert not measure_status(experiment(stopped=["b"]), rows).mismatch


@pytest.mark.parametrize(
    ("rail", "changes"),
    [
        ({"max_cost_usd": 1.5}, {"cost": 2.0}),
        ({"max_error_ratio": 0.02}, {"status": "failed"}),
        ({"min_quality": 0.8}, {"feedback": {"score": 0.5}}),
    ],
)
def test_an_arm_beyond_its_guardrail_is_named(rail: dict[str, float], changes: dict[str, Any]) -> None:
    found = measure_status(experiment(guardrails=rail), rows_of(300, 0.05, **changes))
    assert [arm.breached for arm in found.arms] == [(), tuple(rail)]


def test_the_guard_stops_a_costly_arm_and_no_other() -> None:
    guard = ExperimentGuard([experiment(guardrails={"max_cost_usd": 1.5})], every=10)
    for number in range(40):
        guard.take(row(number, "b", cost=2.0))
    assert not guard.stopped  # too few units to conclude
    for number in range(40, 120):
        guard.take(row(number, "b", cost=2.0))
    assert guard.stopped == {("gate", "b")}


def test_the_guard_leaves_the_control_a_good_arm_and_strangers_alone() -> None:
    guard = ExperimentGuard([experiment(guardrails={"max_cost_usd": 1.5})], every=1, max_units=100)
    for number in range(120):
        guard.take(row(number, "b", cost=1.0))
        guard.take(row(number, "a", cost=9.0))
        guard.take(row(number, "z", cost=9.0))
        guard.take(row(number, "b", experiment=None))
    assert not guard.stopped
