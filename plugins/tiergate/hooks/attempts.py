"""Each attempt at a deployment, retries and fallbacks included: log-probabilities before, the failure after."""

from collections.abc import Mapping
from typing import Any

from tiergate.exchange import Call
from tiergate.hooks.answer_format import FORMATS
from tiergate.hooks.pipeline import Pipeline
from tiergate.hooks.request_parser import METADATA_KEYS


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
    entry.hosts[call_id] = kwargs.get("litellm_logging_obj")
    if call_id in entry.side_calls:
        return None
    wanted = entry.served is None and entry.tier is not None and pipeline.policy.confidence_gate.enabled
    if not wanted or entry.request.logprobs_asked or entry.request.has_tools:
        return None
    model, reader = str(kwargs.get("model", "")), FORMATS[entry.request.endpoint]
    # LiteLLM carries /v1/messages out by another endpoint where the provider is not Anthropic.
    if str(getattr(call_type, "value", call_type)) != reader.call_type:
        return None
    if not pipeline.catalogue.supports_logprobs(model):
        return None
    return reader.ask_logprobs(kwargs, model, pipeline.policy.confidence_gate.top_logprobs)


def after_failed_attempt(pipeline: Pipeline, request_data: Mapping[str, Any], exception: Exception) -> None:
    """Add a failed attempt to the request's calls."""
    call_id = request_data.get("litellm_call_id")
    entry = pipeline.registry.find(request_data)
    if entry is None or not isinstance(call_id, str):
        return
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
        )
    )
