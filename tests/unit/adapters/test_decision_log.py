import asyncio
import json
import logging
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import SQLAlchemyError

from tiergate.adapters.decision_database import DecisionDatabase, parse_url, read_decision, read_decisions
from tiergate.adapters.decision_journal import DecisionJournal
from tiergate.adapters.decision_log import SqlDecisionLog, open_decision_log
from tiergate.errors import ConfigurationError, DecisionLogError

Rows = Callable[..., dict[str, Any]]
Wait = Callable[..., None]

RECORD = textwrap.dedent(
    """
    import sys
    from pathlib import Path
    from tiergate.adapters.decision_log import open_decision_log
    url, folder, name, count = sys.argv[1:]
    log = open_decision_log(url, policy_file=Path(folder) / "policy.yaml", journal_folder=Path(folder) / "journal")
    print("open", flush=True)
    for number in range(int(count)):
        decision_id = f"{name}-{number}"
        log.record({"decision_id": decision_id, "ts": float(number), "prompt": "p" * (number % 5000)})
        print(decision_id, flush=True)
    if len(sys.argv[3]) > 1:
        log.close()
    """
)
"""Records rows and acknowledges each; closes only when its name is longer than a letter."""


def spawn(url: str, folder: Path, name: str, count: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", RECORD, url, str(folder), name, str(count)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def ids(url: str) -> set[str]:
    return {row["decision_id"] for row in read_decisions(url, limit=1_000_000)}


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/decisions.db"


@pytest.fixture(params=["sqlite", "postgresql"])
def any_url(request: pytest.FixtureRequest, url: str) -> str:
    return url if request.param == "sqlite" else str(request.getfixturevalue("postgres_url"))


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., SqlDecisionLog]]:
    """Return an opener of logs that are closed at the end; with PostgreSQL the journal is in the test's folder too."""
    logs: list[SqlDecisionLog] = []

    def begin(url: str, **options: Any) -> SqlDecisionLog:
        options = {"journal_folder": tmp_path / "journal", "flush_interval_s": 0.02} | options
        logs.append(open_decision_log(url, policy_file=tmp_path / "policy.yaml", **options))
        return logs[-1]

    yield begin
    for log in logs:
        log.close()


async def test_rows_are_in_the_database_after_closing(any_url: str, start: Any, build_row: Rows) -> None:
    log = start(any_url, flush_interval_s=60.0)
    rows = [build_row(f"d-{number}", embedding="AACAPw==", prompt=f"why {number}?") for number in range(300)]
    for row in rows:
        log.record(row)
    await log.aclose()
    assert read_decisions(any_url, limit=1000) == sorted(rows, key=lambda row: str(row["decision_id"]))
    assert (log.written, log.pending, log.dropped, log.torn, log.recovered) == (300, 0, 0, 0, 0)


def test_rows_arrive_without_closing(url: str, start: Any, build_row: Rows, wait_until: Wait) -> None:
    log = start(url)
    log.record(build_row("d-1"))
    wait_until(lambda: read_decision(url, "d-1"))
    wait_until(lambda: log.pending == 0)


def test_a_later_row_with_the_same_id_replaces_the_earlier(any_url: str, start: Any, build_row: Rows) -> None:
    log = start(any_url)
    for number in range(200):
        log.record(build_row("d-1", status=f"try {number}"))
    log.close()
    assert [row["status"] for row in read_decisions(any_url)] == ["try 199"]


def test_after_kill_9_every_acknowledged_row_is_there(
    any_url: str, tmp_path: Path, start: Any, wait_until: Wait
) -> None:
    with spawn(any_url, tmp_path, "k", 100_000) as process:
        assert process.stdout is not None
        acknowledged = [process.stdout.readline().strip() for _ in range(1501)][1:]
        os.kill(process.pid, signal.SIGKILL)
        acknowledged += process.stdout.read().split()
    assert len(acknowledged) >= 1500
    assert process.returncode == -signal.SIGKILL
    log = start(any_url)
    wait_until(lambda: log.recovered and log.pending == 0)
    # The row it was about to acknowledge may be there as well.
    extra = ids(any_url) - set(acknowledged)
    assert ids(any_url) >= set(acknowledged)
    assert len(extra) <= 1
    assert log.torn <= 1  # killed inside a write: not acknowledged


