"""Stage 3: judge an answer, and ask a stronger tier when it is too weak."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

from tiergate.decisions import GateDecision, GateOutcome, Reason, RouteDecision
from tiergate.exchange import Answer, Request
from tiergate.policy.answer_confidence import decide_answer_confidence, reads_text
from tiergate.policy.answer_features import answer_features_of
from tiergate.policy.confidence_gate import decide_gate
from tiergate.policy.gate_calibration import GateCalibration
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
    """Turns an answer's signals into trust, verification or escalation.

    Attributes:
        policy: The whole policy.
        calibration: Calibrations by model group; None to judge by the documented prior.
    """

    policy: Policy
    calibration: GateCalibration | None = None

    def judge(
        self,
        request: Request,
        answer: Answer,
        route: RouteDecision,
        *,
        tier: str,
        escalations: int,
        stream_begun: bool = False,
        whole: bool = True,
    ) -> GateDecision:
        """Judge one answer of one tier.

        Args:
            request: The request.
            answer: The answer.
            route: How the request was routed.
            tier: Tier that answered; empty when the request went on unchanged.
            escalations: How often the request was escalated already.
            stream_begun: Whether bytes of the answer have left.
            whole: Whether the answer is all there; the features of half a text say nothing.
        """
        signals = measure_signals(answer, request)
        group = self.policy.tier(tier).model_group if tier else ""
        read = whole and reads_text(self.calibration, group)
        known = decide_answer_confidence(
            signals,
            model_group=group,
            calibration=self.calibration,
            prior=route.scores.get(tier),
            features=answer_features_of(answer.text, request.prompt) if read else None,
        )
        return decide_gate(
            route,
            self.policy,
            tier=tier,
            confidence=known.confidence,
            failure=known.failure,
            signals={**signals, **known.signals},
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

        return await self.ask_in_budget(ask(decision.escalate_to))

    async def ask_in_budget(self, asking: Awaitable[Any]) -> Escalation:
        """Wait for a stronger tier's response within the escalation budget.

        Args:
            asking: The call.

        Returns:
            The response, or the error's class when there was none.
        """

        async def escalated() -> Escalation:
            return Escalation(response=await asking)

        return await fail_open(
            "confidence_gate",
            escalated(),
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
