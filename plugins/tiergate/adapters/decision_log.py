"""The decision log: a journal on the request path, a database behind it.

`record` appends one line to a `DecisionJournal` and returns; a thread writes the lines to the database in batches and
retires them. So a slow, locked or absent database costs a request nothing, and a SIGKILL loses no recorded row: the
next process that opens the same journal folder writes what the dead one left.

While the database is away, rows wait in the journal up to its size limit; then the oldest segment is dropped and
counted: recent rows tell more, and the disk is shared with the cache.
"""

import asyncio
import json
import logging
import math
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from typing_extensions import override

from tiergate.adapters.decision_database import BREATH_S, ROWS_AT_ONCE, DecisionDatabase, find_sqlite_path, parse_url
from tiergate.adapters.decision_journal import Batch, DecisionJournal
from tiergate.adapters.decision_tables import build_values, may_need_cleaning
from tiergate.errors import ConfigurationError, DecisionLogError
from tiergate.ports import DecisionLog

_logger = logging.getLogger(__name__)
_KEY: Final = "decision_log.url"
_COMPLAIN_EVERY_S: Final = 60.0
_ADOPT_EVERY_S: Final = 60.0
_MAX_BACKOFF_S: Final = 5.0
_TIDY_EVERY_S: Final = 30.0


class SqlDecisionLog(DecisionLog):
    """A decision log in SQLite or PostgreSQL. Open it in the process that records: its thread does not survive a fork.

    Args:
        database: An opened database; the log closes it.
        journal: An opened journal; the log closes it.
        flush_interval_s: How long a row may wait before it is written to the database.
        close_timeout_s: How long closing waits for the database. Rows left over stay in the journal.
    """

    def __init__(
        self,
        database: DecisionDatabase,
        journal: DecisionJournal,
        *,
        flush_interval_s: float = 0.2,
        close_timeout_s: float = 10.0,
    ) -> None:
        self._database, self._journal = database, journal
        self._flush_interval_s, self._close_timeout_s = flush_interval_s, close_timeout_s
        self._stop = threading.Event()
        self._last_ns = 0
        self._refused = self._torn = self._written = self._recovered = 0
        self._complained_at = -_COMPLAIN_EVERY_S
        self._adopted_at = 0.0
        self._tidy_at = 0.0
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="tiergate-decision-log", daemon=True)
        self._thread.start()

    @property
    def dropped(self) -> int:
        """Rows lost: the journal was full, or the database refused what was in them."""
        return self._journal.dropped + self._refused

    @property
    def pending(self) -> int:
        """Rows in the journal and not yet in the database."""
        return self._journal.pending

    @property
    def written(self) -> int:
        """Rows written to the database."""
        return self._written

    @property
    def recovered(self) -> int:
        """Rows found in journals of dead processes. Some may have been in the database already."""
        return self._recovered

    @property
    def torn(self) -> int:
        """Lines of dead processes that were not whole."""
        return self._torn

    def state(self) -> dict[str, int]:
        """Return the counts of rows for those who watch the log."""
        return {
            "pending": self.pending,
            "written": self.written,
            "dropped": self.dropped,
            "recovered": self.recovered,
            "torn": self.torn,
        }

    @override
    def record(self, row: Mapping[str, Any]) -> None:
        if self._closed:
            raise DecisionLogError("the decision log is closed")
        if not isinstance(row.get("decision_id"), str):
            raise DecisionLogError("a row without decision_id cannot be recorded")
        # Strictly rising within the process, so that the later of two rows with one id is known.
        self._last_ns = max(time.time_ns(), self._last_ns + 1)
        try:
            text = json.dumps(row, separators=(",", ":"), allow_nan=False)
            self._journal.append(b'{"at":%d,"row":%b}\n' % (self._last_ns, text.encode("ascii")))
        except (TypeError, ValueError) as error:
            raise DecisionLogError(f"the row is not JSON-ready: {error}") from error
        except OSError as error:
            raise DecisionLogError(f"the journal cannot be written: {error.strerror}") from error

    @override
    async def aclose(self) -> None:
        await asyncio.to_thread(self.close)

    def close(self) -> None:
        """Write what is queued and close; a second call does nothing."""
        if self._closed:
            return
        self._closed = True
        self._stop.set()
        self._thread.join(self._close_timeout_s + _MAX_BACKOFF_S)
        if self._thread.is_alive():  # in a statement that does not end; it may still read the journal
            _logger.warning("the decision log's database does not answer; %d rows stay in the journal", self.pending)
            return
        self._journal.close()
        self._database.close()

    def _run(self) -> None:
        pause = self._flush_interval_s
        self._adopt()
        while True:
            flushed = self._flush()
            pause = self._flush_interval_s if flushed else min(pause * 2, _MAX_BACKOFF_S)
            if self._stop.wait(pause):
                break
            if time.monotonic() - self._adopted_at >= _ADOPT_EVERY_S:
                self._adopt()
            if flushed and time.monotonic() >= self._tidy_at:
                self._tidy()
        deadline = time.monotonic() + self._close_timeout_s
        while not self._flush(deadline) and time.monotonic() < deadline:
            time.sleep(min(self._flush_interval_s, 0.2))
        if self.pending:
            _logger.warning(
                "the decision log closes with %d rows in the journal; the next start writes them", self.pending
            )

    def _adopt(self) -> None:
        self._adopted_at = time.monotonic()
        try:
            self._recovered += self._journal.adopt()
        except OSError as error:
            self._complain(f"its journal folder cannot be read: {error.strerror}")

    def _tidy(self) -> None:
        """Sum up an hour and delete a few old rows; come back soon while there is more."""
        more = False
        try:
            more = self._database.tidy(hours=1, rows=100)
        except DecisionLogError as error:
            self._complain(f"its old rows cannot be summed up or deleted: {error}")
        self._tidy_at = time.monotonic() + (0 if more else _TIDY_EVERY_S)

    def _flush(self, deadline: float = math.inf) -> bool:
        """Write everything that waits, until the deadline; False when there was trouble."""
        try:
            while time.monotonic() < deadline and (batch := self._journal.read()) is not None:
                self._write(batch)
        except DecisionLogError as error:
            self._complain(str(error))
            return False
        except OSError as error:
            self._complain(f"its journal cannot be read: {error.strerror}")
            return False
        return True

    def _write(self, batch: Batch) -> None:
        latest: dict[str, dict[str, Any]] = {}
        torn = 0
        for number, line in enumerate(batch.lines):
            if number % ROWS_AT_ONCE == 0:
                time.sleep(BREATH_S)
            values = _parse(line)
            if values is None:
                torn += 1
            else:
                latest[values["decision_id"]] = values
        refused = self._database.upsert(list(latest.values()))
        self._journal.retire(batch)
        self._torn += torn
        self._refused += refused
        self._written += len(latest) - refused
        if refused:
            self._complain(f"its database refused {refused} rows for what is in them")

    def _complain(self, problem: str) -> None:
        if time.monotonic() - self._complained_at >= _COMPLAIN_EVERY_S:
            self._complained_at = time.monotonic()
            _logger.warning(
                "the decision log has trouble: %s (%d rows wait, %d dropped so far)",
                problem,
                self.pending,
                self.dropped,
            )


