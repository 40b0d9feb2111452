"""LiteLLM's own log of a call: for a stream it is the only place that tells the cost."""

from collections.abc import Mapping
from typing import Any

from tiergate.exchange import Call
from tiergate.hooks.attempts import settle_logprobs
from tiergate.hooks.in_flight import CANCELLED
from tiergate.hooks.pipeline import Pipeline
from tiergate.policy.money import Usage


def after_logged_call(pipeline: Pipeline, kwargs: Mapping[str, Any]) -> None:
    """Add a streamed call with the cost that LiteLLM logged for it."""
    call_id = kwargs.get("litellm_call_id")
    entry = pipeline.registry.find(kwargs)
    payload = kwargs.get("standard_logging_object")
    if entry is None or not entry.request.stream or not isinstance(payload, Mapping) or not isinstance(call_id, str):
        return
    start_ms = entry.since_start_ms(entry.attempts.get(call_id, entry.started))
    tier = entry.call_tiers.get(call_id, entry.route.tier)
    asked = pipeline.model_group(tier, entry.request.entry_model)
    answered = str(payload.get("model_group") or asked)
    given_up = entry.cancelled is not None and call_id == entry.request.call_id
    if entry.served is None:
        entry.calls.append(
            Call(
                tier=tier,
                model_group=answered,
                model=payload.get("model"),
                provider=payload.get("custom_llm_provider"),
                fallback_from=asked if asked != answered else None,
                prompt_tokens=int(payload.get("prompt_tokens") or 0),
                completion_tokens=int(payload.get("completion_tokens") or 0),
                cached_tokens=_cached_tokens(payload),
                cost_usd=float(payload.get("response_cost") or 0.0),
                start_ms=start_ms,
                status=CANCELLED if given_up else "ok",
                ms=max(0.0, 1000 * (float(payload.get("endTime") or 0.0) - entry.started_at) - start_ms),
            )
        )
    if entry.usage is None and call_id == (entry.answering or entry.request.call_id):
        entry.usage = Usage(
            prompt_tokens=int(payload.get("prompt_tokens") or 0),
            completion_tokens=int(payload.get("completion_tokens") or 0),
        )
    settle_logprobs(pipeline.of(entry), entry, call_id)
    entry.note_logged(call_id)


def _cached_tokens(payload: Mapping[str, Any]) -> int:
    usage = (payload.get("metadata") or {}).get("usage_object") or {}
    return int((usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0)
