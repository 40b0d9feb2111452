"""A policy on an outcome table: every tier's answer to every prompt is known, so nothing has to be estimated."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tiergate.decisions import GateOutcome, Reason, RouteDecision
from tiergate.policy.confidence_gate import decide_gate
from tiergate.policy.expected_cost import keeps_doubtful
from tiergate.policy.gate_calibration import GateCalibration
from tiergate.policy.intent_router import decide_route
from tiergate.ports import Classification
from tiergate.settings import Policy
from tiergate_classifier.outcomes import Outcomes
from tiergate_classifier.replay_estimate import Estimate
from tiergate_classifier.replay_log import METRICS, Floats, ReplayError
from tiergate_classifier.replay_plan import ReplayPlanner, read_latency

RESAMPLES = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeReplay:
    """What a policy gives on a table of n rows; intervals are percentile bootstraps over rows."""

    n: int
    skipped: int
    estimates: tuple[Estimate, ...]
    tier_shares: dict[str, float]


def replay_outcomes(
    table: Outcomes,
    policy: Policy,
    classified: Sequence[Classification],
    calibration: GateCalibration | None = None,
) -> OutcomeReplay:
    """Route, plan and gate every row of a table.

    A row that would be answered by a tier that was not run is skipped and counted. Plans expect of each tier its mean
    cost and its times over the whole table: what a row itself would cost is not known before it is asked.

    Args:
        table: Outcomes of the policy's tiers, by tier name.
        policy: The policy.
        classified: One classification for each row.
        calibration: The gate's, for plans; None for the documented prior.

    Raises:
        ReplayError: The table lacks a tier of the policy, or no row can be told.
    """
    if missing := [name for name in policy.tier_names if name not in table.tiers]:
        raise ReplayError(table.file, f"correct|{missing[0]}", "is missing", "name the tiers as the policy does")
    rows, tiers = [], []
    planner, usd = _read_planner(table, policy, calibration), _mean_costs(table, policy)
    for place, classification in enumerate(classified):
        route = planner.plan(decide_route(classification, policy, controls={}, kind="", digest=""), usd)
        tier, values = _replay(table, policy, place, route)
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


def _read_planner(table: Outcomes, policy: Policy, calibration: GateCalibration | None) -> ReplayPlanner:
    latencies = {}
    for name in policy.tier_names:
        confidence = table.measure("confidence", name)
        known = confidence[np.isfinite(confidence)]
        escalated = float((known < policy.confidence_gate.escalate_below).mean()) if len(known) else 0.0
        latencies[name] = read_latency(table.measure("latency_ms", name), escalated)
    return ReplayPlanner(policy=policy, latencies=latencies, calibration=calibration)


def _mean_costs(table: Outcomes, policy: Policy) -> dict[str, float]:
    costs = {name: table.measure("cost_usd", name) for name in policy.tier_names}
    return {name: float(np.nanmean(cost)) for name, cost in costs.items() if np.isfinite(cost).any()}


def _replay(table: Outcomes, policy: Policy, place: int, route: RouteDecision) -> tuple[str, dict[str, float]]:
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
        if keeps_doubtful(route, policy, gate.reason):
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
