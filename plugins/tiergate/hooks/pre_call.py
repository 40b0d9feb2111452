"""Before the call: look the answer up, or choose the tier."""

import uuid
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from fastapi import HTTPException

from tiergate.decisions import CacheDecision, CacheOutcome, Reason
from tiergate.errors import ControlRefusedError, ControlValueError
from tiergate.exchange import Request
from tiergate.hooks.attempts import may_ask_logprobs
from tiergate.hooks.earlier_turns import parse_conversation
from tiergate.hooks.hedge import settle_hedge
from tiergate.hooks.in_flight import InFlight
from tiergate.hooks.pipeline import Pipeline
from tiergate.hooks.plan import plan_hedge, plan_start
from tiergate.hooks.record_builder import finish_record
from tiergate.hooks.request_controls import take_controls
from tiergate.hooks.request_parser import (
    ENDPOINTS,
    METADATA_KEYS,
    adapt_params,
    copy_containers,
    harness_markers,
    parse_request,
)
from tiergate.hooks.request_span import find_request_span
from tiergate.hooks.tenant import identify_caller, identify_tenant, identify_unit
from tiergate.policy.experiment import decide_arm
from tiergate.policy.exploration import decide_exploration
from tiergate.stages.failopen import suppressed
from tiergate.stages.prompt_vector import PromptVector
from tiergate.stages.semantic_cache import LookUp
from tiergate.telemetry.names import Stage
from tiergate.telemetry.parent import build_parent_context
from tiergate.telemetry.record import DecisionStatus

NOT_COPIED = frozenset({"litellm_logging_obj", "litellm_call_id"})


async def before_call(pipeline: Pipeline, identity: Any, data: dict[str, Any], call_type: str) -> dict[str, Any] | None:
    """Change `data["model"]` to the cache or to a tier; None leaves the request untouched.

    Raises:
        HTTPException: 403, the client asked for the cache's model group or for a control that policy
            does not allow; 400, a control has a value that it cannot have.
    """
    if pipeline.registry.holds(data.get("litellm_call_id")):
        _give_call_id(data)
    model = data.get("model")
    if model is not None and model == pipeline.cache_group:
        raise HTTPException(403, {"error": f"the model group {model!r} serves stored answers and cannot be called"})
    if call_type not in ENDPOINTS or model not in pipeline.policy.entry_models or data.get("background"):
        return None  # a background response is fetched later: there is no answer to judge
    if not isinstance(data.get("litellm_call_id"), str) or not data["litellm_call_id"]:
        _give_call_id(data)
    try:
        with suppressed("pre_call"):
            return await _decide(pipeline, identity, data, call_type)
    except ControlRefusedError as exc:
        raise HTTPException(400 if isinstance(exc, ControlValueError) else 403, {"error": str(exc)}) from exc
    return None


async def _decide(pipeline: Pipeline, identity: Any, data: dict[str, Any], call_type: str) -> dict[str, Any]:
    tenant = identify_tenant(identity, pipeline.policy.semantic_cache)
    request = parse_request(data, call_type, tenant, policy=pipeline.policy)
    caller = identify_caller(identity, pipeline.policy.semantic_cache)
    spoken = parse_conversation(data, request.endpoint, markers=harness_markers(pipeline.policy))
    request = replace(request, caller=caller, **spoken)
    take_controls(data, request.endpoint)
    entry = await _enter(pipeline, request, data, identity)
    if pipeline.policy.mode == "shadow":
        entry.served = None
        return data
    if entry.served is not None and pipeline.cache_group is not None:
        entry.tier = entry.served.tier
        data["model"] = pipeline.cache_group
    elif entry.route.tier is not None:
        tier = pipeline.policy.tier(entry.route.tier)
        entry.tier = tier.name
        data["model"] = tier.model_group
        for name, value in adapt_params(tier.params, request.endpoint).items():
            data.setdefault(name, value)
        if may_ask_logprobs(pipeline, entry):
            data.update(pipeline.catalogue.retry_without_logprobs(tier.model_group))
    return data


async def _enter(pipeline: Pipeline, request: Request, data: dict[str, Any], identity: Any) -> InFlight:
    """Run the stages before the call and keep what they decided."""
    clock, metadata_key = pipeline.clock, METADATA_KEYS[request.endpoint]
    entry = InFlight(
        request=request,
        host=data.get("litellm_logging_obj"),
        vector=PromptVector(pipeline.embedder, request.prompt),
        started_at=clock.now(),
        started=clock.monotonic(),
        body={key: copy_containers(value) for key, value in data.items() if key not in {*NOT_COPIED, metadata_key}},
        metadata=copy_containers(data.get(metadata_key) or {}),
        pipeline=pipeline,
        parent=build_parent_context(find_request_span(identity), _headers(data)),
        assignment=decide_arm(
            pipeline.policy, lambda unit: identify_unit(identity, request, unit), stopped=pipeline.stopped_arms
        ),
    )
    # In flight from here on, before anything is awaited: its call id is taken.
    pipeline.registry.add(entry)
    for stale in pipeline.registry.sweep(entry.started):
        stale.status = DecisionStatus.DISCONNECTED
        settle_hedge(pipeline, stale)
        with suppressed("decision_record"):  # another request's record is no reason to leave this one unrouted
            finish_record(stale.pipeline or pipeline, stale)
    pipeline = pipeline.of(entry)
    found = await _look_up(pipeline, request, entry.vector)
    entry.cache, entry.served, entry.ticket = found.decision, found.served, found.ticket
    looked_up = clock.monotonic()
    entry.add_stage(Stage.SEMANTIC_CACHE, entry.started, looked_up)
    if entry.cache.outcome is CacheOutcome.HIT:
        entry.route = pipeline.intent_router.skipped_for_hit()
    else:
        routed = await pipeline.intent_router.route(request, entry.vector)
        entry.route = decide_exploration(routed, pipeline.policy, entry.decision_id)
        entry.route = plan_start(pipeline, entry, data)
        entry.add_stage(Stage.INTENT_ROUTER, looked_up, clock.monotonic())
    entry.hedge = plan_hedge(pipeline, entry, entry.route)
    return entry


async def _look_up(pipeline: Pipeline, request: Request, vector: PromptVector) -> LookUp:
    """Look an answer up, where there is a model group that could serve it."""
    if pipeline.cache_group is None:
        return LookUp(decision=CacheDecision(outcome=CacheOutcome.SKIPPED, reason=Reason.DISABLED))
    return await pipeline.semantic_cache.look_up(request, vector)


def _headers(data: Mapping[str, Any]) -> Mapping[str, str]:
    return (data.get("proxy_server_request") or {}).get("headers") or {}


def _give_call_id(data: dict[str, Any]) -> None:
    """Give the request a call id of its own: it has none, or its client chose one that is already in flight."""
    data["litellm_call_id"] = str(uuid.uuid4())
    logging = data.get("litellm_logging_obj")
    if logging is not None:
        logging.litellm_call_id = data["litellm_call_id"]
        logging.model_call_details["litellm_call_id"] = data["litellm_call_id"]  # what its log events go by
