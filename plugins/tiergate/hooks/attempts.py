"""Each attempt at a deployment, retries and fallbacks included: log-probabilities before, the failure after."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tiergate.exchange import Call
from tiergate.hooks.answer_format import FORMATS
from tiergate.hooks.answer_parser import parse_call
from tiergate.hooks.in_flight import InFlight
from tiergate.hooks.pipeline import Pipeline
from tiergate.hooks.request_parser import METADATA_KEYS, adapt_params, copy_containers

LOGPROBS_REFUSED = "logprobs_refused"
"""Status of an attempt that the provider refused for the log-probabilities alone."""
_REFUSALS = frozenset({"BadRequestError", "UnsupportedParamsError"})
"""Errors that may be about a parameter; one about the prompt's length or content has a class of its own."""


def before_attempt(pipeline: Pipeline, kwargs: dict[str, Any], call_type: Any = "acompletion") -> dict[str, Any] | None:
    """Note when an attempt begins and ask for log-probabilities where this very model gives them.

    Deciding it here, and not before routing, lets a fallback on a provider without log-probabilities work.

    Returns:
        The changed arguments, or None to leave them as they are.
    """
    call_id = kwargs.get("litellm_call_id")
    entry = pipeline.registry.find(kwargs)
    if entry is None or not isinstance(call_id, str):
        return None
    pipeline = pipeline.of(entry)
    entry.attempts[call_id] = pipeline.clock.monotonic()
    entry.under_way.add(call_id)
    entry.hosts[call_id] = kwargs.get("litellm_logging_obj")
    if call_id in entry.side_calls:
        return None
    if not may_ask_logprobs(pipeline, entry):
        return None
    model, reader = str(kwargs.get("model", "")), FORMATS[entry.request.endpoint]
    # LiteLLM carries /v1/messages out by another endpoint where the provider is not Anthropic.
    if str(getattr(call_type, "value", call_type)) != reader.call_type:
        return None
    if call_id in entry.plain_calls or not pipeline.catalogue.supports_logprobs(model):
        return None
    asked = reader.ask_logprobs(kwargs, model, pipeline.policy.confidence_gate.top_logprobs)
    if asked is not None:
        entry.asked_logprobs[call_id] = model
    return asked


def may_ask_logprobs(pipeline: Pipeline, entry: InFlight) -> bool:
    """Tell whether the gate will judge the answer by log-probabilities that the client did not ask for itself."""
    wanted = entry.served is None and entry.tier is not None and pipeline.policy.confidence_gate.enabled
    return wanted and not entry.request.logprobs_asked and not entry.request.has_tools


def after_failed_attempt(pipeline: Pipeline, request_data: Mapping[str, Any], exception: Exception) -> None:
    """Add a failed attempt to the request's calls."""
    call_id = request_data.get("litellm_call_id")
    entry = pipeline.registry.find(request_data)
    if entry is None or not isinstance(call_id, str):
        return
    if call_id in entry.asked_logprobs and type(exception).__name__ in _REFUSALS:
        entry.plain_calls.add(call_id)  # the next attempt, which `retry_without_logprobs` sees to, does not ask
    entry.under_way.discard(call_id)
    started = entry.attempts.get(call_id, entry.started)
    metadata = request_data.get(METADATA_KEYS[entry.request.endpoint])
    group = metadata.get("model_group") if isinstance(metadata, Mapping) else None
    tier = None if call_id in entry.side_calls else entry.call_tiers.get(call_id, entry.tier)
    entry.calls.append(
        Call(
            tier=tier,
            model_group=str(group or request_data.get("model") or ""),
            model=str(request_data.get("model") or "") or None,
            provider=str(request_data.get("custom_llm_provider") or "") or None,
            start_ms=entry.since_start_ms(started),
            ms=1000 * (pipeline.clock.monotonic() - started),
            status=type(exception).__name__,
            hedge=entry.hedged is not None and call_id == entry.hedged.call_id,
        )
    )


async def ask_tier(pipeline: Pipeline, entry: InFlight, name: str, call_id: str, *, stream: bool = False) -> Any:
    """Ask a stronger tier as a call of its own, with its own call id and metadata.

    Args:
        pipeline: The stages.
        entry: The request.
        name: The tier.
        call_id: The call's own id, which the registry knows as the entry's.
        stream: Whether to stream.

    Raises:
        EscalationError: The tier gave no answer.
    """
    tier = pipeline.policy.tier(name)
    return await pipeline.models.ask(
        entry.body,
        copy_containers(entry.metadata),
        tier.model_group,
        call_id,
        adapt_params(tier.params, entry.request.endpoint),
        endpoint=entry.request.endpoint,
        stream=stream,
    )


def describe_call(pipeline: Pipeline, entry: InFlight, response: Any, call_id: str) -> Call:
    """Return a call that has just ended: its model, tokens, cost and time."""
    started = entry.attempts.get(call_id, entry.started)
    tier = entry.call_tiers.get(call_id, entry.tier)
    return parse_call(
        response,
        tier=tier,
        asked=pipeline.model_group(tier, entry.request.entry_model),
        start_ms=entry.since_start_ms(started),
        ms=1000 * (pipeline.clock.monotonic() - started),
        host=entry.hosts.get(call_id),
    )


def note_call(pipeline: Pipeline, entry: InFlight, call: Call, call_id: str) -> None:
    """Add a finished call to the entry."""
    entry.under_way.discard(call_id)
    entry.calls.append(call)
    settle_logprobs(pipeline, entry, call_id)


def settle_logprobs(pipeline: Pipeline, entry: InFlight, call_id: str) -> None:
    """Learn from a call that went well whether its model takes a request for log-probabilities.

    If the same request was refused with it and went through without, the model refuses it.
    """
    model = entry.asked_logprobs.get(call_id)
    if model is None:
        return
    refused = call_id in entry.plain_calls
    pipeline.catalogue.note_logprobs(model, refused=refused)
    if refused:
        places = [place for place, call in enumerate(entry.calls) if call.status in _REFUSALS]
        for place in places[-1:]:
            entry.calls[place] = replace(entry.calls[place], status=LOGPROBS_REFUSED)
