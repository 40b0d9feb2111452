import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.adapters.conftest import NOW_HOUR, at, tidy, write

from tiergate.adapters.decision_database import DecisionDatabase, parse_url
from tiergate.adapters.decision_rollups import find_open_spans
from tiergate.adapters.decision_summary import read_summary
from tiergate.adapters.decision_tables import HOUR_DECISIONS, HOURS

Rows = Callable[..., dict[str, Any]]


def summary(database: DecisionDatabase, hours: int = 48) -> dict[str, Any]:
    with database.snapshot() as connection:
        return read_summary(connection, (NOW_HOUR + 1 - hours, NOW_HOUR + 1))


def summed_hours(database: DecisionDatabase) -> list[int]:
    with database.snapshot() as connection:
        return list(connection.scalars(sa.select(HOURS.c.hour).order_by(HOURS.c.hour)))


def test_a_summary_tells_the_same_before_and_after_hours_are_summed(
    database: DecisionDatabase, build_row: Rows
) -> None:
    weak = {"outcome": "escalated", "reason": "confidence_low", "confidence": 0.4}
    write(
        database,
        *(build_row(f"d-{hour}", ts=at(hour)) for hour in range(30)),
        build_row("e-1", ts=at(5), gate=weak, final_tier="frontier", cost_usd=0.5),
        build_row("f-1", ts=at(5), status="failed", saved_usd=None, baseline_cost_usd=None),
        build_row("h-1", ts=at(0), cache={"outcome": "hit", "reason": "exact_match", "similarity": 1.0}, calls=[]),
    )
    before = summary(database)
    tidy(database)
    assert len(summed_hours(database)) >= 28
    assert rounded(summary(database)) == rounded(before)
    totals = before["totals"]
    assert (totals["requests"], totals["hits"], totals["escalated"], totals["failed"], totals["priced"]) == (
        33,
        1,
        1,
        1,
        32,
    )
    assert totals["cost_usd"] == pytest.approx(0.5 + 32 * 0.00001)
    assert totals["saved_usd"] == pytest.approx(32 * 0.00199)
    assert totals["escalation_ratio"] == pytest.approx(1 / 33)
    assert {row["final_tier"]: row["requests"] for row in before["tiers"]} == {"simple": 32, "frontier": 1}
    assert before["latency_ms"]["p50"] == pytest.approx(46.005, abs=0.01)
    assert before["providers"] == [
        {
            "tier": "simple",
            "provider": None,
            "model_group": "tier-simple",
            "calls": 32,
            "failed": 0,
            "error_ratio": 0.0,
            "fallbacks": 0,
            "cost_usd": pytest.approx(32 * 0.00001),
            "ms": pytest.approx(40.0),
        }
    ]
    assert sum(point["requests"] for point in before["series"]) == 33
    assert sum(before["scores"]["confidence"].values()) == 32


def rounded(value: Any) -> Any:
    """Return the same with floats rounded: the order of a sum is the database's."""
    if isinstance(value, float):
        return float(f"{value:.9g}")
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    return [rounded(item) for item in value] if isinstance(value, list) else value


def test_a_late_row_opens_its_hour_again(database: DecisionDatabase, build_row: Rows) -> None:
    write(database, build_row("d-1", ts=at(10)), build_row("d-2", ts=at(9)))
    tidy(database)
    assert NOW_HOUR - 10 in summed_hours(database)
    write(database, build_row("d-3", ts=at(10)))
    assert NOW_HOUR - 10 not in summed_hours(database)
    assert NOW_HOUR - 9 in summed_hours(database)
    assert summary(database)["totals"]["requests"] == 3
    tidy(database)
    assert summary(database)["totals"]["requests"] == 3


def test_a_row_that_is_replaced_counts_once(database: DecisionDatabase, build_row: Rows) -> None:
    write(database, build_row("d-1", ts=at(3), final_tier=None))
    tidy(database)
    write(database, build_row("d-1", ts=at(3), final_tier="medium"))
    tidy(database)
    assert [(row["final_tier"], row["requests"]) for row in summary(database)["tiers"]] == [("medium", 1)]


def test_an_hour_that_is_not_over_is_not_summed(database: DecisionDatabase, build_row: Rows) -> None:
    write(database, build_row("d-1", ts=time.time()))
    assert not database.tidy()
    assert NOW_HOUR not in summed_hours(database)


def test_an_empty_log_has_an_empty_summary(database: DecisionDatabase) -> None:
    assert not database.tidy()
    empty = summary(database)
    assert empty["totals"]["requests"] == 0
    assert empty["totals"]["escalation_ratio"] is None
    assert empty["series"] == []
    assert empty["latency_ms"] == {"p50": None, "p95": None, "p99": None}


def test_old_decisions_go_and_their_sums_stay(database: DecisionDatabase, build_row: Rows) -> None:
    write(database, *(build_row(f"old-{number}", ts=at(24 * 40)) for number in range(30)), build_row("new", ts=at(1)))
    while database.tidy(rows=7):
        pass
    assert database.read_decision("new") is not None
    assert database.read_decision("old-3") is None
    assert summary(database, hours=24 * 60)["totals"]["requests"] == 31
    write(database, build_row("very-late", ts=at(24 * 40)))
    assert summary(database, hours=24 * 60)["totals"]["requests"] == 31
    tidy(database)
    assert database.read_decision("very-late") is None


def test_what_is_not_summed_yet_is_not_deleted(database: DecisionDatabase, build_row: Rows) -> None:
    write(database, build_row("old", ts=at(24 * 40)))
    database.tidy(hours=0)
    assert database.read_decision("old") is not None


CALLS_THAT_ARE_NONE = [None, "none", {}, 5]


@pytest.mark.parametrize("calls", CALLS_THAT_ARE_NONE)
def test_calls_of_an_unexpected_shape_are_no_trouble(database: DecisionDatabase, build_row: Rows, calls: Any) -> None:
    write(database, build_row("d-1", ts=at(2), calls=calls))
    tidy(database)
    assert summary(database)["totals"]["requests"] == 1


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(marks=st.sets(st.integers(0, 30), max_size=20))
def test_open_and_summed_hours_make_up_the_window(tmp_path: Path, marks: set[int]) -> None:
    database = DecisionDatabase(parse_url(f"sqlite:///{tmp_path}/spans.db"))
    database.open_schema()
    with database.transaction() as connection:
        connection.execute(sa.delete(HOURS))
        for hour in marks:
            connection.execute(sa.insert(HOURS).values(hour=hour, rolled_at=0.0))
        spans = find_open_spans(connection, (5, 25))
    opened = {hour for start, end in spans for hour in range(start, end)}
    assert opened == set(range(5, 25)) - marks
    assert all(start < end for start, end in spans)
    database.close()


def test_the_sums_name_no_one_and_hold_no_text() -> None:
    assert not {"tenant", "session", "prompt", "call_id", "decision_id"} & {column.name for column in HOUR_DECISIONS.c}
