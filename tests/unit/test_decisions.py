"""The closed sets are lower_snake, unique and short enough for a label; decisions cannot be changed."""

import dataclasses
import re
from enum import StrEnum

import pytest

from tiergate.decisions import (
    CacheDecision,
    CacheOutcome,
    GateDecision,
    GateOutcome,
    HedgeOutcome,
    Reason,
    RouteDecision,
    RouteOutcome,
)

SETS = (CacheOutcome, RouteOutcome, GateOutcome, HedgeOutcome, Reason)
DECISIONS = (
    CacheDecision(outcome=CacheOutcome.MISS, reason=Reason.NO_NEIGHBOUR),
    RouteDecision(outcome=RouteOutcome.SKIPPED, reason=Reason.DISABLED),
    GateDecision(outcome=GateOutcome.SKIPPED, reason=Reason.NO_SIGNAL),
)


@pytest.mark.parametrize("closed", SETS)
def test_values_are_lower_snake_unique_and_their_own_names(closed: type[StrEnum]) -> None:
    values = [member.value for member in closed]
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", value) for value in values)
    assert len(set(values)) == len(closed.__members__), "an alias would hide a value"
    assert values == [name.lower() for name in closed.__members__]


@pytest.mark.parametrize("decision", DECISIONS)
def test_a_decision_cannot_be_changed_and_has_no_error_of_its_own(decision: CacheDecision) -> None:
    assert decision.error is None
    with pytest.raises(dataclasses.FrozenInstanceError):
        decision.reason = Reason.DISABLED  # type: ignore[misc]
    assert not hasattr(decision, "__dict__")
