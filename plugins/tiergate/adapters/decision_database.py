"""The database of the decision log: SQLite or PostgreSQL, opened, written and read through SQLAlchemy.

Everything here blocks; the log calls it from its writer thread, the command line directly.
"""

import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, DataError, IntegrityError, SQLAlchemyError

from tiergate.adapters.decision_blocks import pack_hours, read_log_columns
from tiergate.adapters.decision_columns import DecisionColumns
from tiergate.adapters.decision_rollups import delete_old, find_retention_hour, hour_of, reopen_hours, roll_hours
from tiergate.adapters.decision_search import Cursor, find_decision, find_decisions
from tiergate.adapters.decision_tables import DECISIONS
from tiergate.errors import DecisionLogError

_POSTGRES_DRIVERS: Final = frozenset({"postgresql", "postgres", "postgresql+asyncpg", "postgresql+psycopg"})
_SQLITE_DRIVERS: Final = frozenset({"sqlite", "sqlite+pysqlite", "sqlite+aiosqlite"})
ROWS_AT_ONCE: Final = 8
"""Rows in a piece of the writer thread's work: well under a millisecond."""

BREATH_S: Final = 50e-6
"""How long the writer thread pauses between pieces. Without a pause it keeps the interpreter lock for up to the switch
interval (5 ms), and the event loop waits; after a pause of zero it has the lock back before the loop's thread wakes."""

_SWITCH_PAUSE_S: Final = 0.01


def parse_url(url: str) -> sa.URL:
    """Return the URL with the driver that is used here, which is a synchronous one.

    Args:
        url: `sqlite:///file`, `postgresql://…` or either with the usual asynchronous driver named.

    Raises:
        ValueError: It is no URL, another database's, or an SQLite database without a file.
    """
    try:
        parsed = sa.make_url(url)
    except (ArgumentError, ValueError) as error:
        raise ValueError("it is not a database URL") from error
    if parsed.drivername in _SQLITE_DRIVERS:
        if not parsed.database or ":memory:" in parsed.database:
            raise ValueError("it names no file, and a decision log in memory would not outlive the process")
        return parsed.set(drivername="sqlite")
    if parsed.drivername in _POSTGRES_DRIVERS:
        query = dict(parsed.query)
        if "ssl" in query:  # asyncpg's word for it
            query["sslmode"] = query.pop("ssl")
        return parsed.set(drivername="postgresql+psycopg", query=query)
    raise ValueError(f"{parsed.drivername} is neither sqlite nor postgresql")


def find_sqlite_path(url: sa.URL) -> Path | None:
    """Return the file of an SQLite database; None for a PostgreSQL one."""
    if url.get_backend_name() != "sqlite" or url.database is None:
        return None
    name = url.database.removeprefix("file:").partition("?")[0]
    return Path(name)


