"""What the dashboard shows of the decision log, read off the hourly sums: one dictionary, JSON-ready."""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import sqlalchemy as sa

from tiergate.adapters.decision_feedback import read_feedback
from tiergate.adapters.decision_rollups import (
    HOUR_S,
    LATENCY_BOUNDS_MS,
    Span,
    find_open_spans,
    read_hours,
)
from tiergate.adapters.decision_tables import HOUR_CALLS, HOUR_DECISIONS, HOUR_SCORES
from tiergate.telemetry.figures import (
    build_coverage,
    build_reliability,
    find_calibration_error,
    find_drift,
    find_percentile,
)

_GROUPS: Final = (
    "final_tier", "domain", "cache_outcome", "gate_outcome", "gate_reason", "status", "experiment", "arm",
)  # fmt: skip
_STORED: Final = (
    "requests", "priced", "cost_usd", "baseline_cost_usd", "saved_usd", "latency_ms", "overhead_ms",
)  # fmt: skip
_SUMS: Final = (*_STORED, "hits", "escalated", "failed")
_DAY_STEP_FROM_H: Final = 96
_RECENT_SHARE: Final = 0.25
"""The last quarter of the window is compared with the rest for drift."""


@dataclass(frozen=True, slots=True)
class _Window:
    """The hours of a summary, with everything that its queries need."""

    connection: sa.Connection
    hours: Span
    open_spans: list[Span]

    def table(self, table: sa.Table) -> sa.Subquery:
        return read_hours(self.connection, table, self.hours, self.open_spans)

    @property
    def step_h(self) -> int:
        return 1 if self.hours[1] - self.hours[0] <= _DAY_STEP_FROM_H else 24


def read_summary(connection: sa.Connection, hours: Span) -> dict[str, Any]:
    """Return the summary of a window.

    Args:
        connection: Whose queries all see the same state.
        hours: First hour and the one behind the last.
    """
    window = _Window(connection, hours, find_open_spans(connection, hours))
    rows = _read_rows(window)
    latency, scores, drift = _read_scores(window)
    return {
        "from": hours[0] * HOUR_S,
        "to": hours[1] * HOUR_S,
        "step_s": window.step_h * HOUR_S,
        "totals": (_group(rows) or [_with_ratios(dict.fromkeys(_SUMS, 0))])[0],
        "series": _build_series(window, rows, latency["series"]),
        "tiers": _group(rows, "final_tier"),
        "domains": _group(rows, "domain"),
        "cache": _group(rows, "cache_outcome"),
        "gate": _group(rows, "gate_outcome", "gate_reason"),
        "statuses": _group(rows, "status"),
        "experiments": [row for row in _group(rows, "experiment", "arm") if row["experiment"] is not None],
        "latency_ms": latency["percentiles"],
        "scores": scores,
        "drift": drift,
        "providers": _read_providers(window),
        "feedback": _read_feedback(connection, hours),
    }


def _read_rows(window: _Window) -> list[dict[str, Any]]:
    """Read the sums once, by step of the window and outcome: a few thousand rows, which Python groups further."""
    table = window.table(HOUR_DECISIONS)
    groups = [table.c[name] for name in _GROUPS]
    sums = [sa.func.sum(table.c[name]).label(name) for name in _STORED]
    query = sa.select(_place(window, table).label("place"), *groups, *sums).group_by("place", *groups)
    rows = []
    for stored in window.connection.execute(query):
        row = {**stored._mapping, "place": int(stored.place)}  # noqa: SLF001  its public name
        requests = row["requests"] = int(row["requests"])
        row["hits"] = requests if row["cache_outcome"] == "hit" else 0
        row["escalated"] = requests if row["gate_outcome"] == "escalated" else 0
        row["failed"] = requests if row["status"] == "failed" else 0
        rows.append(row)
    return rows


def _group(rows: Sequence[Mapping[str, Any]], *names: str) -> list[dict[str, Any]]:
    """Return the sums by some of the groups, the largest first."""
    sums: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in rows:
        key = tuple(row[name] for name in names)
        group = sums.get(key)
        if group is None:
            group = sums[key] = dict.fromkeys(_SUMS, 0)
        for name in _SUMS:
            group[name] += row[name]
    grouped = [{**dict(zip(names, key, strict=True)), **_with_ratios(group)} for key, group in sums.items()]
    return sorted(grouped, key=lambda row: -row["requests"])


def _with_ratios(row: dict[str, Any]) -> dict[str, Any]:
    """Turn sums into what is shown; sums over PostgreSQL's BIGINT come as decimals."""
    requests = row["requests"]
    row["priced"] = int(row["priced"])
    for name in ("latency_ms", "overhead_ms"):
        row[name] = row[name] / requests if requests else None
    row["hit_ratio"] = row["hits"] / requests if requests else None
    row["escalation_ratio"] = row["escalated"] / requests if requests else None
    row["cost_per_request_usd"] = row["cost_usd"] / requests if requests else None
    row["saved_share"] = row["saved_usd"] / row["baseline_cost_usd"] if row["baseline_cost_usd"] else None
    return row


