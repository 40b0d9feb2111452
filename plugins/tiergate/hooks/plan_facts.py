"""What is known of each tier's call before any is made: scores, prices, lengths, times, and warm prompt caches."""

from tiergate.decisions import RouteDecision
from tiergate.hooks.in_flight import InFlight
from tiergate.hooks.pipeline import Pipeline
from tiergate.policy.expected_cost import JUDGE_TOKENS, TierFacts, WarmCache
from tiergate.policy.latency import mean_s, predict, predict_cascade


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
    latencies = pipeline.latency.read(entry.request, entry.started)
    facts: dict[str, TierFacts] = {}
    for tier in pipeline.policy.tiers:
        score, call_usd = route.scores.get(tier.name), _call_usd(pipeline, entry, tier.name)
        if score is None or call_usd is None:
            continue
        alone, stronger = latencies.get(tier.name), pipeline.policy.stronger_tier(tier.name)
        cascade_ms = predict_cascade(alone, latencies.get(stronger)) if stronger is not None else None
        facts[tier.name] = TierFacts(
            score=score,
            bound=route.lower_bounds.get(tier.name, score),
            call_usd=call_usd,
            verifier_usd=_verifier_usd(pipeline, entry, tier.name, call_usd),
            seconds=mean_s(alone),
            fits=_within(predict(alone), budget_ms),
            cascade_fits=_within(cascade_ms, budget_ms),
        )
    return facts


def read_warm_cache(pipeline: Pipeline, entry: InFlight) -> WarmCache | None:
    """Return what the provider's prompt cache holds of the request's session; None when nothing is known of it."""
    if entry.session is None:
        return None
    tier, cached_tokens = pipeline.sessions.find_cached(entry.session, entry.started)
    price = pipeline.catalogue.price(pipeline.policy.tier(tier).model_group) if tier is not None else None
    if tier is None or price is None or price.cached_input_usd is None:
        return None
    return WarmCache(tier=tier, lost_usd=cached_tokens * max(0.0, price.input_usd - price.cached_input_usd))


def _within(predicted_ms: float | None, budget_ms: float | None) -> bool:
    return budget_ms is None or predicted_ms is None or predicted_ms <= budget_ms


def _answer_tokens(pipeline: Pipeline, entry: InFlight, tier: str) -> float:
    tokens, limit = pipeline.latency.answer_tokens(tier), entry.request.max_tokens
    return tokens if limit is None else min(tokens, limit)


def _call_usd(pipeline: Pipeline, entry: InFlight, tier: str) -> float | None:
    price = pipeline.catalogue.price(pipeline.policy.tier(tier).model_group)
    if price is None:
        return None
    tokens = _answer_tokens(pipeline, entry, tier)
    return entry.request.estimated_tokens * price.input_usd + tokens * price.output_usd


def _verifier_usd(pipeline: Pipeline, entry: InFlight, tier: str, call_usd: float) -> float:
    """Return the cost of verifying one answer: a judge reads prompt and answer; else the tier is asked again."""
    verifier = pipeline.policy.confidence_gate.verifier
    if verifier is None:
        return 0.0
    if verifier.kind == "self_consistency" or verifier.model_group is None:
        return verifier.samples * call_usd
    price = pipeline.catalogue.price(verifier.model_group)
    if price is None:
        return 0.0
    read = entry.request.estimated_tokens + _answer_tokens(pipeline, entry, tier)
    return read * price.input_usd + JUDGE_TOKENS * price.output_usd
