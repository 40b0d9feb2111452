"""What each plan of a request is expected to cost, and the cheapest plan that is good enough.

A plan starts at a tier. A straight one asks that tier only; a cascade asks the next tier where the gate finds the
answer weak. Both are special cases of one problem: least expected cost at a quality (Dekoninck et al. 2024, "A unified
approach to routing and cascading for LLMs"). Before any call the router's score of a tier is all that is known, so
what the gate will see is predicted: its evidence is taken as normal with equal spread over good and over bad answers
(the binormal model, Green and Swets 1966), at the distance that gives the area under its ROC curve, and put together
with the score by Bayes' rule. That prediction is calibrated by construction: over all answers the confidence averages
to the score.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Final

from tiergate.decisions import PlanCost, Reason, RouteDecision, RouteOutcome
from tiergate.plan_settings import Strategy
from tiergate.settings import Policy

GATE_AUROC: Final = 0.75
"""How well the gate tells good from bad answers, before there are outcomes: left-out tables have .61 to .84."""
JUDGE_TOKENS: Final = 50
"""Length of a judge's verdict in tokens."""

_NORMAL: Final = NormalDist()
_AUROCS: Final = (0.501, 0.999)
"""A gate that orders worse than by chance, or without a fault, is taken as nearly so."""
_LEAST: Final = 1e-6
_DOUBTFUL: Final = frozenset({Reason.CONFIDENCE_LOW, Reason.CONFIDENCE_MIDDLE, Reason.VERIFIER_REJECTED})
"""Reasons of an answer that is all there."""
_OWN_CHOICES: Final = frozenset({Reason.SCORE_MEETS_QUALITY, Reason.NO_TIER_MEETS_QUALITY})


@dataclass(frozen=True, slots=True, kw_only=True)
class TierFacts:
    """What is known of a call to a tier before it is made.

    Attributes:
        score: P(good enough).
        bound: Its lower confidence bound.
        call_usd: Expected cost of the call.
        verifier_usd: Expected cost of verifying one answer.
        gate_auroc: How well the gate tells the tier's good answers from its bad ones.
        seconds: Expected time; None when not known.
        fits: Whether a plan of this tier alone is within the latency budget as far as that is known.
        cascade_fits: The same for a cascade that starts here.
    """

    score: float
    bound: float
    call_usd: float
    verifier_usd: float = 0.0
    gate_auroc: float = GATE_AUROC
    seconds: float | None = None
    fits: bool = True
    cascade_fits: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class WarmCache:
    """What the provider's prompt cache holds of a session.

    Attributes:
        tier: Tier that it is warm at.
        lost_usd: Cached tokens times the price difference: what starting elsewhere costs.
    """

    tier: str
    lost_usd: float


def predict_below(score: float, cut: float, auroc: float = GATE_AUROC) -> tuple[float, float]:
    """Return P(confidence is below a cut and the answer is good), and the same for a bad one.

    Args:
        score: P(good) before the answer is seen.
        cut: The cut on P(good) afterwards.
        auroc: How well what the answer tells orders good above bad ones.
    """
    if cut <= 0.0:
        return 0.0, 0.0
    if cut >= 1.0:
        return score, 1.0 - score
    given, score = score, min(max(score, _LEAST), 1.0 - _LEAST)
    distance = math.sqrt(2) * _NORMAL.inv_cdf(min(max(auroc, _AUROCS[0]), _AUROCS[1]))
    threshold = (_log_odds(cut) - _log_odds(score)) / distance + distance / 2
    good, bad = score * _NORMAL.cdf(threshold - distance), (1.0 - score) * _NORMAL.cdf(threshold)
    return min(good, given), min(bad, 1.0 - given)


def decide_plan(
    route: RouteDecision,
    policy: Policy,
    facts: Mapping[str, TierFacts],
    *,
    cascades: bool,
    floor: str | None = None,
    warm: WarmCache | None = None,
) -> RouteDecision:
    """Return the route with the plan of the lowest expected cost, under `strategy: auto`.

    Only the router's own choice is open: a domain override, a client's `start_tier` and a drawn tier stay. A plan is
    good enough when its expected quality, by the lower bounds, reaches `min_quality`, or that of the router's tier
    where no tier reaches it. A tier that the router held too weak is not asked alone. Plans that break the latency
    budget count only where all do.

    Args:
        route: What the router decided.
        policy: The whole policy.
        facts: What is known of each tier; a tier that is missing or ruled out is in no plan.
        cascades: Whether the gate may act on this request.
        floor: Least tier of the request's session; None for none.
        warm: What the session would lose by starting elsewhere; None for nothing.
    """
    if not _is_open(route, policy) or route.tier is None or route.tier not in facts:
        return route
    known = {name: facts[name] for name in policy.tier_names if name in facts and name not in route.ruled_out}
    starts = policy.tier_names[policy.tier_names.index(floor) :] if floor else policy.tier_names
    weak = policy.tier_names[: policy.tier_names.index(route.tier)]
    chains = [
        chain
        for start in starts
        if start in known
        for chain in _chains(start, policy, known, cascades=cascades)
        if len(chain) > 1 or start not in weak
    ]
    timed = all(one.seconds is not None for one in known.values())
    plans = [_cost(chain, policy, known, warm=warm, timed=timed) for chain in chains]
    least = min(policy.intent_router.min_quality, facts[route.tier].bound)
    good = [plan for plan in plans if plan.quality >= least]
    fitting = [plan for plan in good if _fits(plan.tiers, known)] or good
    if not fitting:
        return replace(route, plans=tuple(plans))
    best = min(fitting, key=lambda plan: plan.expected_usd)
    tier = best.tiers[0]
    reason = route.reason if tier == route.tier else Reason.LOWEST_EXPECTED_COST
    score = route.scores.get(tier)
    return replace(route, tier=tier, reason=reason, score=score, plan=best.tiers, plans=tuple(plans))


