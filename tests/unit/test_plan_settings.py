"""Sections about the plan of a request."""

import pytest
from pydantic import ValidationError

from tiergate.plan_settings import Hedge, Latency, Session


def test_nothing_is_limited_and_time_is_worth_nothing_unless_policy_says_so() -> None:
    assert (Latency().p95_budget_ms, Latency().usd_per_s, Session().sticky) == (None, 0.0, False)
    assert Latency().hedge is None


def test_time_cannot_be_worth_less_than_nothing() -> None:
    with pytest.raises(ValidationError, match="usd_per_s"):
        Latency.model_validate({"usd_per_s": -1})


def test_a_hedge_has_two_starts_and_needs_one() -> None:
    hedge = Latency.model_validate({"hedge": {}}).hedge
    assert hedge is not None
    assert (hedge.after_quantile, hedge.min_escalation_probability) == (None, 0.5)
    assert Hedge(after_quantile=0.9, min_escalation_probability=None).after_quantile == 0.9
    with pytest.raises(ValidationError, match="would never begin"):
        Hedge(min_escalation_probability=None)
    with pytest.raises(ValidationError, match="after_quantile"):
        Hedge(after_quantile=1.0)
