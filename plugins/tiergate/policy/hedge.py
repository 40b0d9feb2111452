"""When a stronger tier's call begins before the cheap answer is there.

A hedged request (Dean and Barroso 2013, "The Tail at Scale") sends a second request where the first has run for longer
than a quantile of its kind. Here the second one goes to the tier that a weak answer would be escalated to, so it is of
use only where the gate finds the answer weak. There are two starts: the quantile, and the last moment at which the
stronger tier's 95th percentile still meets the latency budget, where an escalation is likely: waiting longer for the
cheap answer would break the budget then.
"""

from dataclasses import dataclass

from tiergate.decisions import HedgeDecision, HedgeOutcome, Reason, RouteDecision
from tiergate.plan_settings import Hedge
from tiergate.policy.confidence_gate import bypasses_gate
from tiergate.policy.expected_cost import is_straight, predict_below
from tiergate.policy.gate_calibration import GateCalibration
from tiergate.policy.latency import TierLatency, predict
from tiergate.policy.tier_facts import find_gate_auroc
from tiergate.settings import Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class HedgeFacts:
    """What is known of a request before its first call.

    Attributes:
        cheap: How long the tier takes that the request goes to.
        strong: How long the tier takes that a weak answer would go to.
        escalation_probability: P(the answer is escalated); None when not known.
        budget_ms: What is left of the latency budget; None for none.
    """

    cheap: TierLatency | None = None
    strong: TierLatency | None = None
    escalation_probability: float | None = None
    budget_ms: float | None = None


def predict_escalation(
    route: RouteDecision, policy: Policy, cheap: TierLatency | None, calibration: GateCalibration | None
) -> float | None:
    """Return P(the gate escalates the answer) before there is one, or None when nothing is known.

    It is that of `strategy: auto`: the router's score of the tier, and how well the gate tells good from bad answers.
    Without a score it is the share of the tier's answers that were escalated of late. Rejections of a verifier are not
    foreseen.

    Args:
        route: How the request was routed.
        policy: The whole policy.
        cheap: How long the tier takes, and how often it was escalated.
        calibration: The gate's; None before there are outcomes.
    """
    if route.tier is None:
        return None
    score = route.scores.get(route.tier)
    if score is None:
        return None if cheap is None else cheap.escalation_ratio
    auroc = find_gate_auroc(calibration, policy.tier(route.tier).model_group)
    return sum(predict_below(score, policy.confidence_gate.escalate_below, auroc))


def decide_hedge(route: RouteDecision, policy: Policy, facts: HedgeFacts, *, stream: bool) -> HedgeDecision | None:
    """Decide whether and when the stronger tier's call begins early; None where policy has no hedge.

    Args:
        route: How the request was routed.
        policy: The whole policy.
        facts: What is known of it.
        stream: Whether a stream was asked for; streams are not hedged.
    """
    hedge = policy.latency.hedge
    if hedge is None:
        return None
    probability = facts.escalation_probability
    tier = policy.stronger_tier(route.tier) if route.tier is not None else None
    if (hindrance := _hindrance(route, policy, tier, stream=stream)) is not None:
        return HedgeDecision(outcome=HedgeOutcome.SKIPPED, reason=hindrance, escalation_probability=probability)
    after_ms, reason = _decide_start(hedge, facts)
    return HedgeDecision(
        outcome=HedgeOutcome.SKIPPED if after_ms is None else HedgeOutcome.PLANNED,
        reason=reason,
        tier=tier,
        after_ms=after_ms,
        escalation_probability=probability,
    )


def _hindrance(route: RouteDecision, policy: Policy, tier: str | None, *, stream: bool) -> Reason | None:
    """Return why the stronger tier would not be asked whatever the answer, or None."""
    found = (
        (policy.mode == "shadow", Reason.SHADOW_MODE),
        (route.tier is None, route.reason),
        (stream, Reason.STREAMED),
        (not policy.confidence_gate.enabled, Reason.DISABLED),
        (bypasses_gate(route, policy), Reason.DOMAIN_BYPASS),
        (tier is None, Reason.STRONGEST_TIER),
        (policy.confidence_gate.max_escalations == 0, Reason.MAX_ESCALATIONS),
        (is_straight(route, policy), Reason.STRAIGHT_PLAN),
        (tier in route.ruled_out, Reason.TIER_RULED_OUT),
    )
    return next((reason for hinders, reason in found if hinders), None)


def _decide_start(hedge: Hedge, facts: HedgeFacts) -> tuple[float | None, Reason]:
    """Return when a hedge begins, in milliseconds after the cheap call, and why; or None, and why not."""
    strong_ms, budget_ms = predict(facts.strong), facts.budget_ms
    latest_ms = None if budget_ms is None or strong_ms is None else budget_ms - strong_ms
    if latest_ms is not None and latest_ms < 0:
        return None, Reason.LATENCY_BUDGET
    likely = _is_likely(hedge, facts)
    slow_ms = predict(facts.cheap, hedge.after_quantile) if hedge.after_quantile is not None else None
    if slow_ms is not None and (latest_ms is None or slow_ms <= latest_ms):
        return slow_ms, Reason.SLOW_CALL
    if likely and latest_ms is not None:
        return latest_ms, Reason.ESCALATION_LIKELY
    if slow_ms is not None:
        return None, Reason.LATENCY_BUDGET
    if hedge.after_quantile is not None:
        return None, Reason.NOT_PREDICTED
    if not likely:
        return None, Reason.ESCALATION_UNLIKELY
    return None, Reason.NO_LATENCY_BUDGET if budget_ms is None else Reason.NOT_PREDICTED


def _is_likely(hedge: Hedge, facts: HedgeFacts) -> bool:
    least, probability = hedge.min_escalation_probability, facts.escalation_probability
    return least is not None and probability is not None and probability >= least