def strategy_of(route: RouteDecision, policy: Policy) -> Strategy:
    """Return the strategy of a request: its domain's, else policy's."""
    override = policy.domains.get(route.strategy_domain or "")
    return policy.strategy if override is None or override.strategy is None else override.strategy


def is_straight(route: RouteDecision, policy: Policy) -> bool:
    """Tell whether a request asks one tier only, unless its answer is defective."""
    return strategy_of(route, policy) == "route" or (len(route.plan) == 1 and route.plan[0] == route.tier)


def keeps_doubtful(route: RouteDecision, policy: Policy, weakness: Reason) -> bool:
    """Tell whether the request takes a weak answer as it is: one that is only doubtful, in a plan of one tier."""
    return weakness in _DOUBTFUL and is_straight(route, policy)


def _is_open(route: RouteDecision, policy: Policy) -> bool:
    """Tell whether the plan of a request is still to be chosen."""
    chosen = route.outcome is not RouteOutcome.ROUTED or route.reason not in _OWN_CHOICES
    return not chosen and strategy_of(route, policy) == "auto"


def _chains(start: str, policy: Policy, known: Mapping[str, TierFacts], *, cascades: bool) -> Sequence[tuple[str, ...]]:
    """Return the plans that start at a tier: it alone, and with the tiers that weak answers go to."""
    chain, following = [start], policy.stronger_tier(start)
    while cascades and len(chain) <= policy.confidence_gate.max_escalations:
        if following is None or following not in known:
            break
        chain.append(following)
        following = policy.stronger_tier(following)
    return [(start,), tuple(chain)] if len(chain) > 1 else [(start,)]


def _fits(chain: tuple[str, ...], known: Mapping[str, TierFacts]) -> bool:
    first = known[chain[0]]
    return first.fits if len(chain) == 1 else first.cascade_fits


def _cost(
    chain: tuple[str, ...],
    policy: Policy,
    known: Mapping[str, TierFacts],
    *,
    warm: WarmCache | None,
    timed: bool,
) -> PlanCost:
    """Return a plan's arithmetic; each step is weighed with the probability that it is reached."""
    gate, reached, missed = policy.confidence_gate, 1.0, 1.0
    calls_usd = verifier_usd = seconds = quality = escalation = 0.0
    for place, tier in enumerate(chain[:-1]):
        one = known[tier]
        calls_usd += reached * one.call_usd
        seconds += reached * (one.seconds or 0.0)
        below = sum(predict_below(one.score, gate.escalate_below, one.gate_auroc))
        trusted_from = sum(predict_below(one.score, gate.trust_from, one.gate_auroc))
        verifier_usd += reached * max(0.0, trusted_from - below) * one.verifier_usd
        low_good, low_bad = predict_below(one.bound, gate.escalate_below, one.gate_auroc)
        quality += missed * (one.bound - low_good)
        missed *= low_good + low_bad
        reached *= below
        escalation = below if place == 0 else escalation
    last = known[chain[-1]]
    calls_usd += reached * last.call_usd
    seconds += reached * (last.seconds or 0.0)
    quality += missed * last.bound
    latency_usd = seconds * policy.latency.usd_per_s if timed else 0.0
    switching_usd = warm.lost_usd if warm is not None and warm.tier != chain[0] else 0.0
    return PlanCost(
        tiers=chain,
        quality=quality,
        escalation_probability=escalation,
        calls_usd=calls_usd,
        verifier_usd=verifier_usd,
        latency_s=seconds if timed else None,
        latency_usd=latency_usd,
        switching_usd=switching_usd,
        expected_usd=math.fsum((calls_usd, verifier_usd, latency_usd, switching_usd)),
    )


def _log_odds(probability: float) -> float:
    return math.log(probability / (1.0 - probability))
