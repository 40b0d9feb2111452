"""Tables of the decision log, and how a row of the record fills their columns.

`tiergate_decisions` holds each decision once, whole in `record` and again in the scalar columns that queries filter or
sum on. Indexes: (ts, decision_id, …) for time windows and paging, (tenant, ts) for one caller,
(experiment, arm, ts) for the decisions inside an experiment only, and (call_id) to get from LiteLLM's spend log to the
decision.

`tiergate_feedback` holds what was said of answers, in rows of its own, so that it never races a decision's upsert.
`tiergate_hours` marks the hours whose sums are in the `tiergate_hour_*` tables; an hour without a mark is summed from
the decisions themselves. `tiergate_blocks` holds the columns of summed hours that replay reads. The tables are made by
the migrations in `migrations/`, a test keeps both the same.
"""

import base64
import binascii
import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

SCHEMA_VERSION: Final = 3
"""Version of the tables that this code writes and reads."""

METADATA: Final = sa.MetaData()

_SCALARS: Final[tuple[tuple[str, tuple[str, ...], type[sa.types.TypeEngine[Any]]], ...]] = (
    ("ts", ("ts",), sa.Double),
    ("call_id", ("call_id",), sa.Text),
    ("trace_id", ("trace_id",), sa.Text),
    ("tenant", ("tenant",), sa.Text),
    ("session", ("session",), sa.Text),
    ("entry_model", ("entry_model",), sa.Text),
    ("strategy", ("strategy",), sa.Text),
    ("experiment", ("experiment",), sa.Text),
    ("arm", ("arm",), sa.Text),
    ("cache_outcome", ("cache", "outcome"), sa.Text),
    ("similarity", ("cache", "similarity"), sa.Double),
    ("route_outcome", ("route", "outcome"), sa.Text),
    ("route_tier", ("route", "tier"), sa.Text),
    ("route_score", ("route", "score"), sa.Double),
    ("domain", ("route", "domain"), sa.Text),
    ("gate_outcome", ("gate", "outcome"), sa.Text),
    ("gate_reason", ("gate", "reason"), sa.Text),
    ("confidence", ("gate", "confidence"), sa.Double),
    ("final_tier", ("final_tier",), sa.Text),
    ("cost_usd", ("cost_usd",), sa.Double),
    ("baseline_cost_usd", ("baseline_cost_usd",), sa.Double),
    ("saved_usd", ("saved_usd",), sa.Double),
    ("latency_ms", ("latency_ms",), sa.Double),
    ("overhead_ms", ("overhead_ms",), sa.Double),
    ("status", ("status",), sa.Text),
)
"""Column, where its value is in the row, type."""

SCHEMA: Final = sa.Table(
    "tiergate_schema",
    METADATA,
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("opened_at", sa.Double, nullable=False, comment="Unix time of the last start with this version"),
)

DECISIONS: Final = sa.Table(
    "tiergate_decisions",
    METADATA,
    sa.Column("decision_id", sa.Text, primary_key=True),
    *(sa.Column(name, kind, nullable=True) for name, _, kind in _SCALARS),
    sa.Column("recorded_at", sa.BigInteger, nullable=False, comment="Unix time in ns; a later one replaces"),
    sa.Column("record", sa.JSON().with_variant(JSONB(), "postgresql"), nullable=False),
    sa.Column("embedding", sa.LargeBinary, nullable=True, comment="little-endian float32"),
    sa.Column("prompt", sa.Text, nullable=True),
)
FILTERS: Final = ("final_tier", "domain", "cache_outcome", "gate_outcome", "status")
"""Columns that the list of decisions filters on, so they stand in the index on time: a rare outcome is found in it."""

sa.Index("ix_tiergate_decisions_ts", DECISIONS.c.ts, DECISIONS.c.decision_id, *(DECISIONS.c[name] for name in FILTERS))
sa.Index("ix_tiergate_decisions_tenant", DECISIONS.c.tenant, DECISIONS.c.ts)
sa.Index("ix_tiergate_decisions_call_id", DECISIONS.c.call_id)
_IN_EXPERIMENT: Final = DECISIONS.c.experiment.is_not(None)
sa.Index(
    "ix_tiergate_decisions_experiment",
    DECISIONS.c.experiment,
    DECISIONS.c.arm,
    DECISIONS.c.ts,
    sqlite_where=_IN_EXPERIMENT,
    postgresql_where=_IN_EXPERIMENT,
)

FEEDBACK: Final = sa.Table(
    "tiergate_feedback",
    METADATA,
    sa.Column("decision_id", sa.Text, primary_key=True),
    sa.Column("source", sa.Text, primary_key=True, comment="user, or judge"),
    sa.Column("ts", sa.Double, nullable=False, comment="Unix time of the feedback"),
    sa.Column("score", sa.Double, nullable=True, comment="0 to 1"),
    sa.Column("wrong_cache_hit", sa.Boolean, nullable=False),
    sa.Column("comment", sa.Text, nullable=False),
    sa.Column("probability", sa.Double, nullable=True, comment="of being sampled; null when nobody sampled"),
    # Copied from the decision, so that figures over much feedback need not look each decision up.
    sa.Column("decision_ts", sa.Double, nullable=True),
    sa.Column("cache_outcome", sa.Text, nullable=True),
    sa.Column("gate_outcome", sa.Text, nullable=True),
    sa.Column("confidence", sa.Double, nullable=True),
)
FEEDBACK_COPIES: Final = ("cache_outcome", "gate_outcome", "confidence")
sa.Index("ix_tiergate_feedback_decision_ts", FEEDBACK.c.decision_ts)

