"""A policy on an outcome table: every tier's answer to every prompt is known, so nothing has to be estimated."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tiergate.decisions import GateOutcome, Reason
from tiergate.policy.confidence_gate import decide_gate
from tiergate.policy.intent_router import decide_route
from tiergate.ports import Classification
from tiergate.settings import Policy
from tiergate_classifier.outcomes import Outcomes
from tiergate_classifier.replay_estimate import Estimate
from tiergate_classifier.replay_log import METRICS, Floats, ReplayError

RESAMPLES = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeReplay:
    """What a policy gives on a table of n rows; intervals are percentile bootstraps over rows."""

    n: int
    skipped: int
    estimates: tuple[Estimate, ...]
    tier_shares: dict[str, float]


def replay_outcomes(table: Outcomes, policy: Policy, classified: Sequence[Classification]) -> OutcomeReplay:
    """Route and gate every row of a table.

    A row that would be answered by a tier that was not run is skipped and counted.

    Args:
        table: Outcomes of the policy's tiers, by tier name.
        policy: The policy.
        classified: One classification for each row.

    Raises:
        ReplayError: The table lacks a tier of the policy, or no row can be told.
    """
    if missing := [name for name in policy.tier_names if name not in table.tiers]:
        raise ReplayError(table.file, f"correct|{missing[0]}", "is missing", "name the tiers as the policy does")
    rows, tiers = [], []
    for place, classification in enumerate(classified):
        tier, values = _replay(table, policy, place, classification)
        if np.isfinite(values["quality"]):
            rows.append([values[name] for name in METRICS])
            tiers.append(tier)
    if not rows:
        raise ReplayError(table.file, "", "has no row whose answering tier was run", "run the policy's tiers")
    matrix = np.array(rows)
    return OutcomeReplay(
        n=len(rows),
        skipped=len(table) - len(rows),
        estimates=tuple(_estimate(name, matrix[:, place]) for place, name in enumerate(METRICS)),
        tier_shares={name: tiers.count(name) / len(tiers) for name in policy.tier_names},
    )


def _replay(
    table: Outcomes, policy: Policy, place: int, classification: Classification
) -> tuple[str, dict[str, float]]:
    route = decide_route(classification, policy, controls={}, kind="", digest="")
    tier, escalations, cost, latency = str(route.tier), 0, 0.0, 0.0
    first = tier
    while True:
        cost += float(table.measure("cost_usd", tier)[place])
        latency += float(table.measure("latency_ms", tier)[place])
        confidence = float(table.measure("confidence", tier)[place])
        gate = decide_gate(
            route,
            policy,
            tier=tier,
            confidence=confidence if np.isfinite(confidence) else None,
            failure=None if np.isfinite(confidence) else Reason.NO_SIGNAL,
            signals={},
            escalations=escalations,
        )
        if gate.outcome is not GateOutcome.ESCALATED or gate.escalate_to is None:
            break
        tier, escalations = gate.escalate_to, escalations + 1
    values = {"cost_usd": cost, "latency_ms": latency, "escalated": float(escalations > 0)}
    return first, {**values, "quality": float(table.measure("correct", tier)[place])}


def _estimate(metric: str, column: Floats) -> Estimate:
    known = column[np.isfinite(column)]
    if len(known) < len(column):
        why = f"{len(column) - len(known)} rows have no {metric} of the tiers that would answer"
        return Estimate(metric=metric, method="unknown", value=None, low=None, high=None, rows=len(known), why=why)
    rng = np.random.default_rng(0)
    means = [known[rng.integers(0, len(known), len(known))].mean() for _ in range(RESAMPLES)]
    low, high = np.quantile(means, [0.025, 0.975])
    return Estimate(
        metric=metric, method="exact", value=float(known.mean()), low=float(low), high=float(high), rows=len(known)
    )
