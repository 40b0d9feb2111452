"""Exports decisions to Parquet, one folder for each day (UTC), as DuckDB, Spark and polars read them.

    python -m tiergate.adapters.decision_export sqlite:///data/decisions.db exported --since 2026-11-01

    exported/day=2026-11-01/part-00000.parquet

Needs `pip install 'tiergate[parquet]'`.
"""

import argparse
import json
import shutil
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np
import sqlalchemy as sa

from tiergate.adapters.decision_database import open_for_reading
from tiergate.adapters.decision_tables import DECISIONS, FEEDBACK
from tiergate.errors import DecisionLogError

ROWS_IN_A_PART: Final = 20_000
_USER: Final = sa.and_(FEEDBACK.c.decision_id == DECISIONS.c.decision_id, FEEDBACK.c.source == "user")
_JUDGE: Final = FEEDBACK.alias("judge")
_JUDGED: Final = sa.and_(_JUDGE.c.decision_id == DECISIONS.c.decision_id, _JUDGE.c.source == "judge")
_ADDED: Final = (
    FEEDBACK.c.score.label("feedback_score"),
    FEEDBACK.c.wrong_cache_hit.label("feedback_wrong_cache_hit"),
    FEEDBACK.c.comment.label("feedback_comment"),
    _JUDGE.c.score.label("judge_score"),
    _JUDGE.c.probability.label("judge_probability"),
)
_SELECT: Final = (
    sa.select(*DECISIONS.c, *_ADDED)
    .select_from(DECISIONS.outerjoin(FEEDBACK, _USER).outerjoin(_JUDGE, _JUDGED))
    .order_by(DECISIONS.c.ts, DECISIONS.c.decision_id)
)


def export_decisions(
    url: str,
    folder: Path,
    *,
    since: date | None = None,
    until: date | None = None,
    rows_in_a_part: int = ROWS_IN_A_PART,
) -> dict[date, int]:
    """Write the decisions of each day; a day that was exported before is replaced as a whole.

    Args:
        url: `decision_log.url` of policy.yaml.
        folder: Where the days go; made when missing.
        since: First day; None begins with the oldest decision.
        until: Day behind the last; None stops before today, which is not over.
        rows_in_a_part: Rows of one file.

    Returns:
        Rows by day; a day without decisions is absent.

    Raises:
        DecisionLogError: The log does not exist or cannot be read, or polars is not installed.
    """
    try:
        import polars as pl  # noqa: PLC0415  an extra, and half a second
    except ModuleNotFoundError as error:
        raise DecisionLogError("polars is missing: pip install 'tiergate[parquet]'") from error
    database = open_for_reading(url)
    exported: dict[date, int] = {}
    try:
        for day in _list_days(database.read_first_ts(), since, until):
            parts = _read_parts(database, day, rows_in_a_part)
            count = _write_day(pl, folder / f"day={day.isoformat()}", parts)
            if count:
                exported[day] = count
    finally:
        database.close()
    return exported


def _list_days(first_ts: float | None, since: date | None, until: date | None) -> list[date]:
    if first_ts is None:
        return []
    first = datetime.fromtimestamp(first_ts, UTC).date()
    start = max(since, first) if since is not None else first
    end = until or datetime.now(UTC).date()
    return [start + timedelta(days=number) for number in range(max(0, (end - start).days))]


def _read_parts(database: Any, day: date, rows: int) -> Iterator[list[dict[str, Any]]]:
    start = datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()
    query = _SELECT.where(DECISIONS.c.ts >= start, DECISIONS.c.ts < start + 86400)
    with database.snapshot() as connection:
        result = connection.execution_options(yield_per=1000).execute(query)
        for part in result.mappings().partitions(rows):
            yield [_build_row(row) for row in part]


def _build_row(row: Any) -> dict[str, Any]:
    built = dict(row)
    built["record"] = json.dumps(built["record"], separators=(",", ":"))
    embedding = built["embedding"]
    built["embedding"] = None if embedding is None else np.frombuffer(embedding, dtype="<f4").tolist()
    return built


def _write_day(polars: Any, folder: Path, parts: Iterator[list[dict[str, Any]]]) -> int:
    """Write a day beside its place and move it there when it is whole."""
    fresh = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(fresh, ignore_errors=True)
    count = 0
    for number, rows in enumerate(parts):
        fresh.mkdir(parents=True, exist_ok=True)
        frame = polars.DataFrame(rows, schema=_build_schema(polars), orient="row")
        frame.write_parquet(fresh / f"part-{number:05d}.parquet")
        count += len(rows)
    shutil.rmtree(folder, ignore_errors=True)
    if count:
        fresh.rename(folder)
    return count


def _build_schema(polars: Any) -> dict[str, Any]:
    """Return the column types, the same for each file, also where a column has only nulls."""
    kinds: tuple[tuple[type[sa.types.TypeEngine[Any]], Any], ...] = (
        (sa.Text, polars.String),
        (sa.Double, polars.Float64),
        (sa.BigInteger, polars.Int64),
        (sa.Boolean, polars.Boolean),
        (sa.LargeBinary, polars.List(polars.Float32)),
        (sa.JSON, polars.String),
    )
    return {
        column.name: next(theirs for ours, theirs in kinds if isinstance(column.type, ours))
        for column in (*DECISIONS.c, *_ADDED)
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit status."""
    parser = argparse.ArgumentParser(description="Export the decision log to Parquet, one folder for each day.")
    parser.add_argument("url", help="decision_log.url of policy.yaml")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--since", type=date.fromisoformat, help="first day, YYYY-MM-DD")
    parser.add_argument("--until", type=date.fromisoformat, help="day behind the last; without it, today")
    options = parser.parse_args(arguments)
    try:
        exported = export_decisions(options.url, options.folder, since=options.since, until=options.until)
    except DecisionLogError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(json.dumps({day.isoformat(): count for day, count in exported.items()}) + "\n")
    return 0


if __name__ == "__main__":  # pragma: no cover
    sys.exit(main())
