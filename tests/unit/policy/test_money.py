"""Costs add up exactly; savings may be negative."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiergate.exchange import Call
from tiergate.policy.money import Price, Usage, estimate_baseline, saved, sum_cost

PRICE = Price(input_usd=0.000015, output_usd=0.00003)
USAGE = Usage(prompt_tokens=1000, completion_tokens=200)


@given(st.lists(st.floats(0, 1e6)))
def test_costs_sum_without_rounding_loss(costs: list[float]) -> None:
    calls = [Call(tier="simple", model_group="g", cost_usd=cost) for cost in costs]
    assert sum_cost(calls) == math.fsum(costs)
    assert sum_cost(reversed(calls)) == sum_cost(calls)


def test_the_baseline_is_the_answers_tokens_at_its_price() -> None:
    assert estimate_baseline(USAGE, PRICE) == pytest.approx(0.021)


@pytest.mark.parametrize(("usage", "price"), [(None, PRICE), (USAGE, None)])
def test_without_tokens_or_price_there_is_no_baseline(usage: Usage | None, price: Price | None) -> None:
    assert estimate_baseline(usage, price) is None


def test_savings() -> None:
    assert saved(0.5, 0.2) == pytest.approx(0.3)
    assert saved(0.2, 0.5) == pytest.approx(-0.3)
    assert saved(None, 0.5) is None
