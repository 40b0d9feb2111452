"""Sums of the decision log by the hour, so that a page over a million decisions answers at once.

An hour is summed once it is over, and again when a late row reaches it: whoever writes a decision into a summed hour
takes the sums and the mark away in the same transaction. Readers take marked hours from the sums and the rest from the
decisions, so that they see every row at any time. Counting as rows come in would count a row twice when it is
replaced, as each stream's is.
"""

from collections.abc import Collection, Sequence
from typing import Any, Final

import sqlalchemy as sa

from tiergate.adapters.decision_tables import (
    BLOCKS,
    DECISIONS,
    FEEDBACK,
    HOUR_CALLS,
    HOUR_DECISIONS,
    HOUR_SCORES,
    HOUR_TABLES,
    HOURS,
)

HOUR_S: Final = 3600
GRACE_S: Final = 300
"""How long after its end an hour is summed: most requests that began in it have ended by then."""

SHARE_BUCKETS: Final = 20
"""Buckets of a share: bucket k holds values from k/20 up to (k+1)/20; the last one holds 1 too."""

LATENCY_BOUNDS_MS: Final = tuple(round(1.2**power, 3) for power in range(65))
"""Upper bounds of the latency buckets, each 1.2 times the one before: a percentile read off them is at most 20 % high.
The last bucket, number 65, has no bound."""

_ROLL_LOCK: Final = 0x74696572726F6C6C  # "tierroll": PostgreSQL's advisory lock while an hour changes
_GROUPS: Final = tuple(
    column.name for column in HOUR_DECISIONS.c if isinstance(column.type, sa.Text) and column.name != "hour"
)
_SCORES: Final = ("confidence", "route_score", "similarity")
_SCORED: Final = {"confidence": (DECISIONS.c.cache_outcome.is_distinct_from("hit"),)}
"""A cached answer's confidence was counted when the model gave it."""

Span = tuple[int, int]
"""First hour and the one behind the last, both Unix time / 3600."""


