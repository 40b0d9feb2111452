"""The law of the latency budget, on traffic of a seed and time that leaps: no clock of a wall is read."""

import importlib.util
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tiergate.policy.money import Price
from tiergate.settings import Policy

SOURCE = Path(__file__).parents[2] / "benchmarks" / "simulated_traffic.py"
N = 1500
SCORES = {"small": 0.99, "frontier": 0.99}
SLOWER_BY = 1.06
"""A quantile of the running histogram is off by a twentieth at most; the rest is the first answers."""


@pytest.fixture(scope="module")
def simulated() -> Any:
    spec = importlib.util.spec_from_file_location("simulated_traffic", SOURCE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def traffic(simulated: Any) -> Any:
    rng = np.random.default_rng(5)
    tokens = np.minimum(rng.lognormal(4.5, 0.8, N), 900).astype(np.int64) + 1
    noise = rng.lognormal(0, 0.1, (N, 2))
    good = np.stack([rng.random(N) < 0.45, rng.random(N) < 0.95], axis=1)
    return simulated.Traffic(
        arrivals_s=np.cumsum(rng.exponential(0.3, N)),
        prompt_tokens=rng.integers(50, 2000, N),
        answer_tokens=tokens,
        times_s=np.stack([0.3 + 0.010 * tokens, 0.4 + 0.015 * tokens], axis=1) * noise,
        confidence=np.where(good, rng.uniform(0.9, 1.0, (N, 2)), rng.uniform(0.2, 0.6, (N, 2))),
        good=good.astype(float),
        prices=(Price(input_usd=2e-7, output_usd=2e-7), Price(input_usd=1e-5, output_usd=3e-5)),
    )


def policy_of(budget_ms: float | None) -> Policy:
    return Policy.model_validate(
        {
            "tiers": [{"name": one, "model_group": f"tier-{one}"} for one in SCORES],
            "semantic_cache": {"enabled": False},
            "latency": {"p95_budget_ms": budget_ms},
        }
    )


@pytest.fixture(scope="module")
def runs(simulated: Any, traffic: Any) -> dict[float | None, Any]:
    alone = 1000 * np.quantile(traffic.times_s, 0.95, axis=0)
    cheap, strong = (float(one) for one in alone)
    budgets = (None, 0.3 * cheap, 1.15 * cheap, 1.15 * strong, 3 * strong)
    return {budget: simulated.serve(traffic, policy_of(budget), SCORES, None) for budget in budgets}


def p95(served: Any) -> float:
    return float(np.quantile(served.latency_ms, 0.95))


def test_p95_is_within_the_budget_where_a_plan_meets_it(runs: dict[float | None, Any], traffic: Any) -> None:
    fastest = 1000 * float(np.quantile(traffic.times_s, 0.95, axis=0).min())
    kept = {budget: p95(served) for budget, served in runs.items() if budget is not None and budget >= fastest}
    assert len(kept) == 3
    assert all(found <= SLOWER_BY * budget for budget, found in kept.items())
    assert sum(budget < p95(runs[None]) for budget in kept) >= 2, "without a budget these would be broken"


def test_where_no_plan_meets_it_the_fastest_is_taken(runs: dict[float | None, Any], traffic: Any) -> None:
    hopeless = min(budget for budget in runs if budget is not None)
    fastest = 1000 * float(np.quantile(traffic.times_s, 0.95, axis=0).min())
    assert hopeless < p95(runs[hopeless]) <= 1.1 * fastest
    assert float((runs[hopeless].calls == 1).mean()) > 0.9
    assert runs[hopeless].skipped > 0.1


def test_where_the_strong_tier_alone_is_fast_enough_it_is_asked_at_once(
    runs: dict[float | None, Any], traffic: Any
) -> None:
    strong = 1000 * float(np.quantile(traffic.times_s[:, 1], 0.95))
    found = runs[1.15 * strong]
    assert found.moved > 0.5
    assert found.good.mean() >= traffic.good[:, 1].mean() - 0.01, "it holds that tier's quality"


def test_a_wide_budget_changes_little_and_a_narrow_one_still_escalates_short_answers(
    runs: dict[float | None, Any], traffic: Any
) -> None:
    cheap, strong = (1000 * np.quantile(traffic.times_s, 0.95, axis=0)).tolist()
    assert runs[3 * strong].moved == 0.0
    assert runs[3 * strong].good.mean() == pytest.approx(runs[None].good.mean(), abs=0.01)
    narrow = runs[1.15 * cheap]
    escalated = narrow.calls > 1
    assert escalated.mean() > 0.05
    assert traffic.answer_tokens[escalated].mean() < traffic.answer_tokens[~escalated].mean()


def test_every_call_is_paid_exactly_once(runs: dict[float | None, Any], traffic: Any) -> None:
    for served in runs.values():
        expected = [
            sum(traffic.cost_usd(place, tier) for tier in range(first, first + calls))
            for place, (first, calls) in enumerate(zip(served.first.tolist(), served.calls.tolist(), strict=True))
        ]
        assert served.cost_usd == pytest.approx(expected, rel=1e-9)


def test_the_same_traffic_gives_the_same_figures(simulated: Any, traffic: Any, runs: dict[float | None, Any]) -> None:
    again = simulated.serve(traffic, policy_of(None), SCORES, None)
    assert np.array_equal(again.latency_ms, runs[None].latency_ms)
    assert np.array_equal(again.cost_usd, runs[None].cost_usd)


def test_a_loop_with_nothing_to_wait_for_says_so(simulated: Any) -> None:
    with pytest.raises(RuntimeError, match="nothing is left"):
        simulated.LeapingSelector().select(None)
