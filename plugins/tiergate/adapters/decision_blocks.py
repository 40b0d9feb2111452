"""Blocks of the decision log's columns by the hour, so that a replay of a million decisions reads no row of them.

A block is made of an hour that is summed, and goes when the hour's sums go (`reopen_hours`). Rows of hours without a
block are read one by one.
"""

import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

import numpy as np
import sqlalchemy as sa

from tiergate.adapters.decision_columns import (
    DecisionColumns,
    concatenate,
    hash_id,
    pack_columns,
    read_columns,
    unpack_columns,
)
from tiergate.adapters.decision_rollups import HOUR_S, Span, find_open_spans, hour_of, lock_hours
from tiergate.adapters.decision_search import Cursor, find_decisions
from tiergate.adapters.decision_tables import BLOCKS, DECISIONS, FEEDBACK, HOURS

ROWS_PER_BLOCK: Final = 20_000
_PAGE: Final = 500
_ROWS_AT_ONCE: Final = 8
_BREATH_S: Final = 50e-6
"""The log's own thread packs; as when it writes, it lets the event loop in between after some rows."""


def pack_hours(connection: sa.Connection, *, first_hour: int, limit: int) -> int:
    """Pack summed hours that have no block, oldest first.

    Args:
        connection: In a transaction that the caller commits.
        first_hour: Earlier hours are past their retention.
        limit: At most so many hours.

    Returns:
        How many were packed; fewer than the limit when there are no more.
    """
    oldest = connection.scalar(sa.select(sa.func.min(DECISIONS.c.ts)))
    if oldest is None:
        return 0
    packed = sa.select(BLOCKS.c.hour)
    waiting = sa.select(HOURS.c.hour).where(
        HOURS.c.hour >= max(first_hour, hour_of(oldest)), HOURS.c.hour.not_in(packed)
    )
    hours = list(connection.scalars(waiting.order_by(HOURS.c.hour).limit(limit)))
    if not hours:
        return 0
    lock_hours(connection)
    for hour in hours:
        part = -1
        for part, columns in enumerate(_read_parts(connection, (hour, hour + 1), breathe=True)):
            values = {"hour": hour, "part": part, "decisions": len(columns), "columns": pack_columns(columns)}
            connection.execute(sa.insert(BLOCKS).values(values))
        if part < 0:  # an hour without decisions is packed too, else it would be looked at again and again
            empty = pack_columns(read_columns(()))
            connection.execute(sa.insert(BLOCKS).values(hour=hour, part=0, decisions=0, columns=empty))
    return len(hours)


def read_log_columns(connection: sa.Connection) -> DecisionColumns:
    """Return the columns of every decision, in no order that matters, with the user's feedback.

    Raises:
        DecisionLogError: A block is damaged.
    """
    oldest, newest = connection.execute(sa.select(sa.func.min(DECISIONS.c.ts), sa.func.max(DECISIONS.c.ts))).one()
    if oldest is None:
        return read_columns(())
    window = (hour_of(oldest), hour_of(newest) + 1)
    query = sa.select(BLOCKS.c.columns).where(
        BLOCKS.c.hour >= window[0], BLOCKS.c.hour < window[1], BLOCKS.c.decisions > 0
    )
    parts = [unpack_columns(data) for data in connection.scalars(query)]
    for span in find_open_spans(connection, window, of=BLOCKS):
        parts.extend(_read_parts(connection, span, breathe=False))
    return _with_feedback(connection, concatenate(parts))


def _read_parts(connection: sa.Connection, span: Span, *, breathe: bool) -> Iterator[DecisionColumns]:
    rows: list[Mapping[str, Any]] = []
    for row in _read_span(connection, span):
        rows.append(row)
        if breathe and len(rows) % _ROWS_AT_ONCE == 0:
            time.sleep(_BREATH_S)
        if len(rows) == ROWS_PER_BLOCK:
            yield read_columns(rows)
            rows = []
    if rows:
        yield read_columns(rows)


def _read_span(connection: sa.Connection, span: Span) -> Iterator[Mapping[str, Any]]:
    cursor: Cursor | None = None
    between = (span[0] * HOUR_S, span[1] * HOUR_S)
    while rows := find_decisions(connection, limit=_PAGE, after=cursor, between=between):
        cursor = Cursor(ts=rows[-1]["ts"], decision_id=rows[-1]["decision_id"])
        yield from rows


def _with_feedback(connection: sa.Connection, columns: DecisionColumns) -> DecisionColumns:
    """Return the columns with what users said since the blocks were made."""
    query = sa.select(FEEDBACK.c.decision_id, FEEDBACK.c.score).where(FEEDBACK.c.source == "user")
    said = connection.execute(query).all()
    if not said or not len(columns):
        return columns
    keys = np.array([hash_id(decision_id) for decision_id, _ in said], dtype=np.uint64)
    scores = np.array([np.nan if score is None else score for _, score in said], dtype=np.float64)
    order = np.argsort(columns.ids)
    places = order[np.minimum(np.searchsorted(columns.ids, keys, sorter=order), len(columns) - 1)]
    known = columns.ids[places] == keys
    quality = columns.quality.copy()
    quality[places[known]] = scores[known]
    return replace(columns, quality=quality)
