"""Sections about the plan of a request."""

import pytest
from pydantic import ValidationError

from tiergate.plan_settings import Latency, Session


def test_nothing_is_limited_and_time_is_worth_nothing_unless_policy_says_so() -> None:
    assert (Latency().p95_budget_ms, Latency().usd_per_s, Session().sticky) == (None, 0.0, False)


def test_time_cannot_be_worth_less_than_nothing() -> None:
    with pytest.raises(ValidationError, match="usd_per_s"):
        Latency.model_validate({"usd_per_s": -1})