class DecisionDatabase:
    """A connection to the database of the decision log; for one thread at a time.

    Args:
        url: From `parse_url`.
        busy_timeout_s: How long a statement waits for another writer.
        retention_days: How long `tidy` keeps decisions; None keeps them all.

    Raises:
        ModuleNotFoundError: The PostgreSQL driver is not installed.
    """

    def __init__(self, url: sa.URL, *, busy_timeout_s: float = 5.0, retention_days: float | None = None) -> None:
        self._retention_days = retention_days
        self._sqlite = url.get_backend_name() == "sqlite"
        # Parameters hold prompts, so they stay out of error messages.
        self._engine = sa.create_engine(
            url,
            hide_parameters=True,
            pool_size=1,
            max_overflow=0,
            connect_args=_connect_args(sqlite_file=self._sqlite, busy_timeout_s=busy_timeout_s),
        )
        if self._sqlite:
            sa.event.listen(self._engine, "connect", partial(_set_pragmas, busy_timeout_s))
        self._upsert = _build_upsert(sqlite_file=self._sqlite)

    def open_schema(self) -> None:
        """Bring the tables to this version, and write once, so that a read-only database is found out now.

        Raises:
            DecisionLogError: The database cannot be reached or written, or a newer tiergate has changed its tables.
        """
        from tiergate.adapters.decision_schema import open_schema  # noqa: PLC0415  Alembic: not for those who read

        try:
            with self._engine.begin() as connection:
                open_schema(connection, sqlite_file=self._sqlite)
        except SQLAlchemyError as error:
            raise DecisionLogError(describe_error(error)) from error

    def has_decisions(self) -> bool:
        """Tell whether the database holds the table of decisions.

        Raises:
            DecisionLogError: The database cannot be read.
        """
        try:
            return sa.inspect(self._engine).has_table(DECISIONS.name)
        except SQLAlchemyError as error:
            raise DecisionLogError(describe_error(error)) from error

    def upsert(self, values: Sequence[Mapping[str, Any]]) -> int:
        """Write rows; a row replaces one with the same id that was recorded before it.

        Args:
            values: From `decision_tables.build_values`.

        Returns:
            How many rows the database refused for what is in them. The others are written.

        Raises:
            DecisionLogError: The database cannot be reached or is locked; nothing of what failed is written.
        """
        if not values:
            return 0
        try:
            with self._engine.begin() as connection:
                late = self._find_late_hours(values)
                if late:
                    reopen_hours(connection, late)
                for start in range(0, len(values), ROWS_AT_ONCE):
                    connection.execute(self._upsert, list(values[start : start + ROWS_AT_ONCE]))
                    time.sleep(BREATH_S)
        except (DataError, IntegrityError):
            if len(values) == 1:
                return 1
            half = len(values) // 2
            return self.upsert(values[:half]) + self.upsert(values[half:])
        except SQLAlchemyError as error:
            self._engine.dispose()
            raise DecisionLogError(describe_error(error)) from error
        return 0

    def tidy(self, *, hours: int = 24, rows: int = 500) -> bool:
        """Sum up and pack hours that are over, delete decisions past their retention, one piece of each.

        Args:
            hours: At most so many hours are summed, and packed.
            rows: At most so many decisions are deleted.

        Returns:
            Whether there is more to do.

        Raises:
            DecisionLogError: The database cannot be reached or is locked.
        """
        now = time.time()
        try:
            with self._engine.begin() as connection:
                summed = roll_hours(connection, now=now, limit=hours)
            first_hour = 0 if self._retention_days is None else find_retention_hour(now, self._retention_days)
            with self._engine.begin() as connection:
                packed = pack_hours(connection, first_hour=first_hour, limit=hours)
            deleted = 0
            if self._retention_days is not None:
                with self._engine.begin() as connection:
                    deleted = delete_old(connection, now=now, retention_days=self._retention_days, limit=rows)
        except SQLAlchemyError as error:
            raise DecisionLogError(describe_error(error)) from error
        return hours in {summed, packed} or deleted == rows

    def _find_late_hours(self, values: Sequence[Mapping[str, Any]]) -> set[int]:
        """Return the hours of these rows that may be summed already. Of hours past the retention only sums are left."""
        now = time.time()
        first = 0 if self._retention_days is None else find_retention_hour(now, self._retention_days)
        hours = {hour_of(row["ts"]) for row in values if row["ts"] is not None}
        return {hour for hour in hours if first <= hour < hour_of(now)}

    @contextmanager
    def transaction(self) -> Iterator[sa.Connection]:
        """Give a connection whose writes are committed together when the block ends.

        Raises:
            DecisionLogError: The database cannot be reached or is locked; nothing is written.
        """
        try:
            with self._engine.begin() as connection:
                yield connection
        except SQLAlchemyError as error:
            raise DecisionLogError(describe_error(error)) from error

    @contextmanager
    def snapshot(self) -> Iterator[sa.Connection]:
        """Give a connection whose queries all see the same state.

        Raises:
            DecisionLogError: The database cannot be read.
        """
        try:
            with self._engine.connect() as connection:
                if self._sqlite:
                    connection.exec_driver_sql("BEGIN")
                else:
                    connection = connection.execution_options(isolation_level="REPEATABLE READ")  # noqa: PLW2901
                yield connection
        except SQLAlchemyError as error:
            raise DecisionLogError(describe_error(error)) from error

    def read_decision(self, decision_id: str) -> dict[str, Any] | None:
        """Return the row of one decision as it was recorded; None when there is none.

        Raises:
            DecisionLogError: The database cannot be read.
        """
        with self.snapshot() as connection:
            return find_decision(connection, decision_id)

    def read_decisions(
        self, *, limit: int = 100, after: Cursor | None = None, newest_first: bool = False
    ) -> list[dict[str, Any]]:
        """Return rows in order of time.

        Args:
            limit: At most so many.
            after: Begin behind this place, in the direction of reading; None begins at the end.
            newest_first: Read backwards in time.

        Raises:
            DecisionLogError: The database cannot be read.
        """
        with self.snapshot() as connection:
            return find_decisions(connection, limit=limit, after=after, newest_first=newest_first)

    def read_columns(self) -> DecisionColumns:
        """Return what replay needs of every decision; hours that are packed are read as blocks.

        Raises:
            DecisionLogError: The database cannot be read.
        """
        with self.snapshot() as connection:
            return read_log_columns(connection)

    def read_first_ts(self) -> float | None:
        """Return the time of the oldest decision, Unix time in seconds; None when there is none.

        Raises:
            DecisionLogError: The database cannot be read.
        """
        with self.snapshot() as connection:
            first: float | None = connection.scalar(sa.select(sa.func.min(DECISIONS.c.ts)))
        return first

    def close(self) -> None:
        """Close the connection."""
        self._engine.dispose()


