"""Decisions read back: one by its id, or many in order of time, filtered."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from tiergate.adapters.decision_tables import DECISIONS, FEEDBACK, build_row


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """A place in the log, ordered by time and then by id.

    Attributes:
        ts: Unix time of a decision in seconds.
        decision_id: Its id.
    """

    ts: float
    decision_id: str


_USER: Final = sa.and_(FEEDBACK.c.decision_id == DECISIONS.c.decision_id, FEEDBACK.c.source == "user")
_SELECT: Final = sa.select(
    DECISIONS.c.record,
    DECISIONS.c.embedding,
    DECISIONS.c.prompt,
    FEEDBACK.c.score,
    FEEDBACK.c.wrong_cache_hit,
    FEEDBACK.c.comment,
).select_from(DECISIONS.outerjoin(FEEDBACK, _USER))
SEARCHED: Final = frozenset(
    {"final_tier", "domain", "cache_outcome", "gate_outcome", "status", "experiment", "arm", "tenant", "call_id"}
)
"""Columns that `find_decisions` filters on."""


def find_decision(connection: sa.Connection, decision_id: str) -> dict[str, Any] | None:
    """Return the row of one decision with the user's feedback; None when there is none."""
    row = connection.execute(_SELECT.where(DECISIONS.c.decision_id == decision_id)).one_or_none()
    return None if row is None else _build(row)


def find_decisions(
    connection: sa.Connection,
    *,
    limit: int = 100,
    after: Cursor | None = None,
    newest_first: bool = False,
    between: tuple[float, float] | None = None,
    where: Mapping[str, str] | None = None,
) -> list[dict[str, Any]]:
    """Return rows in order of time.

    Args:
        connection: To read from.
        limit: At most so many.
        after: Begin behind this place, in the direction of reading; None begins at the end.
        newest_first: Read backwards in time.
        between: Unix times in seconds, the second exclusive.
        where: Value by column, of `SEARCHED`.

    Raises:
        ValueError: A column that is not searched.
    """
    place = sa.tuple_(DECISIONS.c.ts, DECISIONS.c.decision_id)
    query = _SELECT.limit(limit)
    if newest_first:
        query = query.order_by(DECISIONS.c.ts.desc(), DECISIONS.c.decision_id.desc())
    else:
        query = query.order_by(DECISIONS.c.ts, DECISIONS.c.decision_id)
    if after is not None:
        here = sa.tuple_(sa.literal(after.ts, sa.Double), sa.literal(after.decision_id, sa.Text))
        query = query.where(place < here if newest_first else place > here)
    if between is not None:
        query = query.where(DECISIONS.c.ts >= between[0], DECISIONS.c.ts < between[1])
    for name, value in (where or {}).items():
        if name not in SEARCHED:
            raise ValueError(f"decisions are not searched by {name}")
        query = query.where(DECISIONS.c[name] == value)
    return [_build(row) for row in connection.execute(query)]


def _build(row: Any) -> dict[str, Any]:
    built = build_row(row.record, row.embedding, row.prompt)
    if row.wrong_cache_hit is not None:
        built["feedback"] = {
            "score": row.score,
            "wrong_cache_hit": bool(row.wrong_cache_hit),
            "comment": row.comment,
        }
    return built