def _parse(line: bytes) -> dict[str, Any] | None:
    """Return the column values of a journal line; None when it is torn."""
    try:
        entry = json.loads(line)
        return build_values(entry["row"], int(entry["at"]), clean=may_need_cleaning(line))
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def open_decision_log(
    url: str,
    *,
    policy_file: Path,
    journal_folder: Path | None = None,
    max_journal_bytes: int = 256 << 20,
    flush_interval_s: float = 0.2,
    busy_timeout_s: float = 5.0,
    retention_days: float | None = None,
) -> SqlDecisionLog:
    """Open database and journal and start the writer.

    Args:
        url: `decision_log.url` of policy.yaml.
        policy_file: Named in errors; the journal of a PostgreSQL log is `data/decisions.journal` beside it.
        journal_folder: Where the journal is; None takes `<database>.journal` beside an SQLite file. Processes that
            share a database on one machine share the folder too.
        max_journal_bytes: What may wait while the database is away.
        flush_interval_s: How long a row may wait before it is written.
        busy_timeout_s: How long a statement waits for another writer.
        retention_days: How long decisions are kept; None keeps them all.

    Raises:
        ConfigurationError: The URL is wrong, or database or folder cannot be reached or written.
    """
    try:
        parsed = parse_url(url)
    except ValueError as error:
        fix = "write sqlite:///./data/decisions.db or postgresql+asyncpg://USER@HOST/DATABASE"
        raise ConfigurationError(policy_file, _KEY, f"the URL cannot be used: {error}", fix) from error
    path = find_sqlite_path(parsed)
    folder = journal_folder or (
        policy_file.parent / "data" / "decisions.journal" if path is None else path.with_name(f"{path.name}.journal")
    )
    shown = parsed.render_as_string(hide_password=True)
    try:
        database, journal = _open_parts(parsed, folder, max_journal_bytes, (busy_timeout_s, retention_days))
    except ModuleNotFoundError as error:
        fix = "pip install 'tiergate[postgres]'"
        raise ConfigurationError(policy_file, _KEY, "the PostgreSQL driver is not installed", fix) from error
    except DecisionLogError as error:
        fix = "make the database reachable and writable for this user, or name another one"
        raise ConfigurationError(policy_file, _KEY, f"{shown} cannot be used ({error})", fix) from error
    except OSError as error:
        place = error.filename or folder
        fix = "make the folder writable for this user, or name another one"
        raise ConfigurationError(policy_file, _KEY, f"{place} cannot be written ({error.strerror})", fix) from error
    return SqlDecisionLog(database, journal, flush_interval_s=flush_interval_s)


def _open_parts(
    url: sa.URL, folder: Path, max_journal_bytes: int, times: tuple[float, float | None]
) -> tuple[DecisionDatabase, DecisionJournal]:
    path = find_sqlite_path(url)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
    database = DecisionDatabase(url, busy_timeout_s=times[0], retention_days=times[1])
    try:
        database.open_schema()
        return database, DecisionJournal(folder, max_bytes=max_journal_bytes)
    except (DecisionLogError, OSError):
        database.close()
        raise
