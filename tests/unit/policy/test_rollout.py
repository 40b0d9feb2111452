import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiergate.policy.rollout import (
    DAY_S,
    WEEK_S,
    check_week,
    mean_of,
    measure_weeks,
    quantile_of,
    recommend,
    share_of,
)


def row(ts: float, **changes: Any) -> dict[str, Any]:
    plain = {
        "ts": ts,
        "mode": "active",
        "cost_usd": 0.3,
        "baseline_cost_usd": 1.0,
        "route": {"tier": "simple"},
        "cache": {"outcome": "miss"},
        "gate": {"outcome": "trusted"},
        "errors": {},
        "status": "ok",
        "latency_ms": 100.0,
        "overhead_ms": 5.0,
        "feedback": {"score": 0.9},
        "experiment": None,
    }
    return {**plain, **changes}


def week_of(number: int, count: int = 1200, **changes: Any) -> list[dict[str, Any]]:
    return [row((number - 1) * WEEK_S + place * WEEK_S / count, **changes) for place in range(count)]


def good_rollout() -> list[dict[str, Any]]:
    shadow = {"mode": "shadow", "cost_usd": 1.0, "latency_ms": 120.0}
    return [*week_of(1, **shadow), *week_of(2), *week_of(3, experiment="gate"), *week_of(4)]


def test_a_good_rollout_meets_every_criterion() -> None:
    weeks = measure_weeks(good_rollout())
    assert [week.number for week in weeks] == [1, 2, 3, 4]
    for number in range(1, 5):
        assert all(item.met for item in check_week(weeks, number)), number
    assert weeks[1].saving == pytest.approx(0.7)
    assert recommend(weeks)[0].startswith("keep")


@pytest.mark.parametrize(
    ("number", "changes", "text"),
    [
        (1, {"mode": "active"}, "shadow mode all week"),
        (1, {"mode": "shadow", "overhead_ms": 80.0}, "tiergate adds at most"),
        (1, {"mode": "shadow", "route": {"tier": None}}, "requests are classified"),
        (2, {"gate": {"outcome": "escalated"}}, "escalated at most"),
        (2, {"cost_usd": 1.1}, "it saves money"),
        (2, {"mode": "shadow"}, "decisions are acted on"),
        (3, {}, "a threshold experiment ran"),
        (4, {"cost_usd": 0.7}, "saving at least"),
        (4, {"latency_ms": 900.0}, "P95 not above week 1"),
        (4, {"feedback": None}, "quality is known"),
        (4, {"errors": {"intent_router": "ClassifierError"}}, "a stage failed"),
    ],
)
def test_each_criterion_can_fail(number: int, changes: dict[str, Any], text: str) -> None:
    rows = [*week_of(1, mode="shadow")] if number > 1 else []
    weeks = measure_weeks([*rows, *week_of(number, **changes)])
    failed = [item.text for item in check_week(weeks, number) if not item.met]
    assert any(item.startswith(text) for item in failed), failed


def test_a_week_without_data_meets_nothing() -> None:
    assert [item.met for item in check_week([], 2)] == [False]


@pytest.mark.parametrize(
    ("changes", "action"),
    [
        ({"errors": {"intent_router": "ClassifierError"}}, "find the stage"),
        ({"mode": "shadow"}, "set `mode: active`"),
        ({"gate": {"outcome": "escalated"}}, "retrain"),
        ({"cost_usd": 0.8}, "replay"),
        ({"feedback": None}, "switch judge"),
        ({"baseline_cost_usd": None, "feedback": {"score": None}}, "switch judge"),
    ],
)
def test_the_next_action_follows_from_what_is_wrong(changes: dict[str, Any], action: str) -> None:
    assert recommend(measure_weeks(week_of(1, **changes)))[0].startswith(action)


def test_shadow_mode_goes_on_until_its_criteria_hold() -> None:
    action, reason = recommend(measure_weeks(week_of(1, count=300, mode="shadow")))
    assert action == "stay in shadow mode"
    assert reason == "not yet: at least 1000 decisions (found: 300)"
    assert recommend(measure_weeks([*week_of(1, count=300), *week_of(2, mode="shadow")]))[0] == "set `mode: active`"


def test_a_fall_of_quality_comes_before_the_saving() -> None:
    worse = [*week_of(1), *week_of(2, feedback={"score": 0.7}, cost_usd=0.8)]
    action, reason = recommend(measure_weeks(worse))
    assert action.startswith("raise `confidence_gate.escalate_below`")
    assert reason == "quality fell to 0.700, for sure below the first week's 0.900"


def test_few_decisions_prove_nothing() -> None:
    action, reason = recommend(measure_weeks(week_of(1, count=300)))
    assert action.startswith("send more of the traffic")
    assert reason.startswith("300 decisions")


def test_an_empty_log_recommends_traffic() -> None:
    assert recommend(measure_weeks([]))[0].startswith("send traffic")


def test_days_are_averaged_apart() -> None:
    weeks = measure_weeks([row(0.0, cost_usd=1.0), row(DAY_S * 2, cost_usd=3.0)])
    assert weeks[0].daily_cost_usd[0] == 1.0
    assert math.isnan(weeks[0].daily_cost_usd[1])
    assert weeks[0].daily_cost_usd[2] == 3.0


@given(st.integers(0, 50), st.integers(1, 50))
def test_a_share_lies_inside_its_interval(count: int, more: int) -> None:
    share = share_of(count, count + more)
    assert 0.0 <= share.low <= share.value + 1e-12
    assert share.value <= share.high + 1e-12 <= 1.0 + 1e-9


def test_nothing_to_average() -> None:
    assert math.isnan(mean_of([]).value)
    assert math.isnan(quantile_of([], 0.95))
    assert (share_of(0, 0).low, share_of(0, 0).high) == (0.0, 1.0)
    assert quantile_of([3.0, 1.0, 2.0], 0.95) == 3.0
