"""LiteLLM's ClassifierPlugin protocol: our classifier under an existing `auto_router/complexity_router`.

    complexity_router_config:
      classifier_type: custom
      classifier_plugin: tiergate.callbacks.classifier_plugin

LiteLLM then picks the model and calls it; tiergate names the tier and records its decision. There is no gate and no
cache on this way: LiteLLM asks before the call and hands over no answer.
"""

import uuid
from collections.abc import Callable, Mapping
from typing import Any, Final

from tiergate.decisions import CacheDecision, CacheOutcome, GateDecision, GateOutcome, Reason
from tiergate.hooks.pipeline import Pipeline
from tiergate.hooks.request_parser import parse_request
from tiergate.hooks.tenant import hash_identity
from tiergate.policy.features import features_of
from tiergate.settings import Policy
from tiergate.stages.failopen import suppressed
from tiergate.stages.prompt_vector import PromptVector
from tiergate.telemetry.names import Stage
from tiergate.telemetry.record import DecisionRecord

BUILTIN_TIERS: Final = ("simple", "medium", "complex", "reasoning")
"""LiteLLM's own tiers, cheapest first, as their labels are matched: whatever the case."""


class ClassifierPlugin:
    """What `classifier_plugin: tiergate.callbacks.classifier_plugin` names.

    Args:
        pipeline: Returns the pipeline in force.
    """

    def __init__(self, pipeline: Callable[[], Pipeline]) -> None:
        self._pipeline = pipeline

    async def classify(self, context: Any) -> str | None:
        """Return the name of the complexity router's tier, or None to let its `classifier_fallback` decide.

        Args:
            context: LiteLLM's RoutingContext: `structured_messages` in chat completions format, and `metadata`.
        """
        pipeline, metadata = self._pipeline(), dict(context.metadata or {})
        with suppressed("intent_router"):
            return await _classify(pipeline, context, metadata)
        return None


async def _classify(pipeline: Pipeline, context: Any, metadata: Mapping[str, Any]) -> str | None:
    clock = pipeline.clock
    started_at, started = clock.now(), clock.monotonic()
    caller = metadata.get("user_api_key_hash") or metadata.get("user_api_key")
    data = {
        "litellm_call_id": str(uuid.uuid4()),
        "model": str(metadata.get("model_group") or ""),
        "messages": [dict(message) for message in context.structured_messages],
    }
    tenant = hash_identity("key", str(caller)) if caller else None
    request = parse_request(data, "acompletion", tenant, policy=pipeline.policy)
    vector = PromptVector(pipeline.embedder, request.prompt)
    route = await pipeline.intent_router.route(request, vector)
    spent_ms = 1000 * (clock.monotonic() - started)
    pipeline.decision_record.finish(
        DecisionRecord(
            decision_id=uuid.uuid4().hex,
            ts=started_at,
            call_id=request.call_id,
            tenant=tenant,
            entry_model=request.entry_model,
            strategy="route",
            cache=CacheDecision(outcome=CacheOutcome.SKIPPED, reason=Reason.DISABLED),
            route=route,
            gate=GateDecision(outcome=GateOutcome.SKIPPED, reason=Reason.DISABLED),
            latency_ms=spent_ms,
            overhead_ms=spent_ms,
            stage_ms={Stage.INTENT_ROUTER: spent_ms},
            embedding=vector.known,
            features=features_of(request.prompt) if route.scores else None,
            prompt=request.prompt if pipeline.policy.decision_log.store_prompts else None,
        )
    )
    return None if route.tier is None else host_tier(route.tier, pipeline.policy)


def host_tier(tier: str, policy: Policy) -> str:
    """Return what the complexity router calls a tier.

    `classifier_plugin.tiers` of policy counts first. Else a name of LiteLLM's own four is kept, the strongest tier
    is `reasoning`, the cheapest `simple`, and the others lie between in their order.
    """
    named = policy.classifier_plugin.tiers.get(tier)
    if named is not None:
        return named
    if tier in BUILTIN_TIERS:
        return tier
    place, last = policy.tier_names.index(tier), len(policy.tiers) - 1
    return BUILTIN_TIERS[round(place * (len(BUILTIN_TIERS) - 1) / last)]
