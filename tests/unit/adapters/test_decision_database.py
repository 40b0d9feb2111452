import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from tiergate.adapters.decision_database import (
    Cursor,
    DecisionDatabase,
    _set_pragmas,
    find_sqlite_path,
    parse_url,
    read_decision,
    read_decisions,
)
from tiergate.adapters.decision_tables import DECISIONS, SCHEMA_VERSION, build_values
from tiergate.errors import DecisionLogError

Rows = Callable[..., dict[str, Any]]


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/decisions.db"
    found: str = request.getfixturevalue("postgres_url")
    return found


def opened(url: str, **options: Any) -> DecisionDatabase:
    database = DecisionDatabase(parse_url(url), **options)
    database.open_schema()
    return database


@pytest.mark.parametrize(
    ("url", "driver"),
    [
        ("sqlite:///./data/decisions.db", "sqlite"),
        ("sqlite+aiosqlite:////var/decisions.db", "sqlite"),
        ("postgresql://u:p@h/d", "postgresql+psycopg"),
        ("postgres://u:p@h/d", "postgresql+psycopg"),
        ("postgresql+asyncpg://u:p@h/d", "postgresql+psycopg"),
        ("postgresql+psycopg://u:p@h/d", "postgresql+psycopg"),
    ],
)
def test_the_usual_urls_are_taken(url: str, driver: str) -> None:
    assert parse_url(url).drivername == driver


