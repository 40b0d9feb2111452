"""Where a request starts and whether it may go on: its plan, its session and its latency budget."""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tiergate.decisions import HedgeDecision, Reason, RouteDecision, RouteOutcome
from tiergate.exchange import Call
from tiergate.hooks.in_flight import InFlight
from tiergate.hooks.pipeline import Pipeline
from tiergate.hooks.plan_facts import read_tier_facts, read_warm_cache
from tiergate.hooks.session_reader import read_session, read_tool_calls
from tiergate.policy.confidence_gate import gate_acts
from tiergate.policy.expected_cost import decide_plan, is_straight, keeps_doubtful, strategy_of
from tiergate.policy.hedge import HedgeFacts, decide_hedge, predict_escalation
from tiergate.policy.latency import decide_start, fits
from tiergate.policy.session import decide_session_tier, is_looping


def plan_start(pipeline: Pipeline, entry: InFlight, data: Mapping[str, Any]) -> RouteDecision:
    """Return the route with the tier that plan, session and latency budget leave."""
    route, reached = entry.route, None
    sticky = pipeline.policy.session.sticky
    if sticky:
        entry.session = read_session(entry.request, data)
        reached = pipeline.sessions.find(entry.session, entry.started) if entry.session is not None else None
    if strategy_of(route, pipeline.policy) == "auto":
        route = _plan(pipeline, entry, route, floor=reached)
    if sticky:
        looping = is_looping(read_tool_calls(entry.request, data))
        route = decide_session_tier(route, pipeline.policy, session_tier=reached, looping=looping)
    chosen = route.reason in (Reason.START_TIER_CONTROL, Reason.SESSION_STICKY, Reason.FAILING_TOOL_LOOP)
    budget = budget_ms(pipeline, entry)
    if budget is None or route.tier is None or route.outcome is RouteOutcome.BYPASSED or chosen:
        return route
    hedge = plan_hedge(pipeline, entry, route)
    tier, reason = decide_start(
        route.tier,
        _escalates_to(pipeline, entry, route),
        pipeline.latency.read(entry.request, entry.started),
        budget_ms=budget,
        hedge_ms=math.inf if hedge is None or hedge.after_ms is None else hedge.after_ms,
    )
    return route if reason is None else replace(route, tier=tier, reason=reason, score=route.scores.get(tier))


def plan_hedge(pipeline: Pipeline, entry: InFlight, route: RouteDecision) -> HedgeDecision | None:
    """Return whether and when the stronger tier's call begins early; None where policy has no hedge."""
    if pipeline.policy.latency.hedge is None:
        return None
    now, budget = pipeline.clock.monotonic(), budget_ms(pipeline, entry)
    latencies = pipeline.latency.read(entry.request, now)
    cheap = latencies.get(route.tier) if route.tier is not None else None
    stronger = pipeline.policy.stronger_tier(route.tier) if route.tier is not None else None
    facts = HedgeFacts(
        cheap=cheap,
        strong=latencies.get(stronger) if stronger is not None else None,
        escalation_probability=predict_escalation(route, pipeline.policy, cheap, pipeline.confidence_gate.calibration),
        budget_ms=None if budget is None else budget - entry.since_start_ms(now),
    )
    return decide_hedge(route, pipeline.policy, facts, stream=entry.request.stream)


def hindrance(pipeline: Pipeline, entry: InFlight, tier: str, *, weakness: Reason) -> Reason | None:
    """Return what keeps a request from asking a stronger tier now, or None.

    Args:
        pipeline: The stages.
        entry: The request.
        tier: The tier to ask.
        weakness: Why the answer at hand is not good enough. A plan of one tier takes one of low confidence as it is,
            but not a defective one.
    """
    if keeps_doubtful(entry.route, pipeline.policy, weakness):
        return Reason.STRAIGHT_PLAN
    budget = budget_ms(pipeline, entry)
    if budget is None:
        return None
    now, hedged = pipeline.clock.monotonic(), entry.hedged
    begins = now
    if hedged is not None and hedged.begun is not None and hedged.serves(tier):
        if hedged.done:
            return None
        begins = hedged.begun
    latency = pipeline.latency.read(entry.request, now).get(tier)
    in_time = fits(latency, elapsed_ms=entry.since_start_ms(begins), budget_ms=budget, weak=_weak_call(entry))
    return None if in_time and entry.since_start_ms(now) <= budget else Reason.LATENCY_BUDGET


def budget_ms(pipeline: Pipeline, entry: InFlight) -> float | None:
    """Return the latency budget of a request: its own control's, else policy's; None for none."""
    own = entry.request.controls.get("latency_budget_ms")
    return pipeline.policy.latency.p95_budget_ms if own is None else float(own)


def _weak_call(entry: InFlight) -> Call | None:
    """Return the call that gave the answer at hand; None for a stream, of which only the first token counts."""
    answered = [call for call in entry.calls if call.tier is not None and call.completion_tokens > 0]
    return answered[-1] if answered and not entry.request.stream else None


def _plan(pipeline: Pipeline, entry: InFlight, route: RouteDecision, *, floor: str | None) -> RouteDecision:
    """Return the route with the plan of the lowest expected cost."""
    return decide_plan(
        route,
        pipeline.policy,
        read_tier_facts(pipeline, entry, route, budget_ms=budget_ms(pipeline, entry)),
        cascades=gate_acts(route, pipeline.policy, stream=entry.request.stream),
        floor=floor,
        warm=read_warm_cache(pipeline, entry),
    )


def _escalates_to(pipeline: Pipeline, entry: InFlight, route: RouteDecision) -> str | None:
    """Return the tier that a weak answer would go to; None when the gate would leave it."""
    acts = gate_acts(route, pipeline.policy, stream=entry.request.stream)
    if is_straight(route, pipeline.policy) or not acts:
        return None
    return pipeline.policy.stronger_tier(route.tier) if route.tier is not None else None
