"""The queries of docs/how-to/analyse-decisions.md, run as they stand there."""

import re
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tiergate.adapters.decision_database import DecisionDatabase, parse_url
from tiergate.adapters.decision_export import export_decisions
from tiergate.adapters.decision_feedback import FeedbackRow, write_feedback
from tiergate.adapters.decision_tables import build_values

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "analyse-decisions.md").read_text()
TITLES = re.findall(r"^## (.+)$", PAGE, re.MULTILINE)
QUERIES = {
    title: re.findall(r"```(sql|sqlite)\n(.*?)```", section, re.DOTALL)
    for title, section in zip(TITLES, re.split(r"^## .+$", PAGE, flags=re.MULTILINE)[1:], strict=True)
}
DUCKDB = [(title, query) for title, found in QUERIES.items() for kind, query in found if kind == "sql"]
SQLITE = [(title, query) for title, found in QUERIES.items() for kind, query in found if kind == "sqlite"]


def build_row(number: int, ts: float) -> dict[str, Any]:
    hit, escalated = number % 3 == 0, number % 5 == 1
    call = {"provider": "one", "cost_usd": 0.001, "ms": 50.0, "status": "ok", "tier": "simple", "model_group": "g"}
    return {
        "decision_id": f"d-{number}", "ts": ts, "domain": "code", "experiment": "e", "arm": "ab"[number % 2],
        "cache": {"outcome": "hit" if hit else "miss", "similarity": 0.95 if hit else 0.4},
        "route": {"domain": "code"},
        "gate": {"outcome": "skipped" if hit else "escalated" if escalated else "trusted", "confidence": 0.9},
        "calls": [] if hit else [call, {**call, "provider": "two", "status": "Timeout", "cost_usd": 0.0}],
        "final_tier": "simple", "cost_usd": 0.0 if hit else 0.001, "baseline_cost_usd": 0.01, "saved_usd": 0.009,
        "latency_ms": 50.0, "overhead_ms": 3.0, "status": "ok",
    }  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("analysis")
    url = f"sqlite:///{folder}/decisions.db"
    database = DecisionDatabase(parse_url(url))
    database.open_schema()
    start = (datetime.now(UTC) - timedelta(days=3)).timestamp()
    database.upsert([build_values(build_row(number, start + 600 * number), 1) for number in range(200)])
    with database.transaction() as connection:
        for number in (item for item in range(200) if item % 4 < 2):
            said = {"score": 0.75, "wrong_cache_hit": number % 12 == 0}
            write_feedback(connection, FeedbackRow(decision_id=f"d-{number}", source="user", ts=start, **said))
            graded = {"score": 0.5, "probability": 0.1 if number % 4 else 0.5}
            write_feedback(connection, FeedbackRow(decision_id=f"d-{number}", source="judge", ts=start, **graded))
    while database.tidy():
        pass
    database.close()
    export_decisions(url, folder / "exported")
    return folder


@pytest.fixture
def analyst(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(folder)
    connection = duckdb.connect()
    connection.execute(DUCKDB[0][1])
    return connection


@pytest.mark.parametrize(("title", "query"), DUCKDB[1:], ids=[title for title, _ in DUCKDB[1:]])
def test_each_query_over_the_export_finds_something(analyst: Any, title: str, query: str) -> None:
    rows = analyst.execute(query).fetchall()
    assert rows, title
    assert not [row for row in rows if None in row], title


@pytest.mark.parametrize(("title", "query"), SQLITE, ids=[query[:30] for _, query in SQLITE])
def test_each_query_over_the_log_finds_something(folder: Path, title: str, query: str) -> None:
    with closing(sqlite3.connect(folder / "decisions.db")) as connection:
        assert connection.execute(query).fetchall(), title


def test_the_judged_quality_is_weighted_and_the_page_has_its_queries(analyst: Any) -> None:
    query = dict(DUCKDB)["Quality from a sampled judge"]
    assert analyst.execute(query).fetchall()[0][2] == pytest.approx(0.5)
    assert len(DUCKDB) == 9
    assert len(SQLITE) == 2