def test_after_kill_9_with_a_locked_database_every_acknowledged_row_is_there(
    url: str, tmp_path: Path, start: Any, wait_until: Wait
) -> None:
    start(url).close()
    with closing(sqlite3.connect(tmp_path / "decisions.db")) as other, spawn(url, tmp_path, "k", 100_000) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        other.execute("BEGIN IMMEDIATE")
        acknowledged = [process.stdout.readline().strip() for _ in range(1500)]
        os.kill(process.pid, signal.SIGKILL)
        other.rollback()
    log = start(url)
    wait_until(lambda: log.recovered and log.pending == 0)
    assert ids(url) >= set(acknowledged)


def test_a_torn_last_line_is_skipped_and_counted(url: str, tmp_path: Path, start: Any, wait_until: Wait) -> None:
    home = tmp_path / "journal" / "1-dead"
    home.mkdir(parents=True)
    whole = json.dumps({"at": 1, "row": {"decision_id": "d-1", "ts": 1.0}})
    lines = [whole, '{"at":2,"row":{}}', '{"at":3}', "[]", '{"at":4,"row":{"decision_id":"d-2","ts"']
    (home / "00000001.jsonl").write_text("\n".join(lines))
    log = start(url)
    wait_until(lambda: log.recovered and log.pending == 0)
    assert ids(url) == {"d-1"}
    assert (log.torn, log.written, log.recovered) == (4, 1, 5)
    assert not home.exists()


