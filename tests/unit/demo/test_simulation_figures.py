"""From calls to figures: arithmetic, intervals over tasks, goals, and the comparison with what was published."""

from typing import Any

import pytest

from tiergate.demo.simulation import CallPair, Served
from tiergate.demo.simulation_draws import SimulatedCall
from tiergate.demo.simulation_figures import check_goals, measure
from tiergate.demo.simulation_scenario import Goals, load_simulation


def pair(task: int, tier: str | None = "simple", *, cost: float = 1.0, grade: int = 4, **record: Any) -> CallPair:
    call = SimulatedCall(task=task, prompt="p", difficulty="simple", meaning="p", kind="fresh", context_tokens=1)

    def served(cost_usd: float, grade: int) -> Served:
        return Served(
            cost_usd=cost_usd, latency_ms=100.0 * cost_usd, model_ms=50.0 * cost_usd, grade=grade,
            wrong_hit=False, decision_id="d",
        )  # fmt: skip

    row = {
        "route": {"tier": tier},
        "cache": {"outcome": "miss"},
        "gate": {"outcome": "trusted"},
        "overhead_ms": 2.0,
        **record,
    }
    return CallPair(call=call, before=served(4.0, 4), after=served(cost, grade), record=row)


def figures_of(pairs: list[CallPair], tasks: int) -> dict[str, Any]:
    scenario = load_simulation("agent-stack").model_copy(update={"tasks": tasks})
    return {figure.name: figure for figure in measure(scenario, pairs)}


def test_figures_are_sums_over_tasks() -> None:
    found = figures_of([pair(0), pair(0, "frontier", cost=3.0, grade=5), pair(1), pair(1)], 2)
    assert (found["cost_before_usd"].value, found["cost_after_usd"].value) == (8.0, 3.0)
    assert found["saving"].value == pytest.approx(1 - 6 / 16)
    assert (found["share_simple"].value, found["share_frontier"].value) == (0.75, 0.25)
    assert found["routed_too_high"].value == 0.25
    assert found["quality_difference"].value == 0.25
    assert found["overhead_p50_ms"].value == 2.0


def test_an_interval_spans_what_tasks_differ_by() -> None:
    found = figures_of([pair(task, cost=1.0 + task % 2) for task in range(40)], 40)["cost_after_usd"]
    assert found.low < 1.5 < found.high
    assert found.low > 1.3
    same = figures_of([pair(task) for task in range(40)], 40)["cost_after_usd"]
    assert (same.low, same.high) == (1.0, 1.0)


def test_a_published_figure_is_reproduced_inside_the_interval_or_when_the_run_does_better() -> None:
    found = figures_of([pair(task) for task in range(10)], 10)
    assert found["cost_after_usd"].reproduced is True  # 1.00 is below 2.44
    assert found["share_medium"].reproduced is False
    assert "higher than they need" in found["share_medium"].why
    assert found["hit_ratio"].reproduced is None


def test_hits_are_no_part_of_the_tier_shares() -> None:
    hits = [pair(task, None, cost=0.0, cache={"outcome": "hit"}) for task in range(10)]
    found = figures_of([*hits, *(pair(task) for task in range(10))], 10)
    assert (found["hit_ratio"].value, found["share_simple"].value) == (0.5, 1.0)


def test_goals_are_met_or_not() -> None:
    pairs = [pair(task, gate={"outcome": "escalated"}) for task in range(10)]
    goals = check_goals(
        Goals(min_saving=0.7, max_escalation_ratio=0.05, max_quality_loss=0.0, p95_not_above_before=True),
        list(figures_of(pairs, 10).values()),
    )
    assert {goal.name: goal.met for goal in goals} == {
        "saving at least": True,
        "escalation_ratio at most": False,
        "quality_difference at least": True,
        "p95_after_models_and_tiergate_ms at most": True,
    }
