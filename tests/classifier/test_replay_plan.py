"""Replayed requests are planned as served ones are, from what a log or a table knows of the tiers."""

from typing import Any

import numpy as np
import pytest

from tiergate.decisions import Reason, RouteDecision, RouteOutcome
from tiergate.policy.latency import MIN_SAMPLES, predict
from tiergate.settings import Policy
from tiergate_classifier.replay_plan import ReplayPlanner, read_latency

TIERS = ("simple", "medium", "frontier")
USD = {"simple": 0.001, "medium": 0.01, "frontier": 0.1}
BOUNDS = {"simple": 0.75, "medium": 0.95, "frontier": 0.99}
ROUTE = RouteDecision(
    outcome=RouteOutcome.ROUTED, reason=Reason.SCORE_MEETS_QUALITY, tier="medium", scores=BOUNDS, lower_bounds=BOUNDS
)


def policy_of(strategy: str = "auto", **sections: Any) -> Policy:
    return Policy.model_validate(
        {
            "tiers": [{"name": name, "model_group": f"tier-{name}"} for name in TIERS],
            "intent_router": {"min_quality": 0.85},
            "strategy": strategy,
            **sections,
        }
    )


def test_the_cheapest_good_enough_plan_is_taken() -> None:
    planned = ReplayPlanner(policy=policy_of()).plan(ROUTE, USD)
    assert (planned.tier, planned.plan, planned.reason) == ("simple", ("simple", "medium"), Reason.LOWEST_EXPECTED_COST)


@pytest.mark.parametrize("strategy", ["route", "cascade"])
def test_other_strategies_are_not_planned(strategy: str) -> None:
    planner = ReplayPlanner(policy=policy_of(strategy))
    assert not planner.plans
    assert planner.plan(ROUTE, USD) is ROUTE


def test_one_domain_with_auto_is_enough_to_plan() -> None:
    planner = ReplayPlanner(policy=policy_of("route", domains={"code": {"strategy": "auto"}}))
    assert planner.plans
    assert planner.plan(ROUTE, USD) is ROUTE


def test_a_tier_without_a_cost_or_a_bound_is_in_no_plan() -> None:
    planner = ReplayPlanner(policy=policy_of())
    assert planner.plan(ROUTE, USD | {"simple": float("nan")}).plan == ("medium",)
    assert all("simple" not in plan.tiers for plan in planner.plan(ROUTE, {"medium": 1.0, "frontier": 2.0}).plans)
    bare = RouteDecision(outcome=RouteOutcome.ROUTED, reason=Reason.SCORE_MEETS_QUALITY, tier="medium")
    assert planner.plan(bare, USD).plans == ()


def test_a_plan_that_breaks_the_budget_gives_way_to_one_that_does_not() -> None:
    slow, quick = read_latency(np.full(50, 900.0), 0.5), read_latency(np.full(50, 300.0), 0.1)
    planner = ReplayPlanner(
        policy=policy_of(latency={"p95_budget_ms": 500}), latencies={"simple": slow, "medium": quick}
    )
    assert planner.plan(ROUTE, USD).plan == ("medium",)


def test_a_tiers_times_are_read_where_they_are_known() -> None:
    times = np.array([100.0] * MIN_SAMPLES + [np.nan] * 5)
    latency = read_latency(times, 0.3)
    assert (latency.samples, latency.escalation_ratio) == (MIN_SAMPLES, 0.3)
    assert predict(latency) == pytest.approx(100, rel=0.06)
    assert predict(read_latency(np.array([np.nan]), 0.0)) is None
