"""The routing decision: the cheapest tier that is good enough, unless a domain says otherwise."""

from collections.abc import Iterable, Mapping

from tiergate.decisions import Reason, RouteDecision, RouteOutcome
from tiergate.ports import Classification
from tiergate.settings import Policy

DEFAULT_CUT = 0.5


def decide_route(
    classification: Classification, policy: Policy, *, controls: Mapping[str, object], kind: str, digest: str
) -> RouteDecision:
    """Choose the tier of a classified request.

    A domain override comes first; then the client's `start_tier`, where policy allows it; then the
    cheapest tier that is good enough by `find_least_bound`; else the strongest tier.

    Args:
        classification: Scores of every tier and domain.
        policy: The whole policy.
        controls: The request controls that policy allowed.
        kind: Kind of the classifier.
        digest: Digest of its artifact.
    """
    domain, domain_score = max(classification.domains.items(), key=lambda item: item[1], default=(None, None))

    overridden = decide_domain_override(classification, policy)
    strategy_domain = decide_strategy_domain(classification, policy, overridden=overridden)

    def decided(outcome: RouteOutcome, reason: Reason, tier: str) -> RouteDecision:
        return RouteDecision(
            outcome=outcome,
            reason=reason,
            tier=tier,
            score=classification.scores.get(tier),
            scores=classification.scores,
            lower_bounds=classification.lower_bounds,
            domains=classification.domains,
            domain=domain,
            domain_score=domain_score,
            strategy_domain=strategy_domain,
            classifier=kind,
            artifact_digest=digest,
        )

    if overridden is not None:
        domain, domain_score = overridden, classification.domains[overridden]
        return decided(RouteOutcome.BYPASSED, Reason.DOMAIN_OVERRIDE, _start_tier(policy, overridden))
    start_tier = controls.get("start_tier")
    if isinstance(start_tier, str):
        return decided(RouteOutcome.ROUTED, Reason.START_TIER_CONTROL, start_tier)
    for tier in policy.tier_names:
        if is_good_enough(classification, tier, policy):
            return decided(RouteOutcome.ROUTED, Reason.SCORE_MEETS_QUALITY, tier)
    return decided(RouteOutcome.ROUTED, Reason.NO_TIER_MEETS_QUALITY, policy.strongest_tier)


def is_good_enough(classification: Classification, tier: str, policy: Policy) -> bool:
    """Whether a tier may answer: its lower bound reaches what `find_least_bound` asks for."""
    least = find_least_bound(classification, tier, policy)
    return least is not None and classification.lower_bounds.get(tier, 0.0) >= least


def find_least_bound(classification: Classification, tier: str, policy: Policy) -> float | None:
    """Return the lower bound from which a tier may answer; None for a tier that may not.

    With `min_quality_of: request` each request's own bound must reach `min_quality`. With `traffic` the share of good
    answers among all that the tier gets must: that is what the cut of risk control was chosen for on held-out rows
    (Angelopoulos et al. 2021, "Learn then Test"), so the cut alone decides where it was chosen for as high a share.
    A tier for which risk control found no cut may not answer, either way.
    """
    router, cut = policy.intent_router, classification.tier_cuts.get(tier, 0.0)
    if cut is None:
        return None
    if router.min_quality_of == "traffic" and classification.cut_qualities.get(tier, 0.0) >= router.min_quality:
        return cut
    return max(router.min_quality, cut)


def decide_domain_override(classification: Classification, policy: Policy) -> str | None:
    """Return the overriding domain of a request, or None.

    Among the domains with a start tier, the most probable one counts when its score reaches its cut:
    `min_domain_score` of policy, else the artifact's own cut, else one half. Recall of these domains is
    what matters, so another domain may well score higher.
    """
    return _most_probable(
        classification, policy, [name for name, one in policy.domains.items() if one.start_tier is not None]
    )


def decide_strategy_domain(classification: Classification, policy: Policy, *, overridden: str | None) -> str | None:
    """Return the domain whose `strategy` counts for a request, or None.

    A domain that chose the tier says it alone; else the most probable one that has a strategy and reaches its cut.

    Args:
        classification: Scores of every domain.
        policy: The whole policy.
        overridden: From `decide_domain_override`.
    """
    named = [name for name, one in policy.domains.items() if one.strategy is not None]
    if overridden is not None:
        return overridden if overridden in named else None
    return _most_probable(classification, policy, named)


def _most_probable(classification: Classification, policy: Policy, names: Iterable[str]) -> str | None:
    """Return the most probable of these domains among those that reach their cut; None when none does."""
    scores = classification.domains
    reached = [name for name in names if scores.get(name, 0.0) >= find_domain_cut(classification, name, policy)]
    return max((name for name in reached if name in scores), key=lambda name: scores[name], default=None)


def find_domain_cut(classification: Classification, domain: str, policy: Policy) -> float:
    """Return the P(domain) from which an override of this domain counts."""
    minimum = policy.intent_router.min_domain_score
    return classification.domain_cuts.get(domain, DEFAULT_CUT) if minimum is None else minimum


def decide_unclassified(policy: Policy, reason: Reason) -> RouteDecision:
    """Decide for a request that could not be classified.

    With domain overrides in force the request goes to the strongest tier they name, since a finance or
    legal question must not slip to a cheap model because the classifier is down. Without them it goes
    on unchanged.
    """
    starts = [override.start_tier for override in policy.domains.values() if override.start_tier is not None]
    if not starts:
        return RouteDecision(outcome=RouteOutcome.SKIPPED, reason=reason)
    strongest = max(starts, key=policy.tier_names.index)
    return RouteDecision(outcome=RouteOutcome.BYPASSED, reason=Reason.DOMAIN_UNKNOWN, tier=strongest)


def _start_tier(policy: Policy, domain: str) -> str:
    return policy.domains[domain].start_tier or policy.strongest_tier
