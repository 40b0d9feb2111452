import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tiergate.adapters.decision_database import DecisionDatabase, parse_url
from tiergate.adapters.decision_rollups import HOUR_S, hour_of
from tiergate.adapters.decision_tables import build_values

NOW_HOUR = hour_of(time.time())


@pytest.fixture
def build_row() -> Callable[..., dict[str, Any]]:
    """Return a maker of rows in the shape of the decision record."""

    def build(decision_id: str, **changes: Any) -> dict[str, Any]:
        row: dict[str, Any] = {
            "decision_id": decision_id,
            "ts": 1_700_000_000.5,
            "call_id": f"call-{decision_id}",
            "trace_id": None,
            "tenant": "t-1",
            "entry_model": "auto",
            "strategy": "cascade",
            "experiment": None,
            "arm": None,
            "session": None,
            "cache": {"outcome": "miss", "reason": "no_neighbour", "similarity": 0.25},
            "route": {
                "outcome": "routed",
                "tier": "simple",
                "score": 0.9,
                "scores": {"simple": 0.9},
                "domain": "coding",
            },
            "gate": {"outcome": "trusted", "reason": "confidence_high", "confidence": 0.95, "signals": {}},
            "calls": [
                {"tier": "simple", "model_group": "tier-simple", "cost_usd": 0.00001, "ms": 40.0, "status": "ok"}
            ],
            "final_tier": "simple",
            "cost_usd": 0.00001,
            "baseline_cost_usd": 0.002,
            "saved_usd": 0.00199,
            "latency_ms": 45.0,
            "overhead_ms": 3.0,
            "stage_ms": {"intent_router": 0.5},
            "status": "ok",
            "feedback": None,
        }
        return row | changes

    return build


@pytest.fixture
def wait_until() -> Callable[..., None]:
    """Return a waiter for something that another thread or process does."""

    def wait(holds: Callable[[], Any], timeout_s: float = 20.0) -> None:
        deadline = time.monotonic() + timeout_s
        while not holds():
            assert time.monotonic() < deadline, "it did not happen in time"
            time.sleep(0.02)

    return wait


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[DecisionDatabase]:
    url = f"sqlite:///{tmp_path}/decisions.db"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres_url")
    database = DecisionDatabase(parse_url(url), retention_days=30)
    database.open_schema()
    yield database
    database.close()


def write(database: DecisionDatabase, *rows: dict[str, Any]) -> None:
    """Write rows of the record to the log, in this order."""
    database.upsert([build_values(row, time.time_ns() + number) for number, row in enumerate(rows)])


def at(hours_ago: float) -> float:
    """Return a moment so many hours before this one, a minute into its hour."""
    return (NOW_HOUR - hours_ago) * HOUR_S + 60


def tidy(database: DecisionDatabase) -> None:
    """Let the log sum and pack until nothing is left to do."""
    while database.tidy():
        pass
