"""Prometheus alert rules over the declared metrics."""

from dataclasses import dataclass
from typing import Any, Final

from tiergate.decisions import CacheOutcome
from tiergate.telemetry.names import CallStatus, Label
from tiergate.telemetry.promql import (
    CALIBRATION_LIMIT,
    CALLS,
    CLOSED,
    CONFIDENCE,
    COST_SHARE_LIMIT,
    DRIFT_LIMIT,
    DRIFTS,
    DROPPED,
    DURATION,
    ESCALATION_LIMIT,
    FAILED_CALLS_LIMIT,
    FAILURE_LIMIT,
    FAILURES,
    FALLBACK_LIMIT,
    GRADED,
    JUDGED_HITS,
    OVERHEAD,
    OVERHEAD_LIMIT_S,
    OVERSPENT,
    P95_BUDGET_S,
    REQUESTS,
    SAVED,
    WRONG_HIT_LIMIT,
    average_calibration_error,
    average_confidence,
    divide_cost,
    divide_escalations,
    divide_wrong_hits,
    find_quantile,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One alert rule.

    Attributes:
        name: CamelCase name.
        expression: When it fires.
        lasts: How long it must hold first.
        severity: warning or critical.
        summary: What is wrong.
        action: What to do about it.
    """

    name: str
    expression: str
    lasts: str
    severity: str
    summary: str
    action: str


HITS: Final = f'{REQUESTS}{{{Label.CACHE}="{CacheOutcome.HIT}"}}'

ALERTS: Final = (
    Alert(
        name="TiergateEscalationRatioHigh",
        expression=f"({divide_escalations('[1h]')}) > {ESCALATION_LIMIT} and sum(increase({REQUESTS}[1h])) > 100",
        lasts="15m",
        severity="warning",
        summary="More than 5 % of the requests were escalated in the last hour",
        action="Look at escalations by domain: start that one a tier higher, or calibrate and move the threshold",
    ),
    Alert(
        name="TiergateCostPerTaskHigh",
        expression=f"({divide_cost('[6h]')}) > {COST_SHARE_LIMIT} and sum(increase({REQUESTS}[6h])) > 100",
        lasts="1h",
        severity="warning",
        summary="Requests cost more than 60 % of what the baseline tier would have cost",
        action="Look at tier shares and the hit ratio: which domain moved to a stronger tier?",
    ),
    Alert(
        name="TiergateCalibrationErrorHigh",
        expression=(
            f"({average_calibration_error('[7d]')}) > {CALIBRATION_LIMIT} and sum(increase({GRADED}[7d])) > 100"
        ),
        lasts="1h",
        severity="warning",
        summary="The gate's confidence is more than 0.1 away from graded quality",
        action="Calibrate again on recent feedback",
    ),
    Alert(
        name="TiergateWrongHitEstimateHigh",
        expression=f"({divide_wrong_hits('[7d]')}) > {WRONG_HIT_LIMIT} and sum(increase({JUDGED_HITS}[7d])) > 50",
        lasts="15m",
        severity="critical",
        summary="More than 1 % of the judged cache hits were wrong",
        action="Tighten max_error or min_similarity, and remove the reported entries",
    ),
    Alert(
        name="TiergateConfidenceDrift",
        expression=(
            f"abs(({average_confidence('[6h]')}) - ({average_confidence('[7d]')})) > {DRIFT_LIMIT} "
            f"and sum(increase({CONFIDENCE}_count[6h])) > 100"
        ),
        lasts="1h",
        severity="warning",
        summary="The mean confidence of the last six hours is more than 0.05 away from the week's",
        action="A model or the traffic changed: look at confidence by domain, calibrate again",
    ),
    Alert(
        name="TiergateSingleProvider",
        expression=(
            f"count by ({Label.TIER}) (sum by ({Label.TIER}, {Label.PROVIDER}) "
            f'(increase({CALLS}{{{Label.STATUS}="{CallStatus.OK}"}}[6h])) > 0) == 1 '
            f"and sum by ({Label.TIER}) (increase({CALLS}[6h])) > 100"
        ),
        lasts="6h",
        severity="warning",
        summary="Tier {{ $labels.tier }} was answered by one provider only for six hours",
        action="Add a second provider to the tier's model group or to its fallbacks",
    ),
    Alert(
        name="TiergateLatencyBudgetExceeded",
        expression=f"{find_quantile(0.95, DURATION, '[15m]')} > {P95_BUDGET_S}",
        lasts="15m",
        severity="warning",
        summary="The 95th percentile of the latency is above the budget of 500 ms",
        action="Compare the stages' durations with the providers' times",
    ),
    Alert(
        name="TiergateStageFailing",
        expression=(
            f"sum by ({Label.STAGE}, {Label.REASON}) (increase({FAILURES}[15m])) > on() group_left "
            f"{FAILURE_LIMIT} * sum(increase({REQUESTS}[15m]))"
        ),
        lasts="10m",
        severity="critical",
        summary="Stage {{ $labels.stage }} failed for more than 1 % of the requests ({{ $labels.reason }})",
        action="They went on without it, at a price or quality that policy did not choose; the log names the error",
    ),
    Alert(
        name="TiergateModelCallsFailing",
        expression=(
            f'sum by ({Label.TIER}) (increase({CALLS}{{{Label.STATUS}="{CallStatus.FAILED}"}}[15m])) '
            f"/ sum by ({Label.TIER}) (increase({CALLS}[15m])) > {FAILED_CALLS_LIMIT}"
        ),
        lasts="5m",
        severity="critical",
        summary="{{ $value | humanizePercentage }} of the calls to tier {{ $labels.tier }} fail",
        action="Look at the provider first, then at keys, quotas and timeouts",
    ),
    Alert(
        name="TiergateFallbacksHigh",
        expression=(
            f'sum by ({Label.TIER}) (increase({CALLS}{{{Label.FALLBACK}="true"}}[15m])) '
            f"/ sum by ({Label.TIER}) (increase({CALLS}[15m])) > {FALLBACK_LIMIT}"
        ),
        lasts="15m",
        severity="warning",
        summary="Tier {{ $labels.tier }} runs on its second provider for {{ $value | humanizePercentage }} of calls",
        action="Clients notice little, but the tier has no provider in reserve",
    ),
    Alert(
        name="TiergateOverheadHigh",
        expression=f"{find_quantile(0.95, OVERHEAD, '[15m]')} > {OVERHEAD_LIMIT_S}",
        lasts="10m",
        severity="warning",
        summary="tiergate itself adds {{ $value | humanizeDuration }} at the 95th percentile",
        action="The stages' durations say which; a full inference queue or a slow store are the usual causes",
    ),
    Alert(
        name="TiergateCostsMoreThanBaseline",
        expression=f"sum(increase({OVERSPENT}[6h])) > sum(increase({SAVED}[6h]))",
        lasts="1h",
        severity="warning",
        summary="Over six hours, requests cost more than they would have on the baseline tier",
        action="Escalations eat the savings, or prices in config.yaml are stale",
    ),
    Alert(
        name="TiergateCacheHitsGone",
        expression=(f"(sum(increase({HITS}[1h])) or vector(0)) == 0 and sum(increase({HITS}[1h] offset 1d)) > 0"),
        lasts="1h",
        severity="warning",
        summary="The semantic cache has no hit, and had some at this hour yesterday",
        action="The store may be empty or away, or the encoder was changed",
    ),
    Alert(
        name="TiergateCacheSliceClosed",
        expression=f"sum by ({Label.DOMAIN}) (increase({CLOSED}[1h])) > 0",
        lasts="0m",
        severity="warning",
        summary="A slice of the cache stopped serving: too many of its re-asked hits were wrong",
        action="The proxy's log names tenant and similarity; calibrate on the deployment's labels",
    ),
    Alert(
        name="TiergateDriftFound",
        expression=f"sum by ({Label.TYPE}, {Label.DOMAIN}) (increase({DRIFTS}[6h])) > 0",
        lasts="0m",
        severity="warning",
        summary="Drift of {{ $labels.type }} was found (domain {{ $labels.domain }})",
        action="tiergate drift names the examples; label some of them and train again",
    ),
    Alert(
        name="TiergateDecisionRecordsLost",
        expression=f"sum(increase({DROPPED}[15m])) > 0",
        lasts="0m",
        severity="critical",
        summary="Decision records were lost: the journal was full or the database refused them",
        action="Make the decision log's database reachable; the journal keeps 256 MiB meanwhile",
    ),
)
"""The alert rules. Each that is a ratio waits until there are enough requests to mean something."""


def build_rules() -> dict[str, Any]:
    """Return the alert rules as Prometheus reads them."""
    return {
        "groups": [
            {
                "name": "tiergate",
                "rules": [
                    {
                        "alert": alert.name,
                        "expr": alert.expression,
                        "for": alert.lasts,
                        "labels": {"severity": alert.severity},
                        "annotations": {"summary": alert.summary, "action": alert.action},
                    }
                    for alert in ALERTS
                ],
            }
        ]
    }
