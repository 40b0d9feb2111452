"""PromQL over the declared metrics. Each takes a window with its brackets: `[1h]`, or Grafana's variable."""

from typing import Final

from tiergate.telemetry.names import FeedbackKind, Label, Metric
from tiergate.telemetry.prometheus_names import build_series_name

ESCALATION_LIMIT: Final = 0.05
COST_SHARE_LIMIT: Final = 0.6
"""Of the baseline's cost: above it less than 40 % is saved."""

CALIBRATION_LIMIT: Final = 0.1
WRONG_HIT_LIMIT: Final = 0.01
DRIFT_LIMIT: Final = 0.05
FAILURE_LIMIT: Final = 0.01
FAILED_CALLS_LIMIT: Final = 0.05
FALLBACK_LIMIT: Final = 0.1
OVERHEAD_LIMIT_S: Final = 0.1
P95_BUDGET_S: Final = 0.5

REQUESTS = build_series_name(Metric.REQUESTS)
ESCALATIONS = build_series_name(Metric.ESCALATIONS)
CALLS = build_series_name(Metric.CALLS)
COST = build_series_name(Metric.COST_USD)
BASELINE = build_series_name(Metric.BASELINE_COST_USD)
SAVED = build_series_name(Metric.SAVED_USD)
OVERSPENT = build_series_name(Metric.OVERSPENT_USD)
TOKENS = build_series_name(Metric.TOKENS)
CLOSED = build_series_name(Metric.CLOSED_SLICE_HITS)
DRIFTS = build_series_name(Metric.DRIFT_ALARMS)
FAILURES = build_series_name(Metric.STAGE_FAILURES)
STAGE = build_series_name(Metric.STAGE_DURATION)
DURATION = build_series_name(Metric.REQUEST_DURATION)
OVERHEAD = build_series_name(Metric.OVERHEAD)
CONFIDENCE = build_series_name(Metric.CONFIDENCE)
SIMILARITY = build_series_name(Metric.SIMILARITY)
DROPPED = build_series_name(Metric.DROPPED_RECORDS)
FEEDBACK = build_series_name(Metric.FEEDBACK)
GRADED_CONFIDENCE = build_series_name(Metric.FEEDBACK_CONFIDENCE)
GRADED_QUALITY = build_series_name(Metric.FEEDBACK_QUALITY)
GRADED = f'{FEEDBACK}{{{Label.KIND}="{FeedbackKind.GRADED}"}}'
WRONG_HITS = f'{FEEDBACK}{{{Label.KIND}="{FeedbackKind.WRONG_HIT}"}}'
JUDGED_HITS = f'{FEEDBACK}{{{Label.KIND}=~"{FeedbackKind.HIT}|{FeedbackKind.WRONG_HIT}"}}'
RATE: Final = "[$__rate_interval]"


def divide_escalations(window: str) -> str:
    """Return the share of requests that were escalated in a window such as `[1h]`."""
    return f"sum(increase({ESCALATIONS}{window})) / sum(increase({REQUESTS}{window}))"


def divide_cost(window: str) -> str:
    """Return the cost as a share of the baseline's."""
    return f"sum(increase({COST}{window})) / sum(increase({BASELINE}{window}))"


def average_calibration_error(window: str) -> str:
    """Return the expected calibration error over ten bins of the confidence."""
    by_bin = [f"sum by ({Label.BIN}) (increase({name}{window}))" for name in (GRADED_CONFIDENCE, GRADED_QUALITY)]
    return f"sum(abs({by_bin[0]} - {by_bin[1]})) / sum(increase({GRADED}{window}))"


def divide_wrong_hits(window: str) -> str:
    """Return the share of judged cache hits that were wrong."""
    return f"(sum(increase({WRONG_HITS}{window})) or vector(0)) / sum(increase({JUDGED_HITS}{window}))"


def average_confidence(window: str) -> str:
    """Return the mean confidence."""
    return f"sum(increase({CONFIDENCE}_sum{window})) / sum(increase({CONFIDENCE}_count{window}))"


def find_quantile(share: float, stem: str, window: str, *by: str) -> str:
    """Return a quantile of a histogram."""
    labels = ", ".join(("le", *by))
    return f"histogram_quantile({share}, sum by ({labels}) (rate({stem}_bucket{window})))"


def divide_by_label(stem: str, window: str, label: str) -> str:
    """Return the share of each value of a label."""
    return f"sum by ({label}) (rate({stem}{window})) / ignoring({label}) group_left sum(rate({stem}{window}))"
