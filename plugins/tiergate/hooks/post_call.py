"""After the call: judge the answer, escalate a weak one, keep a trusted one."""

import uuid
from dataclasses import replace
from typing import Any

from tiergate.decisions import GateDecision, GateOutcome
from tiergate.exchange import Answer
from tiergate.hooks.answer_format import FORMATS
from tiergate.hooks.answer_parser import parse_usage
from tiergate.hooks.attempts import ask_tier, describe_call, note_call
from tiergate.hooks.hedge import settle_hedge, stop_waiting
from tiergate.hooks.in_flight import InFlight
from tiergate.hooks.pipeline import Pipeline
from tiergate.hooks.plan import hindrance
from tiergate.hooks.verification import verify_answer
from tiergate.policy.answer_confidence import UNMEASURED
from tiergate.policy.confidence_gate import decide_better
from tiergate.policy.money import sum_cost
from tiergate.stages.confidence_gate import Escalation, escalation_failed, escalation_skipped
from tiergate.stages.failopen import suppressed
from tiergate.stages.semantic_cache import Candidate
from tiergate.telemetry.names import Stage


async def after_call(pipeline: Pipeline, data: dict[str, Any], response: Any) -> Any:
    """Return the response that the client gets, or None to leave it as it is."""
    entry = pipeline.registry.find(data)
    if entry is None:
        return None
    pipeline = pipeline.of(entry)
    stop_waiting(entry)
    final = None
    with suppressed("post_call"):
        final = await _judge_and_escalate(pipeline, entry, response)
    served = response if final is None else final
    if not entry.request.logprobs_asked:
        with suppressed("post_call"):
            FORMATS[entry.request.endpoint].strip(served)
    with suppressed("post_call"):
        answer = FORMATS[entry.request.endpoint].parse(served)
        entry.answer_text = answer.text or None
        await keep_answer(pipeline, entry, served, answer)
    return final


async def _judge_and_escalate(pipeline: Pipeline, entry: InFlight, response: Any) -> Any:
    entry.usage = parse_usage(response)
    if entry.served is not None:
        entry.tier, entry.gate = entry.served.tier, pipeline.confidence_gate.skipped_for_hit(entry.served.confidence)
        return None
    call_id = entry.request.call_id
    note_call(pipeline, entry, describe_call(pipeline, entry, response, call_id), call_id)
    if entry.tier is None:
        entry.gate = GateDecision(outcome=GateOutcome.SKIPPED, reason=entry.route.reason)
        return None
    started = pipeline.clock.monotonic()
    kept, tier, escalations, reader = response, entry.tier, 0, FORMATS[entry.request.endpoint]
    first = best = last = await _judge(pipeline, entry, reader.parse(response), tier, escalations)
    while last.outcome is GateOutcome.ESCALATED and last.escalate_to is not None:
        if (hindered := hindrance(pipeline, entry, last.escalate_to, weakness=last.reason)) is not None:
            first = escalation_skipped(first, hindered) if escalations == 0 else first
            break
        tier, escalations = last.escalate_to, escalations + 1
        asked = await _ask(pipeline, entry, last, tier)
        if asked.response is None:
            first = escalation_failed(first, asked.error) if escalations == 1 else replace(first, error=asked.error)
            break
        last = await _judge(pipeline, entry, reader.parse(asked.response), tier, escalations)
        if decide_better(best, last):
            kept, best, entry.tier, entry.usage = asked.response, last, tier, parse_usage(asked.response)
    signals = dict(first.signals) | {name: best.signals[name] for name in UNMEASURED & best.signals.keys()}
    entry.gate = replace(first, final_confidence=best.confidence, signals=signals)
    entry.add_stage(Stage.CONFIDENCE_GATE, started, pipeline.clock.monotonic())
    return None if kept is response else kept


async def _judge(pipeline: Pipeline, entry: InFlight, answer: Answer, tier: str, escalations: int) -> GateDecision:
    gate = pipeline.confidence_gate.judge(entry.request, answer, entry.route, tier=tier, escalations=escalations)
    return await verify_answer(pipeline, entry, gate, answer, tier=tier, escalations=escalations)


async def _ask(pipeline: Pipeline, entry: InFlight, decision: GateDecision, name: str) -> Escalation:
    """Ask a stronger tier, or wait for the call to it that has begun already."""
    hedged = entry.hedged
    if hedged is not None and hedged.serves(name):
        asked = await pipeline.confidence_gate.escalate(decision, lambda _tier: hedged.answer())
        settle_hedge(pipeline, entry)
        return asked
    call_id = str(uuid.uuid4())
    pipeline.registry.alias(call_id, entry, name)
    asked = await pipeline.confidence_gate.escalate(decision, lambda tier: ask_tier(pipeline, entry, tier, call_id))
    if asked.response is not None:
        note_call(pipeline, entry, describe_call(pipeline, entry, asked.response, call_id), call_id)
    return asked


async def keep_answer(pipeline: Pipeline, entry: InFlight, response: Any, answer: Answer) -> None:
    """Store the answer that the client gets, when the gate trusts it: what was answered, a SIGKILL does not lose."""
    if entry.gate is None or entry.tier is None or entry.served is not None:
        return
    body = FORMATS[entry.request.endpoint].stored_body(response, answer)
    if body is None:
        return
    candidate = Candidate(answer=answer, body=body, tier=entry.tier, cost_usd=sum_cost(entry.calls))
    reason = await pipeline.semantic_cache.keep(
        entry.request, entry.vector, candidate, cache=entry.cache, gate=entry.gate, ticket=entry.ticket
    )
    agreed = entry.ticket.agreed if entry.ticket is not None else None
    entry.cache = replace(entry.cache, store_reason=reason, agreed=agreed)