def test_asyncpgs_word_for_tls_is_understood() -> None:
    assert parse_url("postgresql+asyncpg://h/d?ssl=require").query == {"sslmode": "require"}


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("decisions.db", "not a database URL"),
        ("", "not a database URL"),
        ("postgresql://h:port/d", "not a database URL"),
        ("mysql://h/d", "mysql is neither sqlite nor postgresql"),
        ("sqlite://", "names no file"),
        ("sqlite:///:memory:", "names no file"),
    ],
)
def test_a_url_that_cannot_be_used_says_why(url: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        parse_url(url)


def test_the_file_of_a_url() -> None:
    assert find_sqlite_path(parse_url("sqlite:///./data/d.db")) == Path("data/d.db")
    assert find_sqlite_path(parse_url("sqlite:///file:data/d.db?mode=ro&uri=true")) == Path("data/d.db")
    assert find_sqlite_path(parse_url("postgresql://h/d")) is None


def test_rows_come_back_whole(url: str, build_row: Rows) -> None:
    database = opened(url)
    rows = [build_row("d-1"), build_row("d-2", embedding="AACAPw==", prompt="why? \U0001f600")]
    assert database.upsert([build_values(row, 1) for row in rows]) == 0
    database.close()
    assert read_decision(url, "d-1") == rows[0]
    assert read_decision(url, "d-2") == rows[1]
    assert read_decision(url, "d-3") is None


def test_rows_are_read_in_order_of_time_page_by_page(url: str, build_row: Rows) -> None:
    database = opened(url)
    moments = {"a": 3.0, "b": 1.0, "c": 2.0, "d": 2.0, "e": 4.0}
    database.upsert([build_values(build_row(name, ts=ts), 1) for name, ts in moments.items()])

    def pages(*, newest_first: bool) -> list[list[str]]:
        found, after = [], None
        while rows := read_decisions(url, limit=2, after=after, newest_first=newest_first):
            found.append([row["decision_id"] for row in rows])
            after = Cursor(ts=rows[-1]["ts"], decision_id=rows[-1]["decision_id"])
        return found

    assert pages(newest_first=False) == [["b", "c"], ["d", "a"], ["e"]]
    assert pages(newest_first=True) == [["e", "a"], ["d", "c"], ["b"]]
    database.close()


def test_the_row_recorded_last_stays_in_whatever_order_they_are_written(url: str, build_row: Rows) -> None:
    database = opened(url)
    for at in (5, 9, 7):
        database.upsert([build_values(build_row("d-1", status=f"at {at}"), at)])
    database.close()
    (row,) = read_decisions(url)
    assert row["status"] == "at 9"
    with closing(connect(url)) as connection:
        assert connection.execute(sa.select(DECISIONS.c.status, DECISIONS.c.recorded_at)).all() == [("at 9", 9)]


def test_no_rows_are_no_trouble(url: str) -> None:
    database = opened(url)
    assert database.upsert([]) == 0
    database.close()


def test_a_row_that_the_database_refuses_does_not_hold_up_the_others(url: str, build_row: Rows) -> None:
    database = opened(url)
    values = [build_values(build_row(f"d-{number}"), 1) for number in range(8)]
    values[5]["recorded_at"] = None
    assert database.upsert(values) == 1
    assert [row["decision_id"] for row in database.read_decisions()] == [f"d-{n}" for n in range(8) if n != 5]
    database.close()


def test_opening_again_keeps_the_rows_and_the_version(url: str, build_row: Rows) -> None:
    for name in ("d-1", "d-2"):
        database = opened(url)
        database.upsert([build_values(build_row(name), 1)])
        database.close()
    assert len(read_decisions(url)) == 2
    with closing(connect(url)) as connection:
        assert connection.execute(sa.text("SELECT version FROM tiergate_schema")).all() == [(SCHEMA_VERSION,)]


def test_tables_of_a_newer_tiergate_are_refused(url: str) -> None:
    opened(url).close()
    with closing(connect(url)) as connection:
        connection.execute(sa.text("INSERT INTO tiergate_schema (version, opened_at) VALUES (99, 0)"))
        connection.commit()
    with pytest.raises(DecisionLogError, match="version 99, this tiergate knows 3"):
        opened(url)


def test_the_stated_indexes_exist(url: str) -> None:
    opened(url).close()
    with closing(connect(url)) as connection:
        indexes = {str(i["name"]): i["column_names"] for i in sa.inspect(connection).get_indexes("tiergate_decisions")}
    assert indexes == {
        "ix_tiergate_decisions_ts": [
            "ts",
            "decision_id",
            "final_tier",
            "domain",
            "cache_outcome",
            "gate_outcome",
            "status",
        ],
        "ix_tiergate_decisions_tenant": ["tenant", "ts"],
        "ix_tiergate_decisions_call_id": ["call_id"],
        "ix_tiergate_decisions_experiment": ["experiment", "arm", "ts"],
    }


def test_a_locked_database_is_trouble_not_loss(tmp_path: Path, build_row: Rows) -> None:
    url = f"sqlite:///{tmp_path}/decisions.db"
    database = opened(url, busy_timeout_s=0.05)
    with closing(sqlite3.connect(tmp_path / "decisions.db")) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(DecisionLogError, match="locked"):
            database.upsert([build_values(build_row("d-1"), 1)])
        other.rollback()
    database.upsert([build_values(build_row("d-1"), 1)])
    assert len(database.read_decisions()) == 1
    database.close()


def test_processes_that_make_the_file_together_wait_for_each_other(tmp_path: Path) -> None:
    path = tmp_path / "decisions.db"
    with (
        closing(sqlite3.connect(path, check_same_thread=False, isolation_level=None)) as other,
        closing(sqlite3.connect(path, timeout=0.0)) as connection,  # refused at once, as when both switch to WAL
    ):
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            _set_pragmas(0.02, connection, None)
        release = threading.Timer(0.1, other.execute, ["ROLLBACK"])
        release.start()
        _set_pragmas(60.0, connection, None)
        release.join()
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_readers_read_while_another_writes(tmp_path: Path, build_row: Rows) -> None:
    url = f"sqlite:///{tmp_path}/decisions.db"
    database = opened(url)
    database.upsert([build_values(build_row("d-1"), 1)])
    with closing(sqlite3.connect(tmp_path / "decisions.db")) as other:
        other.execute("BEGIN IMMEDIATE")
        assert len(read_decisions(url)) == 1
        other.rollback()
    database.close()


def test_errors_tell_no_prompt(tmp_path: Path, build_row: Rows) -> None:
    url = f"sqlite:///{tmp_path}/decisions.db"
    database = opened(url)
    with closing(sqlite3.connect(tmp_path / "decisions.db")) as other:
        other.execute("DROP TABLE tiergate_decisions")
        other.commit()
    with pytest.raises(DecisionLogError) as caught:
        database.upsert([build_values(build_row("d-1", prompt="a secret question"), 1)])
    assert str(caught.value) == "OperationalError: no such table: tiergate_decisions"
    assert "secret" not in str(caught.value.__cause__)
    database.close()


def test_reading_makes_no_file(tmp_path: Path) -> None:
    with pytest.raises(DecisionLogError, match="there is no decision log at"):
        read_decisions(f"sqlite:///{tmp_path}/decisions.db")
    assert list(tmp_path.iterdir()) == []


def test_reading_what_is_no_log_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "decisions.db").write_text("not a database, but long enough to look at" * 100)
    with pytest.raises(DecisionLogError, match=r"decisions\.db cannot be read .*not a database"):
        read_decision(f"sqlite:///{tmp_path}/decisions.db", "d-1")
    with pytest.raises(DecisionLogError, match="neither sqlite nor postgresql"):
        read_decision("mysql://h/d", "d-1")
    (tmp_path / "other.db").write_bytes(b"")  # an empty file is an empty database
    with pytest.raises(DecisionLogError, match=r"other\.db holds no table tiergate_decisions"):
        read_decision(f"sqlite:///{tmp_path}/other.db", "d-1")
    with pytest.raises(DecisionLogError, match=r"u:\*\*\*@127\.0\.0\.1:1/d cannot be read"):
        read_decision("postgresql://u:secret@127.0.0.1:1/d", "d-1")


def connect(url: str) -> sa.Connection:
    return sa.create_engine(parse_url(url), poolclass=sa.NullPool).connect()
