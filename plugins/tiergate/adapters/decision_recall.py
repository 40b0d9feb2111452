"""Who was served from a stored answer: the decisions that a recall notice has to name."""

from collections.abc import Mapping
from typing import Any, Final

import sqlalchemy as sa

from tiergate.adapters.decision_database import open_for_reading
from tiergate.adapters.decision_tables import DECISIONS

_ENTRY: Final = DECISIONS.c.record[("cache", "entry_id")].as_string()


def find_served(connection: sa.Connection, entry_id: str) -> list[dict[str, Any]]:
    """Return `decision_id`, `trace_id`, `call_id`, `tenant` and `ts` of every hit on an entry, the oldest first.

    Only hits are looked at, and there is no index on the entry: it reads the records of all of them.
    """
    columns = ("decision_id", "trace_id", "call_id", "tenant", "ts")
    query = (
        sa.select(*(DECISIONS.c[name] for name in columns))
        .where(DECISIONS.c.cache_outcome == "hit", entry_id == _ENTRY)
        .order_by(DECISIONS.c.ts, DECISIONS.c.decision_id)
    )
    return [dict(row._mapping) for row in connection.execute(query)]  # noqa: SLF001  its public name


def read_recall_notice(url: str, name: str) -> tuple[str, Mapping[str, Any] | None, list[dict[str, Any]]]:
    """Return an entry, the decision that named it, and who was served from the entry.

    Args:
        url: The decision log.
        name: Identifier of an entry, or of a decision that was a hit on it.

    Returns:
        The entry's identifier; the decision's row when `name` is a decision; the decisions served from the entry.

    Raises:
        DecisionLogError: The log does not exist or cannot be read.
        ValueError: `name` is a decision that was not served from the cache.
    """
    database = open_for_reading(url)
    try:
        row = database.read_decision(name)
        entry_id = name if row is None else row["cache"].get("entry_id")
        if entry_id is None:
            raise ValueError(f"the decision {name} was not served from the cache")
        with database.snapshot() as connection:
            return entry_id, row, find_served(connection, entry_id)
    finally:
        database.close()
