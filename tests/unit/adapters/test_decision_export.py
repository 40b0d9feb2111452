import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from tiergate.adapters.decision_database import DecisionDatabase, parse_url
from tiergate.adapters.decision_export import export_decisions, main
from tiergate.adapters.decision_feedback import FeedbackRow, write_feedback
from tiergate.adapters.decision_tables import build_values
from tiergate.errors import DecisionLogError

Rows = Callable[..., dict[str, Any]]
FIRST, SECOND = date(2026, 3, 1), date(2026, 3, 2)


def at(day: date, hour: int = 0) -> float:
    return datetime(day.year, day.month, day.day, hour, tzinfo=UTC).timestamp()


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path, build_row: Rows) -> str:
    url = f"sqlite:///{tmp_path}/decisions.db"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres_url")
    database = DecisionDatabase(parse_url(url))
    database.open_schema()
    rows = [
        build_row("d-1", ts=at(FIRST), embedding="AACAPwAAAMA=", prompt="What is <b>bold</b>?"),
        build_row("d-2", ts=at(FIRST, 23), final_tier="frontier"),
        build_row("d-3", ts=at(SECOND)),
    ]
    database.upsert([build_values(row, 1) for row in rows])
    with database.transaction() as connection:
        write_feedback(connection, FeedbackRow(decision_id="d-2", source="user", ts=1.0, score=0.5, comment="meh"))
        write_feedback(connection, FeedbackRow(decision_id="d-2", source="judge", ts=1.0, score=1.0, probability=0.1))
    database.close()
    return url


def test_each_day_is_a_folder_that_duckdb_reads(url: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert export_decisions(url, out) == {FIRST: 2, SECOND: 1}
    assert sorted(path.name for path in out.iterdir()) == ["day=2026-03-01", "day=2026-03-02"]
    found = duckdb.sql(
        f"SELECT day, decision_id, final_tier, feedback_score, judge_score, judge_probability "  # noqa: S608  our own folder
        f"FROM read_parquet('{out}/*/*.parquet', hive_partitioning = true) ORDER BY decision_id"
    ).fetchall()
    assert found == [
        (FIRST, "d-1", "simple", None, None, None),
        (FIRST, "d-2", "frontier", 0.5, 1.0, 0.1),
        (SECOND, "d-3", "simple", None, None, None),
    ]


def test_record_embedding_and_prompt_come_whole(url: str, tmp_path: Path, build_row: Rows) -> None:
    export_decisions(url, tmp_path / "out")
    row = pl.read_parquet(tmp_path / "out" / "day=2026-03-01").filter(pl.col("decision_id") == "d-1").to_dicts()[0]
    assert row["embedding"] == [1.0, -2.0]
    assert row["prompt"] == "What is <b>bold</b>?"
    assert json.loads(row["record"])["gate"] == build_row("d-1")["gate"]


def test_days_are_chosen_split_and_replaced_as_a_whole(url: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    export_decisions(url, out, rows_in_a_part=1)
    assert len(list((out / "day=2026-03-01").iterdir())) == 2
    assert export_decisions(url, out, since=FIRST, until=SECOND) == {FIRST: 2}
    assert len(list((out / "day=2026-03-01").iterdir())) == 1
    assert (out / "day=2026-03-02").is_dir()


def test_the_command_prints_what_it_wrote(url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([url, str(tmp_path / "out"), "--since", "2026-03-02"]) == 0
    assert json.loads(capsys.readouterr().out) == {"2026-03-02": 1}


def test_a_log_that_is_not_there_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(DecisionLogError, match="there is no decision log"):
        export_decisions(f"sqlite:///{tmp_path}/none.db", tmp_path)
    assert main([f"sqlite:///{tmp_path}/none.db", str(tmp_path)]) == 1
    assert "there is no decision log" in capsys.readouterr().err


def test_an_empty_log_exports_nothing(tmp_path: Path) -> None:
    empty = f"sqlite:///{tmp_path}/empty.db"
    database = DecisionDatabase(parse_url(empty))
    database.open_schema()
    database.close()
    assert export_decisions(empty, tmp_path / "out") == {}
