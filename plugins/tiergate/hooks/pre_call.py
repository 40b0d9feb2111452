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
from tiergate.hooks.record_builder import finish_record
from tiergate.hooks.request_parser import ENDPOINTS, copy_containers, parse_request
from tiergate.hooks.request_span import find_request_span
from tiergate.hooks.tenant import identify_tenant
from tiergate.stages.failopen import suppressed
from tiergate.stages.prompt_vector import PromptVector
from tiergate.telemetry.names import Stage
from tiergate.telemetry.parent import build_parent_context
from tiergate.telemetry.record import DecisionStatus

NOT_COPIED = frozenset({"litellm_logging_obj", "litellm_call_id", "metadata"})


async def before_call(pipeline: Pipeline, identity: Any, data: dict[str, Any], call_type: str) -> dict[str, Any] | None:
    """Change `data["model"]` to the cache or to a tier; None leaves the request untouched.

    Raises:
        HTTPException: 403, the client asked for the cache's model group or for a control that policy
            does not allow.
    """
    _ensure_own_call_id(pipeline, data)
    model = data.get("model")
    if model is not None and model == pipeline.cache_group:
        raise HTTPException(403, {"error": f"the model group {model!r} serves stored answers and cannot be called"})
    if call_type not in ENDPOINTS or model not in pipeline.policy.entry_models:
        return None
    try:
        with suppressed("pre_call"):
            return await _decide(pipeline, identity, data, call_type)
    except ControlRefusedError as exc:
        raise HTTPException(403, {"error": str(exc)}) from exc
    return None


async def _decide(pipeline: Pipeline, identity: Any, data: dict[str, Any], call_type: str) -> dict[str, Any]:
    tenant = identify_tenant(identity, pipeline.policy.semantic_cache)
    request = parse_request(data, call_type, tenant, allowed_controls=pipeline.policy.controls)
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


async def _enter(pipeline: Pipeline, request: Request, data: dict[str, Any], identity: Any) -> InFlight:
    """Run the stages before the call and keep what they decided."""
    clock = pipeline.clock
    entry = InFlight(
        request=request,
        host=data.get("litellm_logging_obj"),
        vector=PromptVector(pipeline.embedder, request.prompt),
        started_at=clock.now(),
        started=clock.monotonic(),
        body={key: value for key, value in data.items() if key not in NOT_COPIED},
        metadata=copy_containers(data.get("metadata") or {}),
        parent=build_parent_context(find_request_span(identity), _headers(data)),
    )
    # In flight from here on, before anything is awaited: its call id is taken.
    pipeline.registry.add(entry)
    for stale in pipeline.registry.sweep(entry.started):
        stale.status = DecisionStatus.DISCONNECTED
        finish_record(pipeline, stale)
    found = await pipeline.semantic_cache.look_up(request, entry.vector)
    entry.cache, entry.served = found.decision, found.served
    looked_up = clock.monotonic()
    entry.add_stage(Stage.SEMANTIC_CACHE, entry.started, looked_up)
    if entry.cache.outcome is CacheOutcome.HIT:
        entry.route = pipeline.intent_router.skipped_for_hit()
    else:
        entry.route = await pipeline.intent_router.route(request, entry.vector)
        entry.add_stage(Stage.INTENT_ROUTER, looked_up, clock.monotonic())
    return entry


def _headers(data: Mapping[str, Any]) -> Mapping[str, str]:
    return (data.get("proxy_server_request") or {}).get("headers") or {}


def _ensure_own_call_id(pipeline: Pipeline, data: dict[str, Any]) -> None:
    """Give the request another call id when a client chose one that is already in flight."""
    if not pipeline.registry.holds(data.get("litellm_call_id")):
        return
    data["litellm_call_id"] = str(uuid.uuid4())
    logging = data.get("litellm_logging_obj")
    if logging is not None:
        logging.litellm_call_id = data["litellm_call_id"]
