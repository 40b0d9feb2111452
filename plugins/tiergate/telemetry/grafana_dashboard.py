"""The Grafana dashboard over the declared metrics."""

from dataclasses import dataclass
from typing import Any, Final

from tiergate.telemetry.names import Label
from tiergate.telemetry.promql import (
    BASELINE,
    CALIBRATION_LIMIT,
    CALLS,
    CONFIDENCE,
    COST,
    DROPPED,
    DURATION,
    ESCALATION_LIMIT,
    ESCALATIONS,
    FAILURES,
    OVERHEAD,
    OVERSPENT,
    P95_BUDGET_S,
    RATE,
    REQUESTS,
    SAVED,
    SIMILARITY,
    STAGE,
    TOKENS,
    WRONG_HIT_LIMIT,
    average_calibration_error,
    divide_by_label,
    divide_wrong_hits,
    find_quantile,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One graph.

    Attributes:
        title: What it shows.
        queries: (legend, expression) of each line.
        unit: Grafana's name of the unit.
        limit: Where a threshold line is drawn; None for none.
        stacked: Whether the lines are laid on top of each other.
    """

    title: str
    queries: tuple[tuple[str, str], ...]
    unit: str = "short"
    limit: float | None = None
    stacked: bool = False


_HITS: Final = f'sum(rate({REQUESTS}{{{Label.CACHE}="hit"}}{RATE})) / sum(rate({REQUESTS}{RATE}))'

PANELS: Final = (
    Panel(
        title="Cost against baseline, per hour",
        queries=(
            ("spent", f"3600 * sum(rate({COST}{RATE}))"),
            ("baseline", f"3600 * sum(rate({BASELINE}{RATE}))"),
        ),
        unit="currencyUSD",
    ),
    Panel(
        title="Saved, net, per hour",
        queries=(("saved", f"3600 * (sum(rate({SAVED}{RATE})) - sum(rate({OVERSPENT}{RATE})))"),),
        unit="currencyUSD",
    ),
    Panel(
        title="Cost per request",
        queries=(("cost", f"sum(rate({COST}{RATE})) / sum(rate({REQUESTS}{RATE}))"),),
        unit="currencyUSD",
    ),
    Panel(
        title="Share of requests by tier",
        queries=(("{{tier}}", divide_by_label(REQUESTS, RATE, Label.TIER)),),
        unit="percentunit",
        stacked=True,
    ),
    Panel(title="Cache hit ratio", queries=(("hits", _HITS),), unit="percentunit"),
    Panel(
        title="Escalation ratio",
        queries=(("escalated", f"sum(rate({ESCALATIONS}{RATE})) / sum(rate({REQUESTS}{RATE}))"),),
        unit="percentunit",
        limit=ESCALATION_LIMIT,
    ),
    Panel(
        title="Escalations by domain and reason",
        queries=(
            (
                "{{domain}}: {{reason}}",
                f"sum by ({Label.DOMAIN}, {Label.REASON}) (rate({ESCALATIONS}{RATE}))",
            ),
        ),
        unit="reqps",
    ),
    Panel(
        title="Latency",
        queries=(
            ("P50", find_quantile(0.5, DURATION, RATE)),
            ("P95", find_quantile(0.95, DURATION, RATE)),
            ("added by tiergate, P95", find_quantile(0.95, OVERHEAD, RATE)),
        ),
        unit="s",
        limit=P95_BUDGET_S,
    ),
    Panel(
        title="Stages, P95",
        queries=(("{{stage}}", find_quantile(0.95, STAGE, RATE, Label.STAGE)),),
        unit="s",
    ),
    Panel(
        title="Stage failures",
        queries=(("{{stage}}: {{reason}}", f"sum by ({Label.STAGE}, {Label.REASON}) (rate({FAILURES}{RATE}))"),),
        unit="reqps",
    ),
    Panel(
        title="Confidence and similarity, mean",
        queries=(
            ("confidence", f"sum(rate({CONFIDENCE}_sum{RATE})) / sum(rate({CONFIDENCE}_count{RATE}))"),
            ("similarity", f"sum(rate({SIMILARITY}_sum{RATE})) / sum(rate({SIMILARITY}_count{RATE}))"),
        ),
        unit="percentunit",
    ),
    Panel(
        title="Calibration error over seven days",
        queries=(("error", average_calibration_error("[7d]")),),
        limit=CALIBRATION_LIMIT,
    ),
    Panel(
        title="Wrong hits among judged ones over seven days",
        queries=(("wrong", divide_wrong_hits("[7d]")),),
        unit="percentunit",
        limit=WRONG_HIT_LIMIT,
    ),
    Panel(
        title="Calls by provider and outcome",
        queries=(
            (
                "{{tier}}: {{provider}}, {{status}}",
                f"sum by ({Label.TIER}, {Label.PROVIDER}, {Label.STATUS}) (rate({CALLS}{RATE}))",
            ),
        ),
        unit="reqps",
    ),
    Panel(
        title="Tokens",
        queries=(("{{tier}}: {{type}}", f"sum by ({Label.TIER}, {Label.TYPE}) (rate({TOKENS}{RATE}))"),),
    ),
    Panel(title="Dropped records", queries=(("dropped", f"sum(increase({DROPPED}{RATE}))"),)),
)
"""The graphs, in reading order."""


def build_dashboard() -> dict[str, Any]:
    """Return the dashboard as Grafana imports it; the data source is chosen there."""
    return {
        "uid": "tiergate",
        "title": "tiergate",
        "tags": ["tiergate", "litellm"],
        "timezone": "browser",
        "schemaVersion": 39,
        "refresh": "1m",
        "time": {"from": "now-24h", "to": "now"},
        "templating": {
            "list": [{"name": "source", "label": "Data source", "type": "datasource", "query": "prometheus"}]
        },
        "panels": [_build_panel(panel, place) for place, panel in enumerate(PANELS)],
    }


def _build_panel(panel: Panel, place: int) -> dict[str, Any]:
    source = {"type": "prometheus", "uid": "${source}"}
    steps: list[dict[str, Any]] = [{"color": "green", "value": None}]
    if panel.limit is not None:
        steps.append({"color": "red", "value": panel.limit})
    custom = {
        "fillOpacity": 30 if panel.stacked else 0,
        "stacking": {"mode": "normal" if panel.stacked else "none"},
        "thresholdsStyle": {"mode": "off" if panel.limit is None else "line"},
    }
    return {
        "id": place + 1,
        "title": panel.title,
        "type": "timeseries",
        "datasource": source,
        "gridPos": {"h": 8, "w": 12, "x": 12 * (place % 2), "y": 8 * (place // 2)},
        "fieldConfig": {
            "defaults": {
                "unit": panel.unit,
                "thresholds": {"mode": "absolute", "steps": steps},
                "custom": custom,
            },
            "overrides": [],
        },
        "targets": [
            {"refId": chr(ord("A") + number), "expr": expression, "legendFormat": legend, "datasource": source}
            for number, (legend, expression) in enumerate(panel.queries)
        ],
    }
