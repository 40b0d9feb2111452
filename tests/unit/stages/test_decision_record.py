"""The record's stage: the log first, and no listener's trouble reaches another."""

from typing import Any

import pytest

from tiergate.decisions import (
    CacheDecision,
    CacheOutcome,
    GateDecision,
    GateOutcome,
    Reason,
    RouteDecision,
    RouteOutcome,
)
from tiergate.errors import DecisionLogError
from tiergate.stages.decision_record import DecisionRecorder
from tiergate.telemetry.record import DecisionRecord
from tiergate.testing import MemoryDecisionLog

RECORD = DecisionRecord(
    decision_id="d",
    ts=0.0,
    call_id="c",
    entry_model="auto",
    cache=CacheDecision(outcome=CacheOutcome.MISS, reason=Reason.NO_NEIGHBOUR),
    route=RouteDecision(outcome=RouteOutcome.SKIPPED, reason=Reason.DISABLED),
    gate=GateDecision(outcome=GateOutcome.SKIPPED, reason=Reason.DISABLED),
)


def test_beginning_writes_a_row_and_tells_nobody() -> None:
    log, told = MemoryDecisionLog(), list[Any]()
    DecisionRecorder(log=log, listeners=(lambda record, _: told.append(record),)).begin(RECORD)
    assert [row["decision_id"] for row in log.rows] == ["d"]
    assert told == []


@pytest.mark.swallows
def test_every_listener_is_told_whatever_the_others_do() -> None:
    log, told = MemoryDecisionLog(failure=DecisionLogError("locked")), list[Any]()

    def broken(_record: Any, _parent: Any) -> None:
        raise KeyError

    recorder = DecisionRecorder(log=log, listeners=(broken, lambda record, parent: told.append((record, parent))))
    recorder.begin(RECORD)
    recorder.finish(RECORD, parent="context")
    assert told == [(RECORD, "context")]