def read_decision(url: str, decision_id: str) -> dict[str, Any] | None:
    """Return the row of one decision; None when there is none. Rows still in the journal are not seen.

    Raises:
        DecisionLogError: The database does not exist or cannot be read.
    """
    database = open_for_reading(url)
    try:
        return database.read_decision(decision_id)
    finally:
        database.close()


def read_decisions(
    url: str, *, limit: int = 100, after: Cursor | None = None, newest_first: bool = False
) -> list[dict[str, Any]]:
    """Return rows in order of time; see `DecisionDatabase.read_decisions`.

    Raises:
        DecisionLogError: The database does not exist or cannot be read.
    """
    database = open_for_reading(url)
    try:
        return database.read_decisions(limit=limit, after=after, newest_first=newest_first)
    finally:
        database.close()


def read_decision_columns(url: str) -> DecisionColumns:
    """Return what replay needs of every decision of a log.

    Raises:
        DecisionLogError: The database does not exist or cannot be read.
    """
    database = open_for_reading(url)
    try:
        return database.read_columns()
    finally:
        database.close()


def describe_error(error: SQLAlchemyError) -> str:
    """Return the first line of what the driver said: no statement, no parameters."""
    lines = str(getattr(error, "orig", None) or error).splitlines()
    return f"{type(error).__name__}: {lines[0] if lines else ''}"


def open_for_reading(url: str) -> DecisionDatabase:
    """Return the database of an existing log.

    Raises:
        DecisionLogError: The URL is wrong, the database does not exist, cannot be read or is no decision log, or its
            driver is missing.
    """
    try:
        parsed = parse_url(url)
    except ValueError as error:
        raise DecisionLogError(f"the decision log's URL cannot be used: {error}") from error
    path = find_sqlite_path(parsed)
    if path is not None and not path.is_file():  # SQLite would make an empty one
        raise DecisionLogError(f"there is no decision log at {path}")
    try:
        database = DecisionDatabase(parsed)
    except ModuleNotFoundError as error:
        fix = "pip install 'tiergate[postgres]'"
        raise DecisionLogError(f"the PostgreSQL driver is missing. Fix: {fix}") from error
    try:
        found = database.has_decisions()
    except DecisionLogError as error:
        database.close()
        raise DecisionLogError(f"{parsed.render_as_string()} cannot be read ({error})") from error
    if not found:
        database.close()
        raise DecisionLogError(f"{parsed.render_as_string()} holds no table {DECISIONS.name}")
    return database


def _connect_args(*, sqlite_file: bool, busy_timeout_s: float) -> dict[str, Any]:
    if sqlite_file:
        return {"timeout": busy_timeout_s, "check_same_thread": False}
    return {
        "connect_timeout": 5,
        "keepalives_idle": 10,
        "tcp_user_timeout": 10_000,
        "options": f"-c lock_timeout={int(busy_timeout_s * 1000)} -c statement_timeout=30000",
    }


def _set_pragmas(busy_timeout_s: float, connection: sqlite3.Connection, _: Any) -> None:
    """Let readers read while the log writes; a commit then survives a SIGKILL, and all but the last a power cut.

    Of two processes that switch a new file to WAL at once, SQLite refuses one without waiting: each would wait for the
    other's shared lock.
    """
    until = time.monotonic() + busy_timeout_s
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            break
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(_SWITCH_PAUSE_S)
    connection.execute("PRAGMA synchronous=NORMAL")


def _build_upsert(*, sqlite_file: bool) -> sa.Insert:
    insert = sqlite.insert(DECISIONS) if sqlite_file else postgresql.insert(DECISIONS)
    replaced = {column.name: insert.excluded[column.name] for column in DECISIONS.c if not column.primary_key}
    # Journals of several processes are written in any order: the time of recording decides, not that of writing.
    return insert.on_conflict_do_update(
        index_elements=[DECISIONS.c.decision_id],
        set_=replaced,
        where=insert.excluded.recorded_at >= DECISIONS.c.recorded_at,
    )
