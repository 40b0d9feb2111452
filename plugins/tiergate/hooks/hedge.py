"""A request's hedge on its way through the hooks: begun beside the first call, and settled into the record."""

import uuid
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tiergate.decisions import HedgeDecision, HedgeOutcome, Reason
from tiergate.exchange import Call
from tiergate.hooks.attempts import ask_tier, describe_call, note_call
from tiergate.hooks.in_flight import CANCELLED, InFlight
from tiergate.hooks.pipeline import Pipeline
from tiergate.stages.confidence_gate import Escalation
from tiergate.stages.hedged_call import HedgedCall


def start_hedge(pipeline: Pipeline, kwargs: Mapping[str, Any]) -> None:
    """Start the clock of a planned hedge when the first attempt at the first call begins.

    Not before: until then another hook may refuse the request, and nobody is to be asked then.

    Args:
        pipeline: The stages.
        kwargs: LiteLLM's arguments of the attempt.
    """
    entry = pipeline.registry.find(kwargs)
    if entry is None or kwargs.get("litellm_call_id") != entry.request.call_id or entry.hedged is not None:
        return
    planned = entry.hedge
    if planned is None or planned.outcome is not HedgeOutcome.PLANNED or planned.tier is None:
        return
    entry.hedged = HedgedCall(tier=planned.tier, call_id=str(uuid.uuid4()))
    entry.hedged.start((planned.after_ms or 0.0) / 1000, _asking(pipeline.of(entry), entry, entry.hedged))


def _asking(pipeline: Pipeline, entry: InFlight, hedged: HedgedCall) -> Any:
    """Return what makes the call."""

    async def ask() -> Escalation:
        hedged.begun = pipeline.clock.monotonic()
        pipeline.registry.alias(hedged.call_id, entry, hedged.tier)
        asked = await pipeline.confidence_gate.ask_in_budget(ask_tier(pipeline, entry, hedged.tier, hedged.call_id))
        if asked.response is not None:
            hedged.call = replace(describe_call(pipeline, entry, asked.response, hedged.call_id), hedge=True)
        return asked

    return ask


def stop_waiting(entry: InFlight) -> None:
    """Give a hedge up that has not begun: the first call has ended."""
    if entry.hedged is not None:
        entry.hedged.stop_waiting()


def cut_hedge(entry: InFlight) -> None:
    """End a hedge whose request failed while its first call was under way: LiteLLM has ended that call too."""
    if entry.hedged is not None and entry.request.call_id in entry.under_way:
        entry.hedged.cancel()


def settle_hedge(pipeline: Pipeline, entry: InFlight) -> bool:
    """Note what became of the hedge so far, and its call once it has ended; tell whether nothing more comes of it."""
    decision, hedged = entry.hedge, entry.hedged
    if decision is None or decision.outcome not in (HedgeOutcome.PLANNED, HedgeOutcome.RUNNING):
        return True
    if hedged is None:
        entry.hedge = replace(decision, outcome=HedgeOutcome.SKIPPED, reason=Reason.CALL_FAILED)
        return True
    outcome = hedged.outcome
    reason = Reason.ANSWERED_IN_TIME if outcome is HedgeOutcome.SKIPPED else decision.reason
    entry.hedge = replace(decision, outcome=outcome, reason=reason)
    if outcome in (HedgeOutcome.PLANNED, HedgeOutcome.RUNNING):
        return False
    if outcome is not HedgeOutcome.SKIPPED:
        _note(pipeline, entry, hedged, entry.hedge)
    return True


def _note(pipeline: Pipeline, entry: InFlight, hedged: HedgedCall, decision: HedgeDecision) -> None:
    """Add the call; one that failed is there already, unless LiteLLM told nothing of it."""
    if hedged.call is not None:
        note_call(pipeline, entry, hedged.call, hedged.call_id)
    elif not any(call.hedge for call in entry.calls):
        begun = hedged.begun or entry.started
        cancelled = decision.outcome is HedgeOutcome.CANCELLED
        entry.calls.append(
            Call(
                tier=hedged.tier,
                model_group=pipeline.model_group(hedged.tier, entry.request.entry_model),
                start_ms=entry.since_start_ms(begun),
                ms=1000 * (pipeline.clock.monotonic() - begun),
                status=CANCELLED if cancelled else hedged.error or HedgeOutcome.FAILED.value,
                hedge=True,
            )
        )
