"""Where a request starts and whether it may go on: its session and its latency budget."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tiergate.decisions import Reason, RouteDecision, RouteOutcome
from tiergate.hooks.in_flight import InFlight
from tiergate.hooks.pipeline import Pipeline
from tiergate.hooks.session_reader import read_session, read_tool_calls
from tiergate.policy.confidence_gate import bypasses_gate
from tiergate.policy.latency import decide_start, fits
from tiergate.policy.session import decide_session_tier, is_looping


def plan_start(pipeline: Pipeline, entry: InFlight, data: Mapping[str, Any]) -> RouteDecision:
    """Return the route with the tier that session and latency budget leave."""
    route = entry.route
    if pipeline.policy.session.sticky:
        entry.session = read_session(entry.request, data)
        reached = pipeline.sessions.find(entry.session, entry.started) if entry.session is not None else None
        looping = is_looping(read_tool_calls(entry.request, data))
        route = decide_session_tier(route, pipeline.policy, session_tier=reached, looping=looping)
    chosen = route.reason in (Reason.START_TIER_CONTROL, Reason.SESSION_STICKY, Reason.FAILING_TOOL_LOOP)
    if route.tier is None or route.outcome is RouteOutcome.BYPASSED or chosen:
        return route
    tier, reason = decide_start(
        route.tier,
        _escalates_to(pipeline, entry, route),
        pipeline.latency.read(entry.request, entry.started),
        budget_ms=budget_ms(pipeline, entry),
    )
    return route if reason is None else replace(route, tier=tier, reason=reason, score=route.scores.get(tier))


def may_escalate(pipeline: Pipeline, entry: InFlight, tier: str) -> bool:
    """Tell whether asking a tier now still fits into the request's latency budget."""
    budget = budget_ms(pipeline, entry)
    if budget is None:
        return True
    now = pipeline.clock.monotonic()
    latency = pipeline.latency.read(entry.request, now).get(tier)
    return fits(latency, elapsed_ms=entry.since_start_ms(now), budget_ms=budget)


def budget_ms(pipeline: Pipeline, entry: InFlight) -> float | None:
    """Return the latency budget of a request: its own control's, else policy's; None for none."""
    own = entry.request.controls.get("latency_budget_ms")
    return pipeline.policy.latency.p95_budget_ms if own is None else float(own)


def _escalates_to(pipeline: Pipeline, entry: InFlight, route: RouteDecision) -> str | None:
    """Return the tier that a weak answer would go to; None when the gate would leave it."""
    gate = pipeline.policy.confidence_gate
    acts = gate.enabled and gate.max_escalations > 0 and not bypasses_gate(route, pipeline.policy)
    if not acts or (entry.request.stream and gate.stream.mode != "hold"):
        return None
    return pipeline.policy.stronger_tier(route.tier) if route.tier is not None else None