def test_a_locked_database_slows_no_request_and_loses_nothing(
    url: str, tmp_path: Path, start: Any, build_row: Rows, wait_until: Wait, caplog: pytest.LogCaptureFixture
) -> None:
    log = start(url, busy_timeout_s=0.1)
    with closing(sqlite3.connect(tmp_path / "decisions.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        for number in range(500):
            log.record(build_row(f"d-{number}"))
        wait_until(lambda: "the decision log has trouble" in caplog.text)
        assert log.pending == 500
        for number in range(500, 600):
            log.record(build_row(f"d-{number}"))
        assert log.pending == 600
        other.execute("ROLLBACK")
    wait_until(lambda: log.pending == 0)
    assert ids(url) == {f"d-{number}" for number in range(600)}
    assert caplog.text.count("the decision log has trouble") == 1


def test_recording_goes_on_while_postgresql_is_away(
    postgres_url: str, start: Any, build_row: Rows, wait_until: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = start(postgres_url)
    real = DecisionDatabase.upsert
    with socket.socket() as nobody:  # bound and not listening: refuses
        nobody.bind(("127.0.0.1", 0))
        away = DecisionDatabase(parse_url(f"postgresql://tester@127.0.0.1:{nobody.getsockname()[1]}/none"))
        failures: list[str] = []

        def upsert(self: DecisionDatabase, values: Any) -> int:
            del self
            try:
                return real(away, values)
            except DecisionLogError as error:
                failures.append(str(error))
                raise

        with monkeypatch.context() as patched:
            patched.setattr(DecisionDatabase, "upsert", upsert)
            log.record(build_row("d-1"))
            wait_until(lambda: len(failures) >= 2)
            assert log.pending == 1
            assert "refused" in failures[0]
    wait_until(lambda: log.pending == 0)
    assert ids(postgres_url) == {"d-1"}


@pytest.mark.parametrize("closing_at_once", [True, False])
def test_several_processes_share_one_database(url: str, tmp_path: Path, closing_at_once: bool, start: Any) -> None:  # noqa: FBT001
    names = ("aa", "bb", "cc") if closing_at_once else ("aa", "bb", "x")
    processes = [spawn(url, tmp_path, name, 400) for name in names]
    for process in processes:
        process.communicate(timeout=60)
        assert process.returncode == 0
    start(url, flush_interval_s=60.0).close()
    assert ids(url) == {f"{name}-{number}" for name in names for number in range(400)}
    assert list((tmp_path / "journal").iterdir()) == []


def test_a_process_that_lives_on_adopts_the_journal_of_one_that_died(
    url: str, tmp_path: Path, start: Any, wait_until: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tiergate.adapters.decision_log._ADOPT_EVERY_S", 0.0)
    log = start(url)
    home = tmp_path / "journal" / "1-dead"
    home.mkdir()
    (home / "00000001.jsonl").write_text(json.dumps({"at": 1, "row": {"decision_id": "d-1"}}) + "\n")
    wait_until(lambda: read_decision(url, "d-1"))
    wait_until(lambda: not home.exists())
    assert log.recovered == 1


def test_when_the_database_is_away_for_long_the_oldest_rows_go_and_are_counted(
    url: str, tmp_path: Path, start: Any, build_row: Rows
) -> None:
    log = start(url, busy_timeout_s=0.01, max_journal_bytes=20_000)
    with closing(sqlite3.connect(tmp_path / "decisions.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        for number in range(100):
            log.record(build_row(f"d-{number}"))
        assert log.dropped > 0
        assert log.dropped + log.pending == 100
        other.execute("ROLLBACK")
    log.close()
    left = sorted(int(row.removeprefix("d-")) for row in ids(url))
    assert len(left) == 100 - log.dropped
    # The newest rows; and before them at most the batch that was being written when its segment was dropped.
    gaps = [(one, other) for one, other in pairwise(left) if other != one + 1]
    assert left[-1] == 99
    assert len(gaps) <= 1


def test_rows_left_at_closing_wait_in_the_journal(
    url: str, tmp_path: Path, build_row: Rows, start: Any, wait_until: Wait, caplog: pytest.LogCaptureFixture
) -> None:
    database = DecisionDatabase(parse_url(url), busy_timeout_s=0.01)
    database.open_schema()
    journal = DecisionJournal(tmp_path / "journal")
    log = SqlDecisionLog(database, journal, flush_interval_s=0.01, close_timeout_s=0.1)
    with closing(sqlite3.connect(tmp_path / "decisions.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        log.record(build_row("d-1"))
        log.close()
        other.execute("ROLLBACK")
    assert "closes with 1 rows in the journal" in caplog.text
    assert ids(url) == set()
    again = start(url)
    wait_until(lambda: again.recovered == 1 and again.pending == 0)
    assert ids(url) == {"d-1"}


def test_closing_stops_in_time_however_much_waits(url: str, tmp_path: Path, build_row: Rows) -> None:
    database = DecisionDatabase(parse_url(url))
    database.open_schema()
    log = SqlDecisionLog(database, DecisionJournal(tmp_path / "journal"), flush_interval_s=60.0, close_timeout_s=0.0)
    time.sleep(0.1)  # the writer now waits for its next turn
    for number in range(100):
        log.record(build_row(f"d-{number}"))
    log.close()
    assert log.written == 0
    assert not log._thread.is_alive()
    again = SqlDecisionLog(DecisionDatabase(parse_url(url)), DecisionJournal(tmp_path / "journal"))
    again.close()
    assert len(ids(url)) == again.recovered == 100


def test_a_database_that_does_not_answer_does_not_hold_up_closing(
    url: str, tmp_path: Path, build_row: Rows, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tiergate.adapters.decision_log._MAX_BACKOFF_S", 0.05)
    database = DecisionDatabase(parse_url(url), busy_timeout_s=2.0)
    database.open_schema()
    log = SqlDecisionLog(database, DecisionJournal(tmp_path / "journal"), flush_interval_s=0.01, close_timeout_s=0.1)
    with closing(sqlite3.connect(tmp_path / "decisions.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        log.record(build_row("d-1"))
        log.close()
        other.execute("ROLLBACK")
    assert "does not answer; 1 rows stay in the journal" in caplog.text


def test_a_row_that_the_database_refuses_is_counted(
    url: str, tmp_path: Path, start: Any, build_row: Rows, caplog: pytest.LogCaptureFixture
) -> None:
    log = start(url, flush_interval_s=60.0)
    with closing(sqlite3.connect(tmp_path / "decisions.db")) as other:
        other.execute(
            "CREATE TRIGGER picky BEFORE INSERT ON tiergate_decisions WHEN NEW.decision_id = 'd-3' "
            "BEGIN SELECT RAISE(ABORT, 'not this one'); END"
        )
        other.commit()
    for number in range(6):
        log.record(build_row(f"d-{number}"))
    log.close()
    assert (log.dropped, log.written, log.pending) == (1, 5, 0)
    assert "refused 1 rows" in caplog.text
    assert ids(url) == {"d-0", "d-1", "d-2", "d-4", "d-5"}


def test_a_row_that_is_no_record_is_refused(url: str, start: Any, build_row: Rows) -> None:
    log = start(url)
    for row, problem in (
        ({}, "without decision_id"),
        ({"decision_id": 7}, "without decision_id"),
        (build_row("d-1", cost_usd=float("nan")), "not JSON-ready"),
        (build_row("d-1", prompt=b"bytes"), "not JSON-ready"),
    ):
        with pytest.raises(DecisionLogError, match=problem):
            log.record(row)
    log.close()
    with pytest.raises(DecisionLogError, match="closed"):
        log.record(build_row("d-1"))
    assert ids(url) == set()


def test_a_journal_that_cannot_be_written_is_an_error(url: str, start: Any, build_row: Rows) -> None:
    log = start(url, max_journal_bytes=100)
    with pytest.raises(DecisionLogError, match="the journal cannot be written: File too large"):
        log.record(build_row("d-1"))


def test_trouble_with_the_journal_is_logged_and_the_writer_lives_on(
    url: str,
    start: Any,
    build_row: Rows,
    wait_until: Wait,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(_: DecisionJournal) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(DecisionJournal, "read", fail)
        patched.setattr(DecisionJournal, "adopt", fail)
        log = start(url)
        log.record(build_row("d-1"))
        wait_until(lambda: "journal folder cannot be read: Input/output error" in caplog.text)
    wait_until(lambda: read_decision(url, "d-1"))


async def test_recording_inside_an_event_loop_does_not_need_it(url: str, start: Any, build_row: Rows) -> None:
    log = start(url)
    await asyncio.gather(*(asyncio.to_thread(log.record, build_row(f"d-{number}")) for number in range(50)))
    await log.aclose()
    await log.aclose()
    assert len(ids(url)) == 50


@pytest.mark.parametrize(
    ("url", "problem", "fix"),
    [
        ("nonsense", "the URL cannot be used: it is not a database URL", "write sqlite:///"),
        ("mysql://h/d", "the URL cannot be used: mysql is neither sqlite nor postgresql", "write sqlite:///"),
        ("sqlite:////dev/null/x/d.db", "/dev/null/x cannot be written (Not a directory)", "make the folder writable"),
        ("sqlite:////dev", "sqlite:////dev cannot be used (OperationalError: unable to open", "make the database"),
        ("postgresql://u:secret@127.0.0.1:1/d", "postgresql+psycopg://u:***@127.0.0.1:1/d cannot be used", "reachable"),
    ],
)
def test_bad_settings_stop_start_up_with_file_key_and_fix(tmp_path: Path, url: str, problem: str, fix: str) -> None:
    policy = tmp_path / "policy.yaml"
    with pytest.raises(ConfigurationError) as caught:
        open_decision_log(url, policy_file=policy)
    error = caught.value
    assert (error.file, error.key) == (str(policy), "decision_log.url")
    assert problem in error.problem
    assert fix in error.fix
    assert "secret" not in str(error)


def test_a_read_only_database_stops_start_up(url: str, tmp_path: Path, start: Any) -> None:
    start(url).close()
    read_only = f"sqlite:///file:{tmp_path}/decisions.db?mode=ro&uri=true"
    with pytest.raises(ConfigurationError, match="readonly"):
        open_decision_log(read_only, policy_file=tmp_path / "policy.yaml")


def test_a_journal_folder_that_cannot_be_made_stops_start_up(url: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="file/journal cannot be written"):
        open_decision_log(url, policy_file=tmp_path / "policy.yaml", journal_folder=tmp_path / "file" / "journal")


def test_without_the_postgresql_driver_the_error_tells_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'tiergate\[postgres\]'"):
        open_decision_log("postgresql://h/d", policy_file=tmp_path / "policy.yaml")
    with pytest.raises(DecisionLogError, match=r"pip install 'tiergate\[postgres\]'"):
        read_decision("postgresql://h/d", "d-1")


def test_the_journal_is_beside_the_database_or_the_policy(url: str, tmp_path: Path, postgres_url: str) -> None:
    log = open_decision_log(url, policy_file=tmp_path / "policy.yaml")
    assert (tmp_path / "decisions.db.journal").is_dir()
    log.close()
    log = open_decision_log(postgres_url, policy_file=tmp_path / "policy.yaml")
    assert (tmp_path / "data" / "decisions.journal").is_dir()
    log.close()


def test_importing_opens_nothing(tmp_path: Path) -> None:
    code = "import tiergate.adapters.decision_log, threading; assert threading.active_count() == 1"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_foreign_errors_do_not_leak() -> None:
    assert not issubclass(DecisionLogError, SQLAlchemyError | OSError)
    assert logging.getLogger("tiergate.adapters.decision_log").handlers == []