HOURS: Final = sa.Table(
    "tiergate_hours",
    METADATA,
    sa.Column("hour", sa.BigInteger, primary_key=True, autoincrement=False, comment="Unix time / 3600"),
    sa.Column("rolled_at", sa.Double, nullable=False),
)
HOUR_DECISIONS: Final = sa.Table(
    "tiergate_hour_decisions",
    METADATA,
    sa.Column("hour", sa.BigInteger, nullable=False),
    *(
        sa.Column(name, sa.Text)
        for name in ("final_tier", "domain", "cache_outcome", "gate_outcome", "gate_reason", "status")
    ),
    sa.Column("experiment", sa.Text),
    sa.Column("arm", sa.Text),
    sa.Column("requests", sa.BigInteger, nullable=False),
    sa.Column("priced", sa.BigInteger, nullable=False, comment="requests with a known baseline"),
    *(
        sa.Column(name, sa.Double, nullable=False)
        for name in ("cost_usd", "baseline_cost_usd", "saved_usd", "latency_ms", "overhead_ms")
    ),
)
sa.Index("ix_tiergate_hour_decisions_hour", HOUR_DECISIONS.c.hour)
HOUR_CALLS: Final = sa.Table(
    "tiergate_hour_calls",
    METADATA,
    sa.Column("hour", sa.BigInteger, nullable=False),
    *(sa.Column(name, sa.Text) for name in ("provider", "model_group", "tier", "status")),
    sa.Column("calls", sa.BigInteger, nullable=False),
    sa.Column("fallbacks", sa.BigInteger, nullable=False),
    sa.Column("prompt_tokens", sa.BigInteger, nullable=False),
    sa.Column("completion_tokens", sa.BigInteger, nullable=False),
    sa.Column("cost_usd", sa.Double, nullable=False),
    sa.Column("ms", sa.Double, nullable=False),
)
sa.Index("ix_tiergate_hour_calls_hour", HOUR_CALLS.c.hour)
HOUR_SCORES: Final = sa.Table(
    "tiergate_hour_scores",
    METADATA,
    sa.Column("hour", sa.BigInteger, nullable=False),
    sa.Column("kind", sa.Text, nullable=False, comment="latency_ms, confidence, route_score or similarity"),
    sa.Column("bucket", sa.BigInteger, nullable=False),
    sa.Column("n", sa.BigInteger, nullable=False),
)
sa.Index("ix_tiergate_hour_scores_hour", HOUR_SCORES.c.hour, HOUR_SCORES.c.kind)
HOUR_TABLES: Final = (HOUR_DECISIONS, HOUR_CALLS, HOUR_SCORES)
"""Sums of the hours that `tiergate_hours` marks, and of no others."""

BLOCKS: Final = sa.Table(
    "tiergate_blocks",
    METADATA,
    sa.Column("hour", sa.BigInteger, primary_key=True, autoincrement=False, comment="Unix time / 3600"),
    sa.Column("part", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("decisions", sa.BigInteger, nullable=False),
    sa.Column("columns", sa.LargeBinary, nullable=False, comment="safetensors; see decision_columns"),
)


def may_need_cleaning(line: bytes) -> bool:
    """Tell whether a row's ASCII JSON may hold characters that databases refuse; most rows surely do not."""
    return b"\\u0000" in line or b"\\ud" in line


def build_values(row: Mapping[str, Any], recorded_at: int, *, clean: bool = True) -> dict[str, Any]:
    """Return the column values of a row of the record.

    Values of an unexpected type become NULL in their column and stay as they are in `record`; characters that databases
    refuse (NUL, lone surrogates) are replaced.

    Args:
        row: The row, JSON-ready, with `decision_id`.
        recorded_at: When it was recorded, Unix time in nanoseconds.
        clean: False when `may_need_cleaning` says that there is nothing to replace.
    """
    if clean:
        row = _clean(row)
    record = {name: value for name, value in row.items() if name not in {"embedding", "prompt"}}
    values: dict[str, Any] = {"decision_id": record["decision_id"], "recorded_at": recorded_at, "record": record}
    for name, path, kind in _SCALARS:
        value = _at(record, path)
        values[name] = _text(value) if kind is sa.Text else _number(value)
    values["embedding"] = _bytes(row.get("embedding"))
    values["prompt"] = _text(row.get("prompt"))
    return values


def build_row(record: Mapping[str, Any], embedding: bytes | None, prompt: str | None) -> dict[str, Any]:
    """Return the row that `build_values` was given, from the columns of the same names."""
    row = dict(record)
    if embedding is not None:
        row["embedding"] = base64.b64encode(embedding).decode("ascii")
    if prompt is not None:
        row["prompt"] = prompt
    return row


def _at(record: Any, path: Sequence[str]) -> Any:
    for name in path:
        record = record.get(name) if isinstance(record, Mapping) else None
    return record


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _bytes(value: Any) -> bytes | None:
    try:
        return base64.b64decode(value, validate=True) if isinstance(value, str) else None
    except binascii.Error:
        return None


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        if value.isascii() and "\x00" not in value:
            return value
        return value.replace("\x00", "\ufffd").encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    if isinstance(value, Mapping):
        return {_clean(name): _clean(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_clean(item) for item in value]
    return value
