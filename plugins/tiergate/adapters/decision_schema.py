"""Brings the tables of the decision log to this version: Alembic migrations, run when the log is opened."""

import time
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError

from tiergate.adapters.decision_tables import METADATA, SCHEMA, SCHEMA_VERSION
from tiergate.errors import DecisionLogError

MIGRATIONS: Final = Path(__file__).with_name("migrations")
VERSION_TABLE: Final = "tiergate_migrations"
_SCHEMA_LOCK: Final = 0x7469657267617465  # "tiergate": PostgreSQL's advisory lock while tables are made


def open_schema(connection: sa.Connection, *, sqlite_file: bool) -> None:
    """Migrate what is older, refuse what is newer, and write once, so that a read-only database is found out now.

    Args:
        connection: In a transaction that the caller commits.
        sqlite_file: Whether the database is SQLite.

    Raises:
        DecisionLogError: A newer tiergate has changed the tables.
        SQLAlchemyError: The database cannot be reached or written.
    """
    if sqlite_file:
        connection.exec_driver_sql("BEGIN IMMEDIATE")  # processes that start together wait for each other here
    else:
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_SCHEMA_LOCK)))
    known = sa.inspect(connection).has_table(SCHEMA.name)
    version = connection.scalar(sa.select(sa.func.max(SCHEMA.c.version))) if known else None
    if version is not None and version > SCHEMA_VERSION:
        raise DecisionLogError(f"its tables have version {version}, this tiergate knows {SCHEMA_VERSION}")
    opened = {"version": SCHEMA_VERSION, "opened_at": time.time()}
    if version == SCHEMA_VERSION:
        connection.execute(sa.update(SCHEMA).values(opened).where(SCHEMA.c.version == version))
        return
    migrate(connection)
    connection.execute(sa.insert(SCHEMA).values(opened))


def migrate(connection: sa.Connection, revision: str = "head") -> None:
    """Run the migrations up to a revision.

    Raises:
        DecisionLogError: The database names a revision that this tiergate does not have.
    """
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    scripts = ScriptDirectory.from_config(config)

    def steps(current: Any, _context: Any) -> Any:
        return scripts._upgrade_revs(revision, current)  # noqa: SLF001  as alembic's own command does

    try:
        with EnvironmentContext(config, scripts, fn=steps) as environment:
            environment.configure(connection=connection, target_metadata=METADATA, version_table=VERSION_TABLE)
            with environment.begin_transaction():
                environment.run_migrations()
    except CommandError as error:
        raise DecisionLogError(f"its tables cannot be migrated: {error}") from error
