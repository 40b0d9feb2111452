"""Stage 3: judge an answer, and ask a stronger tier when it is too weak."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

from tiergate.decisions import GateDecision, GateOutcome, Reason, RouteDecision
from tiergate.exchange import Answer, Request
from tiergate.policy.confidence import decide_confidence
from tiergate.policy.confidence_gate import ROUTER_PRIOR, decide_gate
from tiergate.policy.signals import measure_signals
from tiergate.settings import Policy
from tiergate.stages.failopen import fail_open


@dataclass(frozen=True, slots=True, kw_only=True)
class Escalation:
    """What asking a stronger tier gave: the host's response, or the class of the error."""

    response: Any = None
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfidenceGate:
    """Turns an answer's signals into trust, verification or escalation."""

    policy: Policy

    def judge(
        self,
        request: Request,
        answer: Answer,
        route: RouteDecision,
        *,
        tier: str,
        escalations: int,
        stream_begun: bool = False,
    ) -> GateDecision:
        """Judge one answer of one tier."""
        signals = dict(measure_signals(answer, request))
        confidence, failure = decide_confidence(signals)
        prior = route.scores.get(tier)
        if confidence is None and prior is not None:
            # The answer passes every check and its provider gives no log-probabilities: the router's
            # calibrated score is what is known of it.
            signals[ROUTER_PRIOR] = confidence = prior
            failure = None
        return decide_gate(
            route,
            self.policy,
            tier=tier,
            confidence=confidence,
            failure=failure,
            signals=signals,
            escalations=escalations,
            stream_begun=stream_begun,
        )

    @staticmethod
    def skipped_for_hit(confidence: float | None) -> GateDecision:
        """Return the decision for a stored answer: it keeps the confidence it was stored with."""
        return GateDecision(
            outcome=GateOutcome.SKIPPED, reason=Reason.CACHE_HIT, confidence=confidence, final_confidence=confidence
        )

    async def escalate(self, decision: GateDecision, ask: Callable[[str], Awaitable[Any]]) -> Escalation:
        """Ask the stronger tier within the escalation budget.

        Args:
            decision: An escalation.
            ask: Asks a tier by name and returns the host's response.

        Returns:
            The response, or the error's class when the stronger tier gave none: then the weak answer stays.
        """
        if decision.outcome is not GateOutcome.ESCALATED or decision.escalate_to is None:
            return Escalation()

        async def escalated(tier: str) -> Escalation:
            return Escalation(response=await ask(tier))

        return await fail_open(
            "confidence_gate",
            escalated(decision.escalate_to),
            budget_ms=self.policy.confidence_gate.escalation_budget_ms,
            otherwise=lambda _reason, exc: Escalation(error=type(exc).__name__),
        )


def escalation_skipped(decision: GateDecision, reason: Reason) -> GateDecision:
    """Return the decision of a gate that wanted to escalate and was not let."""
    return replace(decision, outcome=GateOutcome.SKIPPED, reason=reason, escalate_to=None)


def escalation_failed(decision: GateDecision, error: str | None) -> GateDecision:
    """Return the decision of a gate that wanted to escalate and got no answer."""
    return replace(
        decision, outcome=GateOutcome.SKIPPED, reason=Reason.ESCALATION_FAILED, escalate_to=None, error=error
    )