def hour_of(ts: float) -> int:
    """Return the hour of a Unix time in seconds."""
    return int(ts // HOUR_S)


def lock_hours(connection: sa.Connection) -> None:
    """Hold off everyone else who sums hours or changes summed ones, until the transaction ends."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_ROLL_LOCK)))
    # SQLite has one writer at a time anyway.


def reopen_hours(connection: sa.Connection, hours: Collection[int]) -> None:
    """Take the sums and blocks of these hours away, since their decisions change in this transaction."""
    lock_hours(connection)
    for table in (*HOUR_TABLES, BLOCKS, HOURS):
        connection.execute(sa.delete(table).where(table.c.hour.in_(sorted(hours))))


def roll_hours(connection: sa.Connection, *, now: float, limit: int) -> int:
    """Sum up hours that are over and not summed yet, oldest first.

    Args:
        connection: In a transaction that the caller commits.
        now: Unix time in seconds.
        limit: At most so many hours.

    Returns:
        How many hours were summed; fewer than the limit when there are no more.
    """
    first = connection.scalar(sa.select(sa.func.min(DECISIONS.c.ts)))
    if first is None:
        return 0
    end = hour_of(now - GRACE_S)
    lock_hours(connection)
    open_hours = [hour for span in find_open_spans(connection, (hour_of(first), end)) for hour in range(*span)][:limit]
    for hour in open_hours:
        # The mark first: with it SQLite takes its write lock, and what follows sees one state of the decisions.
        connection.execute(sa.insert(HOURS).values(hour=hour, rolled_at=now))
        spans = [(hour, hour + 1)]
        for table, select in (
            (HOUR_DECISIONS, select_decisions),
            (HOUR_CALLS, select_calls),
            (HOUR_SCORES, select_scores),
        ):
            for query in select(connection.dialect.name, spans):
                connection.execute(sa.insert(table).from_select([column.name for column in table.c], query))
    return len(open_hours)


def find_open_spans(connection: sa.Connection, window: Span, *, of: sa.Table = HOURS) -> list[Span]:
    """Return the stretches of a window whose hours are not in a table: by default those that are not summed."""
    hour = of.c.hour
    query = sa.select(hour).distinct().where(hour >= window[0], hour < window[1]).order_by(hour)
    spans: list[Span] = []
    start = window[0]
    for hour in connection.scalars(query):
        if hour > start:
            spans.append((start, hour))
        start = hour + 1
    if start < window[1]:
        spans.append((start, window[1]))
    return spans


def read_hours(connection: sa.Connection, table: sa.Table, window: Span, open_spans: Sequence[Span]) -> sa.Subquery:
    """Return a table of sums for a window as a subquery: stored ones, and the open hours summed now."""
    stored = sa.select(*table.c).where(table.c.hour >= window[0], table.c.hour < window[1])
    if not open_spans:
        return stored.subquery("hours")
    select = {
        HOUR_DECISIONS.name: select_decisions,
        HOUR_CALLS.name: select_calls,
        HOUR_SCORES.name: select_scores,
    }[table.name]
    return sa.union_all(stored, *select(connection.dialect.name, open_spans)).subquery("hours")


def select_decisions(dialect: str, spans: Sequence[Span]) -> list[sa.Select[Any]]:
    """Return the queries that sum decisions by hour and outcome, in the columns of `HOUR_DECISIONS`."""
    columns = DECISIONS.c
    hour = _whole(columns.ts / HOUR_S, dialect)
    groups = [columns[name] for name in _GROUPS]
    priced = columns.saved_usd.is_not(None)
    sums = [
        _total(columns.cost_usd),
        *(_total(sa.case((priced, columns[name]), else_=0.0)) for name in ("baseline_cost_usd", "saved_usd")),
        _total(columns.latency_ms),
        _total(columns.overhead_ms),
    ]
    counts = [sa.func.count(), _total(sa.case((priced, 1), else_=0))]
    # Grouped by label: PostgreSQL takes two equal expressions with parameters for different ones.
    return [sa.select(hour.label("at"), *groups, *counts, *sums).where(_within(spans)).group_by("at", *groups)]


def select_calls(dialect: str, spans: Sequence[Span]) -> list[sa.Select[Any]]:
    """Return the queries that sum calls by hour and provider, in the columns of `HOUR_CALLS`."""
    hour = _whole(DECISIONS.c.ts / HOUR_S, dialect)
    if dialect == "sqlite":
        each = sa.func.json_each(DECISIONS.c.record, "$.calls").table_valued("value", "type")
        whole = each.c.type == "object"

        def get(name: str) -> Any:
            return sa.func.json_extract(each.c.value, f"$.{name}")
    else:
        listed = sa.case(
            (sa.func.jsonb_typeof(DECISIONS.c.record["calls"]) == "array", DECISIONS.c.record["calls"]),
            else_=sa.text("'[]'::jsonb"),
        )
        each = sa.func.jsonb_array_elements(listed).table_valued("value")
        whole = sa.func.jsonb_typeof(each.c.value) == "object"

        def get(name: str) -> Any:
            return sa.func.jsonb_extract_path_text(each.c.value, name)

    groups = [get(name).label(f"call_{name}") for name in ("provider", "model_group", "tier", "status")]
    fallback = sa.case((get("fallback_from").is_not(None), 1), else_=0)
    counts = [_total(sa.cast(get(name), sa.BigInteger)) for name in ("prompt_tokens", "completion_tokens")]
    sums = [_total(sa.cast(get(name), sa.Double)) for name in ("cost_usd", "ms")]
    query = sa.select(hour.label("at"), *groups, sa.func.count(), _total(fallback), *counts, *sums)
    labels = ["at", *(group.name for group in groups)]
    return [query.select_from(DECISIONS.join(each, sa.true())).where(_within(spans), whole).group_by(*labels)]


def select_scores(dialect: str, spans: Sequence[Span]) -> list[sa.Select[Any]]:
    """Return the queries that count latencies and scores by bucket, in the columns of `HOUR_SCORES`."""
    columns = DECISIONS.c
    latency = sa.case(
        *((columns.latency_ms <= bound, place) for place, bound in enumerate(LATENCY_BOUNDS_MS)),
        else_=len(LATENCY_BOUNDS_MS),
    )
    parts = [("latency_ms", columns.latency_ms, latency)]
    for name in _SCORES:
        bucket = _whole(columns[name] * SHARE_BUCKETS, dialect)
        closed = sa.case((bucket < 0, 0), (bucket >= SHARE_BUCKETS, SHARE_BUCKETS - 1), else_=bucket)
        parts.append((name, columns[name], closed))
    hour = _whole(columns.ts / HOUR_S, dialect)
    return [
        sa.select(hour.label("at"), sa.literal(kind), bucket.label("place"), sa.func.count())
        .where(_within(spans), value.is_not(None), *_SCORED.get(kind, ()))
        .group_by("at", "place")
        for kind, value, bucket in parts
    ]


def delete_old(connection: sa.Connection, *, now: float, retention_days: float, limit: int) -> int:
    """Delete decisions and feedback past their retention, whole hours only, and only hours that are summed.

    Args:
        connection: In a transaction that the caller commits.
        now: Unix time in seconds.
        retention_days: How long a decision is kept. The sums hold no prompt and no identity, and stay.
        limit: At most so many decisions.

    Returns:
        How many decisions were deleted; fewer than the limit when there are no more.
    """
    first = connection.scalar(sa.select(sa.func.min(DECISIONS.c.ts)))
    end = find_retention_hour(now, retention_days)
    if first is None or hour_of(first) >= end:
        return 0
    open_spans = find_open_spans(connection, (hour_of(first), end))
    cut = (open_spans[0][0] if open_spans else end) * HOUR_S
    old = list(
        connection.scalars(
            sa.select(DECISIONS.c.decision_id).where(DECISIONS.c.ts < cut).order_by(DECISIONS.c.ts).limit(limit)
        )
    )
    _delete_decisions(connection, old)
    # A block goes with the first of its decisions; the hour's others are deleted next.
    last = connection.scalar(sa.select(sa.func.min(DECISIONS.c.ts)))
    connection.execute(
        sa.delete(BLOCKS).where(BLOCKS.c.hour < end, BLOCKS.c.hour <= hour_of(cut if last is None else last))
    )
    return len(old)


def find_retention_hour(now: float, retention_days: float) -> int:
    """Return the first hour whose decisions are kept."""
    return hour_of(now - retention_days * 86400)


def _delete_decisions(connection: sa.Connection, decision_ids: Sequence[str]) -> None:
    for table in (FEEDBACK, DECISIONS):
        connection.execute(sa.delete(table).where(table.c.decision_id.in_(decision_ids)))


def _within(spans: Sequence[Span]) -> sa.ColumnElement[bool]:
    ts = DECISIONS.c.ts
    return sa.or_(*(sa.and_(ts >= start * HOUR_S, ts < end * HOUR_S) for start, end in spans))


def _whole(value: Any, dialect: str) -> Any:
    """Round down: casting cuts in SQLite and rounds in PostgreSQL."""
    return sa.cast(value if dialect == "sqlite" else sa.func.floor(value), sa.BigInteger)


def _total(value: Any) -> Any:
    return sa.func.coalesce(sa.func.sum(value), 0)