def _build_series(
    window: _Window, rows: Sequence[Mapping[str, Any]], p95: Mapping[int, float | None]
) -> list[dict[str, Any]]:
    tiers: dict[int, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for row in rows:
        tiers[row["place"]][row["final_tier"] or "none"] += row["requests"]
    series = []
    for point in sorted(_group(rows, "place"), key=lambda point: int(point["place"])):
        at = point.pop("place")
        series.append({"ts": at * window.step_h * HOUR_S, **point, "p95_ms": p95.get(at), "tiers": tiers[at]})
    return series


def _place(window: _Window, table: sa.Subquery) -> Any:
    # Both databases cut whole numbers on division; SQLAlchemy's "/" would ask for a fraction.
    return table.c.hour.op("/")(sa.literal(window.step_h, sa.BigInteger))


def _read_scores(window: _Window) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    table = window.table(HOUR_SCORES)
    place = _place(window, table)
    start, end = window.hours
    recent = table.c.hour >= end - max(1, round((end - start) * _RECENT_SHARE))
    columns = table.c
    query = sa.select(
        columns.kind, place.label("place"), recent.label("recent"), columns.bucket, sa.func.sum(columns.n)
    ).group_by(table.c.kind, "place", "recent", table.c.bucket)
    latency: dict[int, dict[int, int]] = defaultdict(lambda: defaultdict(int))
    counts: dict[str, tuple[dict[int, int], dict[int, int]]] = {}
    for kind, at, is_recent, bucket, n in window.connection.execute(query):
        if kind == "latency_ms":
            latency[int(at)][int(bucket)] += int(n)
        parts = counts.setdefault(kind, (defaultdict(int), defaultdict(int)))
        parts[1 if is_recent else 0][int(bucket)] += int(n)
    everything = _merge(*counts.get("latency_ms", ({}, {})))
    percentiles = {
        f"p{round(share * 100)}": _finite(find_percentile(everything, LATENCY_BOUNDS_MS, share))
        for share in (0.5, 0.95, 0.99)
    }
    p95 = {at: _finite(find_percentile(buckets, LATENCY_BOUNDS_MS, 0.95)) for at, buckets in latency.items()}
    histograms = {kind: _merge(*parts) for kind, parts in counts.items() if kind != "latency_ms"}
    drift = {kind: find_drift(*parts) for kind, parts in counts.items()}
    return {"series": p95, "percentiles": percentiles}, histograms, drift


def _merge(first: Mapping[int, int], second: Mapping[int, int]) -> dict[int, int]:
    return {bucket: first.get(bucket, 0) + second.get(bucket, 0) for bucket in sorted(first.keys() | second.keys())}


def _finite(value: float | None) -> float | None:
    return None if value is None or math.isinf(value) else value


def _read_providers(window: _Window) -> list[dict[str, Any]]:
    table = window.table(HOUR_CALLS)
    columns = table.c
    failed = sa.case((columns.status == "ok", 0), else_=columns.calls)
    query = sa.select(
        columns.tier,
        columns.provider,
        columns.model_group,
        sa.func.sum(columns.calls).label("calls"),
        sa.func.sum(failed).label("failed"),
        sa.func.sum(columns.fallbacks).label("fallbacks"),
        sa.func.sum(columns.cost_usd).label("cost_usd"),
        sa.func.sum(columns.ms).label("ms"),
    ).group_by(columns.tier, columns.provider, columns.model_group)
    providers = []
    for row in window.connection.execute(query):
        calls, failures = int(row.calls), int(row.failed)
        providers.append(
            {
                "tier": row.tier,
                "provider": row.provider,
                "model_group": row.model_group,
                "calls": calls,
                "failed": failures,
                "error_ratio": failures / calls if calls else None,
                "fallbacks": int(row.fallbacks),
                "cost_usd": row.cost_usd,
                "ms": row.ms / calls if calls else None,
            }
        )
    return sorted(providers, key=lambda item: -item["calls"])


def _read_feedback(connection: sa.Connection, hours: Span) -> dict[str, Any]:
    feedback = read_feedback(connection, hours[0] * HOUR_S, hours[1] * HOUR_S)
    graded = feedback.pop("graded")
    diagram = build_reliability(graded)
    return {
        **feedback,
        "graded": len(graded),
        "calibration_error": find_calibration_error(diagram),
        "reliability": [asdict(part) for part in diagram],
        "coverage": [asdict(point) for point in build_coverage(graded)],
    }
