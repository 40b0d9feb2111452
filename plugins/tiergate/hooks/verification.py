"""Answers in the middle band: the verifier's calls through LiteLLM's Router, counted as the request's own."""

import uuid
from collections.abc import Mapping
from typing import Any

from tiergate.decisions import GateDecision, GateOutcome, Reason
from tiergate.errors import EscalationError
from tiergate.exchange import Answer
from tiergate.hooks.answer_format import FORMATS
from tiergate.hooks.answer_parser import parse_call
from tiergate.hooks.in_flight import InFlight
from tiergate.hooks.pipeline import Pipeline
from tiergate.hooks.plan import hindrance
from tiergate.hooks.request_parser import adapt_params, copy_containers
from tiergate.policy.verifier import decide_verified
from tiergate.stages.verifier import Verifier


async def verify_answer(
    pipeline: Pipeline, entry: InFlight, decision: GateDecision, answer: Answer, *, tier: str, escalations: int
) -> GateDecision:
    """Return the decision on an answer, after a verifier where the decision is in the middle band.

    Args:
        pipeline: The stages.
        entry: The request.
        decision: What the gate decided on the answer's own signals.
        answer: The answer.
        tier: Tier that gave it.
        escalations: How often this request was escalated already.
    """
    settings = pipeline.policy.confidence_gate.verifier
    middle = decision.outcome is GateOutcome.VERIFIED and decision.reason is Reason.CONFIDENCE_MIDDLE
    if settings is None or not middle or answer.tool_arguments or not answer.text.strip():
        return decision
    judging = settings.kind == "judge"
    group = settings.model_group or pipeline.policy.tier(tier).model_group

    async def ask(changes: Mapping[str, Any] | None) -> str:
        if judging:
            return await _ask(pipeline, entry, dict(changes or {}), group=group, judging=True, tier=None)
        return await _ask(pipeline, entry, {**entry.body, **(changes or {})}, group=group, judging=False, tier=tier)

    target = _escalates_to(pipeline, entry, tier, escalations)
    if target is None:  # whatever the verifier says, nothing could come of it
        return decision
    verdict = await Verifier(settings=settings).verify(entry.request, answer, ask)
    return decide_verified(decision, kind=settings.kind, good=verdict.good, escalate_to=target, error=verdict.error)


def _escalates_to(pipeline: Pipeline, entry: InFlight, tier: str, escalations: int) -> str | None:
    target = pipeline.policy.stronger_tier(tier)
    spent = escalations >= pipeline.policy.confidence_gate.max_escalations
    if spent or target is None:
        return None
    return target if hindrance(pipeline, entry, target, weakness=Reason.CONFIDENCE_MIDDLE) is None else None


async def _ask(
    pipeline: Pipeline, entry: InFlight, body: Mapping[str, Any], *, group: str, judging: bool, tier: str | None
) -> str:
    """Ask once, note the call with its cost, and return the text."""
    endpoint = "chat_completions" if judging else entry.request.endpoint
    call_id, began = str(uuid.uuid4()), pipeline.clock.monotonic()
    entry.side_calls.add(call_id)
    pipeline.registry.alias(call_id, entry, tier or group)
    params = adapt_params(pipeline.policy.tier(tier).params, endpoint) if tier is not None else {}
    response = await pipeline.models.ask(
        body, copy_containers(entry.metadata), group, call_id, params, endpoint=endpoint
    )
    entry.calls.append(
        parse_call(
            response,
            tier=None,
            asked=group,
            start_ms=entry.since_start_ms(began),
            ms=1000 * (pipeline.clock.monotonic() - began),
            host=entry.hosts.get(call_id),
        )
    )
    text = FORMATS[endpoint].parse(response).text
    if not text.strip():
        raise EscalationError(f"{group} gave no text")
    return text
