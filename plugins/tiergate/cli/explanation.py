"""Why a prompt goes to its tier, and what would send it elsewhere."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass

from tiergate.decisions import PlanCost, RouteDecision, RouteOutcome
from tiergate.plan_settings import Strategy
from tiergate.policy.confidence_gate import gate_acts
from tiergate.policy.expected_cost import decide_plan, is_straight, strategy_of
from tiergate.policy.intent_router import DEFAULT_CUT, decide_route
from tiergate.policy.tier_facts import CallFacts, build_tier_facts
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
        decision: What is decided for the prompt, its plan and the arithmetic of its rivals included.
        strategy: Strategy in force for it: its domain's, else policy's.
        min_quality: What a tier's lower bound must reach.
        tiers: Scores of the tiers, cheapest first.
        domains: Scores of the domains, most probable first.
        gate: What the confidence gate will do with the answer, as far as routing settles it.
        changes: What would change the decision, one sentence each.
    """

    decision: RouteDecision
    strategy: Strategy
    min_quality: float
    tiers: tuple[TierScore, ...]
    domains: tuple[DomainScore, ...]
    gate: str
    changes: tuple[str, ...]


def explain_route(
    classification: Classification, policy: Policy, *, kind: str, digest: str, calls: CallFacts | None = None
) -> Explanation:
    """Decide the route of a classified prompt and say what it rests on.

    Args:
        classification: Scores of every tier and domain.
        policy: The policy.
        kind: Kind of the classifier.
        digest: Digest of its artifact.
        calls: What is known of the prompt's calls, for plans; None when nothing is.
    """

    def decide(other: Policy) -> RouteDecision:
        route = decide_route(classification, other, controls={}, kind=kind, digest=digest)
        if calls is None:
            return route
        cascades = gate_acts(route, other, stream=False)
        return decide_plan(route, other, build_tier_facts(route, other, calls), cascades=cascades)

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
    if decision.plan:
        changes += _plan_changes(policy, decision, decide)
    elif decision.outcome is RouteOutcome.ROUTED:
        changes += _quality_changes(tiers, decision, minimum)
    return Explanation(
        decision=decision,
        strategy=strategy_of(decision, policy),
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
        "strategy": explanation.strategy,
        "strategy_domain": decision.strategy_domain,
        "plan": list(decision.plan),
        "plans": [asdict(plan) for plan in decision.plans],
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


def name_plan(tiers: Sequence[str]) -> str:
    """Return a plan as it is shown: its tiers in the order they are asked."""
    return " then ".join(tiers)


def _plan_changes(policy: Policy, decision: RouteDecision, decide: Callable[[Policy], RouteDecision]) -> list[str]:
    """Say which `min_quality` would take a cheaper plan; each sentence was tried."""
    minimum, chosen = policy.intent_router.min_quality, _chosen(decision)
    cheaper = [plan for plan in decision.plans if chosen is not None and plan.expected_usd < chosen.expected_usd]
    found, taken = [], {decision.plan}
    for plan in sorted(cheaper, key=lambda plan: -plan.quality):
        least = math.floor(1000 * plan.quality) / 1000
        router = policy.intent_router.model_copy(update={"min_quality": least})
        other = decide(policy.model_copy(update={"intent_router": router})).plan
        if other not in taken:
            taken.add(other)
            found.append(f"min_quality of at most {least:.3f} (now {minimum:.3f}) would take {name_plan(other)}.")
    return found


def _chosen(decision: RouteDecision) -> PlanCost | None:
    return next((plan for plan in decision.plans if plan.tiers == decision.plan), None)


def _gate_text(policy: Policy, decision: RouteDecision) -> str:
    if not policy.confidence_gate.enabled:
        return "disabled"
    override = policy.domains.get(decision.domain or "")
    if override is not None and override.gate == "bypass":
        return f"bypassed for {decision.domain}"
    if decision.tier == policy.strongest_tier:
        return "strongest tier: nothing to escalate to"
    if is_straight(decision, policy):
        return "asks one tier: escalates a defective answer only"
    gate = policy.confidence_gate
    return f"escalates below {gate.escalate_below:g}, trusts from {gate.trust_from:g}"
