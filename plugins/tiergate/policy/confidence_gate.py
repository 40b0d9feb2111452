"""The gate's decision on an answer: trust, verify, escalate or let pass."""

from collections.abc import Mapping

from tiergate.decisions import GateDecision, GateOutcome, Reason, RouteDecision, RouteOutcome
from tiergate.policy.answer_confidence import CONFIDENCE_LOW, UNMEASURED
from tiergate.settings import Policy


def decide_gate(
    route: RouteDecision,
    policy: Policy,
    *,
    tier: str,
    confidence: float | None,
    failure: Reason | None,
    signals: Mapping[str, float],
    escalations: int,
    stream_begun: bool = False,
) -> GateDecision:
    """Decide what happens with an answer.

    Args:
        route: How the request was routed.
        policy: The whole policy.
        tier: Tier that gave the answer.
        confidence: P(the answer is good); None without a signal.
        failure: Structural defect of the answer (refusal, truncated, ...); None without one.
        signals: The signals behind the confidence.
        escalations: How often this request was escalated already.
        stream_begun: Whether bytes of this answer have left; then the gate may only record.
    """
    gate = policy.confidence_gate

    def decided(outcome: GateOutcome, reason: Reason, escalate_to: str | None = None) -> GateDecision:
        return GateDecision(
            outcome=outcome,
            reason=reason,
            confidence=confidence,
            signals=signals,
            escalate_to=escalate_to,
            escalate_below=gate.escalate_below,
            trust_from=gate.trust_from,
        )

    if not gate.enabled:
        return decided(GateOutcome.SKIPPED, Reason.DISABLED)
    if bypasses_gate(route, policy):
        return decided(GateOutcome.BYPASSED, Reason.DOMAIN_BYPASS)
    if confidence is None:
        return decided(GateOutcome.SKIPPED, failure or Reason.NO_SIGNAL)
    if confidence >= gate.trust_from and not _is_doubtful(signals, policy):
        return decided(GateOutcome.TRUSTED, Reason.CONFIDENCE_HIGH)
    if confidence >= gate.escalate_below:
        return decided(GateOutcome.VERIFIED, Reason.CONFIDENCE_MIDDLE)
    target, spent = policy.stronger_tier(tier), escalations >= gate.max_escalations
    if (hindrance := _hindrance(stream_begun=stream_begun, target=target, spent=spent)) is not None:
        return decided(GateOutcome.SKIPPED, hindrance)
    return decided(GateOutcome.ESCALATED, failure or Reason.CONFIDENCE_LOW, target)


def bypasses_gate(route: RouteDecision, policy: Policy) -> bool:
    """Tell whether the request's domain skips the gate."""
    override = policy.domains.get(route.domain or "")
    return (
        route.outcome is RouteOutcome.BYPASSED
        and route.reason is Reason.DOMAIN_OVERRIDE
        and override is not None
        and override.gate == "bypass"
    )


def gate_acts(route: RouteDecision, policy: Policy, *, stream: bool) -> bool:
    """Tell whether the gate may replace an answer of the request."""
    gate = policy.confidence_gate
    acts = gate.enabled and gate.max_escalations > 0 and not bypasses_gate(route, policy)
    return acts and (not stream or gate.stream.mode == "hold")


def _is_doubtful(signals: Mapping[str, float], policy: Policy) -> bool:
    """Tell whether a verifier is to look at an answer of which nothing was measured: it may be weak for all we know."""
    gate = policy.confidence_gate
    unmeasured = not UNMEASURED.isdisjoint(signals)
    return gate.verifier is not None and unmeasured and signals.get(CONFIDENCE_LOW, 1.0) < gate.escalate_below


def _hindrance(*, stream_begun: bool, target: str | None, spent: bool) -> Reason | None:
    """Return what forbids an escalation, or None."""
    if stream_begun:
        return Reason.STREAM_BEGUN
    if target is None:
        return Reason.STRONGEST_TIER
    return Reason.MAX_ESCALATIONS if spent else None


def decide_better(weak: GateDecision, strong: GateDecision) -> bool:
    """Tell whether the stronger tier's answer replaces the weak one, so that escalation never makes it worse.

    The higher confidence wins; that of an answer which a verifier rejected counts as the lower cut at most. A
    stronger answer of which nothing is known but a score given without it, or not even that, wins unless it is
    defective: the score was given before the weak answer showed that the question is a hard one.
    """
    if not UNMEASURED.isdisjoint(strong.signals):
        return True
    if strong.confidence is None or weak.confidence is None:
        return strong.reason in {Reason.NO_SIGNAL, Reason.STRONGEST_TIER} or strong.confidence is not None
    if weak.reason is Reason.VERIFIER_REJECTED:
        return strong.confidence >= min(weak.confidence, weak.escalate_below or 0.0)
    return strong.confidence >= weak.confidence
