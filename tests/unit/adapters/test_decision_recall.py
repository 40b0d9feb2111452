"""Who was served from an entry, by the decision log."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tiergate.adapters.decision_database import DecisionDatabase, parse_url
from tiergate.adapters.decision_recall import read_recall_notice
from tiergate.adapters.decision_tables import build_values
from tiergate.errors import DecisionLogError

Rows = Callable[..., dict[str, Any]]


def hit(entry_id: str) -> dict[str, Any]:
    return {"outcome": "hit", "reason": "similar_enough", "similarity": 0.97, "entry_id": entry_id}


@pytest.fixture
def url(tmp_path: Path, build_row: Rows) -> str:
    url = f"sqlite:///{tmp_path}/decisions.db"
    database = DecisionDatabase(parse_url(url))
    database.open_schema()
    missed = {"outcome": "miss", "reason": "recalled", "similarity": 0.97, "entry_id": "entry-1"}
    rows = (
        build_row("d-3", ts=30.0, trace_id="trace-3", cache=hit("entry-1")),
        build_row("d-1", ts=10.0, trace_id="trace-1", cache=hit("entry-1")),
        build_row("d-2", ts=20.0, cache=hit("entry-2")),
        build_row("d-4", ts=40.0, cache=missed),
        build_row("d-5", ts=50.0),
    )
    database.upsert([build_values(row, time.time_ns()) for row in rows])
    database.close()
    return url


@pytest.mark.parametrize("name", ["entry-1", "d-1", "d-3"])
def test_every_decision_and_trace_that_was_served_is_named(url: str, name: str) -> None:
    entry_id, decision, served = read_recall_notice(url, name)
    assert entry_id == "entry-1"
    assert [(each["decision_id"], each["trace_id"]) for each in served] == [("d-1", "trace-1"), ("d-3", "trace-3")]
    assert (None if decision is None else decision["decision_id"]) == (name if name.startswith("d") else None)


def test_an_entry_that_served_nobody_has_an_empty_notice(url: str) -> None:
    assert read_recall_notice(url, "entry-9") == ("entry-9", None, [])


def test_a_decision_that_was_not_served_from_the_cache_says_so(url: str) -> None:
    with pytest.raises(ValueError, match="not served from the cache"):
        read_recall_notice(url, "d-5")


def test_a_log_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(DecisionLogError):
        read_recall_notice(f"sqlite:///{tmp_path}/none.db", "d-1")
