"""Before the call: look the answer up, or choose the tier."""

import uuid
from collections.abc import Mapping
from typing import Any

from fastapi import HTTPException

from tiergate.decisions import CacheOutcome
from tiergate.errors import ControlRefusedError
from tiergate.exchange import Request
from tiergate.hooks.in_flight import InFlight
from tiergate.hooks.pipeline import Pipeline
from tiergate.hooks.request_parser import ENDPOINTS, parse_request
from tiergate.hooks.tenant import identify_tenant
from tiergate.stages.failopen import suppressed
from tiergate.stages.prompt_vector import PromptVector
from tiergate.telemetry.parent import request_span_context

NOT_COPIED = frozenset({"litellm_logging_obj", "litellm_call_id", "metadata"})


async def before_call(pipeline: Pipeline, identity: Any, data: dict[str, Any], call_type: str) -> dict[str, Any] | None:
    """Change `data["model"]` to the cache or to a tier; None leaves the request untouched.

    Raises:
        HTTPException: 403, the client asked for the cache's model group or for a control that policy
            does not allow.
    """
    model = data.get("model")
    if model is not None and model == pipeline.cache_group:
        raise HTTPException(403, {"error": f"the model group {model!r} serves stored answers and cannot be called"})
    if call_type not in ENDPOINTS or model not in pipeline.policy.entry_models:
        return None
    _ensure_own_call_id(pipeline, data)
    with suppressed("pre_call"):
        return await _decide(pipeline, identity, data, call_type)
    return None


async def _decide(pipeline: Pipeline, identity: Any, data: dict[str, Any], call_type: str) -> dict[str, Any]:
    request = _parse(pipeline, identity, data, call_type)
    entry = await _enter(pipeline, request, data, identity)
    if entry.served is not None and pipeline.cache_group is not None:
        data["model"] = pipeline.cache_group
    elif entry.route.tier is not None:
        tier = pipeline.policy.tier(entry.route.tier)
        entry.tier = tier.name
        data["model"] = tier.model_group
        for name, value in tier.params.items():
            data.setdefault(name, value)
    return data


def _parse(pipeline: Pipeline, identity: Any, data: Mapping[str, Any], call_type: str) -> Request:
    tenant = identify_tenant(identity, pipeline.policy.semantic_cache)
    try:
        return parse_request(data, call_type, tenant, allowed_controls=pipeline.policy.controls)
    except ControlRefusedError as exc:
        raise HTTPException(403, {"error": str(exc)}) from exc


async def _enter(pipeline: Pipeline, request: Request, data: dict[str, Any], identity: Any) -> InFlight:
    """Run the stages before the call and keep what they decided."""
    clock = pipeline.clock
    started_at, started = clock.now(), clock.monotonic()
    vector = PromptVector(pipeline.embedder, request.prompt)
    found = await pipeline.semantic_cache.look_up(request, vector)
    looked_up = clock.monotonic()
    hit = found.decision.outcome is CacheOutcome.HIT
    route = pipeline.intent_router.skipped_for_hit() if hit else await pipeline.intent_router.route(request, vector)
    entry = InFlight(
        request=request,
        vector=vector,
        started_at=started_at,
        started=started,
        body={key: value for key, value in data.items() if key not in NOT_COPIED},
        metadata=copy_containers(data.get("metadata") or {}),
        cache=found.decision,
        route=route,
        served=found.served,
        parent=request_span_context(identity, data),
        stage_ms={
            "semantic_cache": 1000 * (looked_up - started),
            "intent_router": 1000 * (clock.monotonic() - looked_up),
        },
    )
    pipeline.registry.add(entry)
    for stale in pipeline.registry.sweep(started):
        stale.status = "abandoned"
        pipeline.decision_record.finish(stale, pipeline.catalogue)
    return entry


def copy_containers(value: Any) -> Any:
    """Copy dictionaries and lists at every depth and share the rest.

    LiteLLM's metadata holds objects that cannot be copied, and logs asynchronously from the very
    dictionaries it was handed: two calls must never share one.
    """
    if isinstance(value, dict):
        return {key: copy_containers(item) for key, item in value.items()}
    return [copy_containers(item) for item in value] if isinstance(value, list) else value


def _ensure_own_call_id(pipeline: Pipeline, data: dict[str, Any]) -> None:
    """Give the request another call id when a client chose one that is already in flight."""
    if pipeline.registry.get(data.get("litellm_call_id")) is None and data.get("litellm_call_id"):
        return
    data["litellm_call_id"] = str(uuid.uuid4())
    logging = data.get("litellm_logging_obj")
    if logging is not None:
        logging.litellm_call_id = data["litellm_call_id"]
