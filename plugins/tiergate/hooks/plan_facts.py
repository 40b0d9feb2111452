"""What the proxy knows of each tier's call before any is made, and of warm prompt caches."""

from tiergate.decisions import RouteDecision
from tiergate.hooks.in_flight import InFlight
from tiergate.hooks.pipeline import Pipeline
from tiergate.policy.expected_cost import TierFacts, WarmCache
from tiergate.policy.tier_facts import CallFacts, build_tier_facts


def read_tier_facts(
    pipeline: Pipeline, entry: InFlight, route: RouteDecision, *, budget_ms: float | None
) -> dict[str, TierFacts]:
    """Return what is known of each tier that has a score and a price, by name.

    Args:
        pipeline: The stages.
        entry: The request.
        route: How it was routed.
        budget_ms: Its latency budget; None for none.
    """
    limit = entry.request.max_tokens

    def answer_tokens(tier: str) -> float:
        tokens = pipeline.latency.answer_tokens(tier)
        return tokens if limit is None else min(tokens, limit)

    calls = CallFacts(
        price=pipeline.catalogue.price,
        prompt_tokens=entry.request.estimated_tokens,
        answer_tokens=answer_tokens,
        latencies=pipeline.latency.read(entry.request, entry.started),
        budget_ms=budget_ms,
        calibration=pipeline.confidence_gate.calibration,
    )
    return build_tier_facts(route, pipeline.policy, calls)


def read_warm_cache(pipeline: Pipeline, entry: InFlight) -> WarmCache | None:
    """Return what the provider's prompt cache holds of the request's session; None when nothing is known of it."""
    if entry.session is None:
        return None
    tier, cached_tokens = pipeline.sessions.find_cached(entry.session, entry.started)
    price = pipeline.catalogue.price(pipeline.policy.tier(tier).model_group) if tier is not None else None
    if tier is None or price is None or price.cached_input_usd is None:
        return None
    return WarmCache(tier=tier, lost_usd=cached_tokens * max(0.0, price.input_usd - price.cached_input_usd))
