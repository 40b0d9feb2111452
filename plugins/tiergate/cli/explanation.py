"""Why a prompt goes to its tier, and what would send it elsewhere."""

from collections.abc import Mapping
from dataclasses import dataclass

from tiergate.decisions import RouteDecision, RouteOutcome
from tiergate.policy.intent_router import DEFAULT_CUT, decide_route
from tiergate.ports import Classification
from tiergate.settings import Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class TierScore:
    """One tier: P(good enough), its lower bound, and whether the bound meets `min_quality`."""

    tier: str
    score: float
    lower_bound: float
    meets: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainScore:
    """One domain: its probability, the cut from which it counts, and whether policy overrides it."""

    domain: str
    score: float
    cut: float
    overrides: bool
    reached: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """A routing decision with everything it rests on.

    Attributes:
        decision: What is decided for the prompt.
        min_quality: What a tier's lower bound must reach.
        tiers: Scores of the tiers, cheapest first.
        domains: Scores of the domains, most probable first.
        gate: What the confidence gate will do with the answer, as far as routing settles it.
        changes: What would change the decision, one sentence each.
    """

    decision: RouteDecision
    min_quality: float
    tiers: tuple[TierScore, ...]
    domains: tuple[DomainScore, ...]
    gate: str
    changes: tuple[str, ...]


def explain_route(classification: Classification, policy: Policy, *, kind: str, digest: str) -> Explanation:
    """Decide the route of a classified prompt and say what it rests on.

    Args:
        classification: Scores of every tier and domain.
        policy: The policy.
        kind: Kind of the classifier.
        digest: Digest of its artifact.
    """

    def decide(other: Policy) -> RouteDecision:
        return decide_route(classification, other, controls={}, kind=kind, digest=digest)

    decision = decide(policy)
    minimum = policy.intent_router.min_quality
    tiers = tuple(
        TierScore(
            tier=name,
            score=classification.scores.get(name, 0.0),
            lower_bound=classification.lower_bounds.get(name, 0.0),
            meets=classification.lower_bounds.get(name, 0.0) >= minimum,
        )
        for name in policy.tier_names
    )
    domains = tuple(
        _domain_score(name, score, classification, policy)
        for name, score in sorted(classification.domains.items(), key=lambda item: -item[1])
    )
    changes = _domain_changes(domains, decision, decide(policy.model_copy(update={"domains": {}})))
    if decision.outcome is RouteOutcome.ROUTED:
        changes += _quality_changes(tiers, decision, minimum)
    return Explanation(
        decision=decision,
        min_quality=minimum,
        tiers=tiers,
        domains=domains,
        gate=_gate_text(policy, decision),
        changes=tuple(changes),
    )


def to_row(explanation: Explanation) -> Mapping[str, object]:
    """Return the explanation as JSON-ready values."""
    decision = explanation.decision
    return {
        "outcome": decision.outcome.value,
        "reason": decision.reason.value,
        "tier": decision.tier,
        "min_quality": explanation.min_quality,
        "tiers": {
            item.tier: {"score": item.score, "lower_bound": item.lower_bound, "meets": item.meets}
            for item in explanation.tiers
        },
        "domains": {
            item.domain: {
                "score": item.score,
                "cut": item.cut,
                "overrides": item.overrides,
                "reached": item.reached,
            }
            for item in explanation.domains
        },
        "gate": explanation.gate,
        "changes": list(explanation.changes),
        "classifier": decision.classifier,
        "artifact_digest": decision.artifact_digest,
    }


def _domain_score(name: str, score: float, classification: Classification, policy: Policy) -> DomainScore:
    minimum = policy.intent_router.min_domain_score
    cut = classification.domain_cuts.get(name, DEFAULT_CUT) if minimum is None else minimum
    override = policy.domains.get(name)
    overrides = override is not None and override.start_tier is not None
    return DomainScore(domain=name, score=score, cut=cut, overrides=overrides, reached=overrides and score >= cut)


def _domain_changes(domains: tuple[DomainScore, ...], decision: RouteDecision, without: RouteDecision) -> list[str]:
    """Say what takes a request in or out of its domain override."""
    if decision.outcome is RouteOutcome.BYPASSED:
        reached = [item for item in domains if item.reached]
        scores = " and ".join(f"{item.domain} above {item.score:.3f}" for item in reached)
        return [f"A domain cut of {scores} would lift the override; the tier would then be {without.tier}."]
    return [
        f"The override of {item.domain} would take it from a cut of {item.score:.3f} (now {item.cut:.3f})."
        for item in domains
        if item.overrides and not item.reached
    ]


def _quality_changes(tiers: tuple[TierScore, ...], decision: RouteDecision, minimum: float) -> list[str]:
    """Say which `min_quality` would send the request to another tier."""
    found = []
    place = next((number for number, item in enumerate(tiers) if item.tier == decision.tier), len(tiers) - 1)
    best = 0.0
    for item in tiers[:place]:
        if item.lower_bound > best:
            found.append(f"min_quality of at most {item.lower_bound:.3f} (now {minimum:.3f}) would take {item.tier}.")
            best = item.lower_bound
    if place + 1 < len(tiers):
        bound = tiers[place].lower_bound
        found.append(f"min_quality above {bound:.3f} (now {minimum:.3f}) would take a stronger tier.")
    return found


def _gate_text(policy: Policy, decision: RouteDecision) -> str:
    if not policy.confidence_gate.enabled:
        return "disabled"
    override = policy.domains.get(decision.domain or "")
    if override is not None and override.gate == "bypass":
        return f"bypassed for {decision.domain}"
    if decision.tier == policy.strongest_tier:
        return "strongest tier: nothing to escalate to"
    gate = policy.confidence_gate
    return f"escalates below {gate.escalate_below:g}, trusts from {gate.trust_from:g}"
