"""Both in one nests routing and cascading, prices move along the curve, and costs are what was asked."""

from typing import get_args

import numpy as np
import pytest

pytest.importorskip("sklearn")

from tiergate_classifier.cascade_policy import Strategy, TierTable, fit_policy
from tiergate_classifier.logistic import sigmoid
from tiergate_classifier.routing_metrics import error_cost_area

STRATEGIES: tuple[Strategy, ...] = get_args(Strategy)
PRICES = np.array([0.0, *np.geomspace(0.01, 2.0, 15), 1e6]) / 4


def _world(n: int, seed: int, costs: tuple[float, ...] = (1.0, 4.0)) -> TierTable:
    """Requests whose hardness is half in the prompt and half shown by the cheap answer."""
    generator = np.random.default_rng(seed)
    prompt, answer = generator.normal(size=(2, n))
    skill = np.linspace(-0.3, 2.5, len(costs))
    chance = sigmoid(skill + 1.5 * prompt[:, None] * np.linspace(1, 0.3, len(costs)) + 1.5 * answer[:, None])
    good = (generator.random(chance.shape) < chance).astype(float)
    prior = sigmoid(0.8 * (skill + 1.5 * prompt[:, None] * np.linspace(1, 0.3, len(costs))))
    return TierTable(
        good=good, cost=np.tile(costs, (n, 1)), prior=prior, posterior=chance, has_signal=(True,) * len(costs)
    )


def _area(strategy: Strategy, fitted: TierTable, held: TierTable) -> float:
    runs = [fit_policy(fitted, strategy, price).run(held) for price in PRICES]
    cost, error = (np.array([run[at].mean() for run in runs]) for at in (0, 1))
    return error_cost_area(cost, 1 - error, low=1.0, high=4.0)


@pytest.mark.parametrize("seed", range(3))
def test_both_in_one_is_not_worse_than_the_better_of_the_two(seed: int) -> None:
    fitted, held = _world(800, seed), _world(4000, seed + 100)
    areas = {strategy: _area(strategy, fitted, held) for strategy in STRATEGIES}
    assert areas["both"] <= min(areas["route"], areas["gate"]) * 1.01
    assert areas["both"] < max(areas["route"], areas["gate"])


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_dearest_price_asks_the_cheapest_tier_only(strategy: Strategy) -> None:
    table = _world(300, 1)
    cost, good = fit_policy(table, strategy, 1e6).run(table)
    assert cost.tolist() == [1.0] * 300
    np.testing.assert_array_equal(good, table.good[:, 0])


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("price", [0.0, 0.05, 0.2])
def test_costs_are_sums_of_calls_and_no_tier_is_asked_twice(strategy: Strategy, price: float) -> None:
    table = _world(500, 2, costs=(1.0, 10.0, 100.0))
    cost, good = fit_policy(table, strategy, price / 100).run(table)
    possible = {
        "route": {1, 10, 100},
        "gate": {1, 11, 111},
        "climb": {1, 11, 111},
        "both": {1, 10, 100, 11, 101, 110, 111},
    }
    assert set(cost.tolist()) <= possible[strategy]
    assert np.all((good >= 0) & (good <= 1))


def test_a_higher_price_never_costs_more_on_the_rows_it_was_fitted_on() -> None:
    table = _world(800, 3)
    costs = [fit_policy(table, "gate", price).run(table)[0].mean() for price in PRICES]
    assert np.all(np.diff(costs) <= 1e-9)


def test_an_answer_without_a_signal_replaces_the_weak_one() -> None:
    table = _world(400, 4)
    blind = TierTable(
        good=table.good,
        cost=table.cost,
        prior=table.prior,
        posterior=np.column_stack([table.posterior[:, 0], np.full(400, 0.01)]),
        has_signal=(True, False),
    )
    cost, good = fit_policy(blind, "gate", 0.0).run(blind)
    escalated = cost > 1
    assert escalated.any()
    np.testing.assert_array_equal(good[escalated], table.good[escalated, 1])


def test_priors_that_say_nothing_leave_the_cascade_alone() -> None:
    table = _world(600, 5)
    flat = TierTable(
        good=table.good,
        cost=table.cost,
        prior=np.full((600, 2), 0.5),
        posterior=table.posterior,
        has_signal=(True, True),
    )
    cost, _ = fit_policy(flat, "route", 0.05).run(flat)
    assert len(set(cost.tolist())) == 1


def test_answers_that_show_nothing_are_not_paid_for_when_the_strong_tier_is_wanted() -> None:
    generator = np.random.default_rng(6)
    good = (generator.random((500, 2)) < [0.55, 0.7]).astype(float)
    shown = 0.5 + 0.05 * generator.normal(size=(500, 2))
    table = TierTable(
        good=good,
        cost=np.tile([1.0, 4.0], (500, 1)),
        prior=np.full((500, 2), 0.5),
        posterior=shown,
        has_signal=(True, True),
    )
    cost, _ = fit_policy(table, "both", 0.01).run(table)
    assert cost.tolist() == [4.0] * 500
