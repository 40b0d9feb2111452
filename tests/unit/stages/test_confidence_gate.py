"""The gate's stage: what judges an answer, and what asking a stronger tier gives."""

import asyncio
from typing import Any

import pytest
from tests.unit.stages.conftest import policy_of

from tiergate.decisions import GateDecision, GateOutcome, Reason, RouteDecision, RouteOutcome
from tiergate.errors import EscalationError
from tiergate.exchange import Answer, Request, TokenLogprob
from tiergate.policy.gate_calibration import Evidence, GateCalibration, GroupCalibration
from tiergate.stages.confidence_gate import ConfidenceGate, Escalation, escalation_failed

ROUTE = RouteDecision(
    outcome=RouteOutcome.ROUTED, reason=Reason.SCORE_MEETS_QUALITY, tier="simple", scores={"simple": 0.9}
)
WEAK = GateDecision(outcome=GateOutcome.ESCALATED, reason=Reason.CONFIDENCE_LOW, confidence=0.3, escalate_to="medium")


def judge(request: Request, answer: Answer, **changes: Any) -> GateDecision:
    facts: dict[str, Any] = {"tier": "simple", "escalations": 0} | changes
    return ConfidenceGate(policy=policy_of()).judge(request, answer, ROUTE, **facts)


def test_token_probabilities_judge(request_: Request) -> None:
    sure, unsure = (
        Answer(text="Hi.", finish_reason="stop", logprobs=[TokenLogprob(token="Hi.", logprob=logprob)])
        for logprob in (-0.001, -3.0)
    )
    assert judge(request_, sure).outcome is GateOutcome.TRUSTED
    weak = judge(request_, unsure)
    assert (weak.outcome, weak.escalate_to) == (GateOutcome.ESCALATED, "medium")
    assert judge(request_, unsure, stream_begun=True).reason is Reason.STREAM_BEGUN


def test_without_them_the_routers_score_speaks_for_the_answer(request_: Request) -> None:
    answer = Answer(text="Hi.", finish_reason="stop")
    first = judge(request_, answer)
    assert (first.confidence, first.signals["router_prior"]) == (0.9, 0.9)
    assert judge(request_, answer, tier="medium").confidence is None


def test_a_defect_counts_before_the_routers_score(request_: Request) -> None:
    cut = judge(request_, Answer(text="Hi", finish_reason="length"))
    assert (cut.outcome, cut.reason) == (GateOutcome.ESCALATED, Reason.TRUNCATED)
    assert "router_prior" not in cut.signals


def test_the_calibration_of_the_group_speaks_and_reads_whole_texts_only(request_: Request) -> None:
    nothing = Evidence(intercept=0.0, prior=0.0, prior_mean=0.0, answer={}, spread=1.0)
    read = Evidence(
        intercept=0.0, prior=0.0, prior_mean=0.0, answer={"hedges": -4.0}, answer_mean={"hedges": 0.0}, spread=1.0
    )
    group = GroupCalibration(
        method="m", n=99, n_without_confidence=0, scale="probability", knots=(0.0, 7.0), log_odds=(-2.0, 2.0),
        with_confidence=read, without_confidence=nothing,
    )  # fmt: skip
    whole = GateCalibration(format_version=1, data_digest="sha256:" + "a" * 64, groups={"tier-simple": group})
    gate = ConfidenceGate(policy=policy_of(), calibration=whole)
    tokens = [TokenLogprob(token="x", logprob=-0.0001)]
    sure = Answer(text="It is so.", finish_reason="stop", logprobs=tokens)
    hedged = Answer(text="Perhaps it is possibly so, maybe.", finish_reason="stop", logprobs=tokens)

    def confidence(answer: Answer, **changes: Any) -> float:
        facts: dict[str, Any] = {"tier": "simple", "escalations": 0} | changes
        return gate.judge(request_, answer, ROUTE, **facts).confidence or 0.0

    assert confidence(sure) == pytest.approx(0.88, abs=0.01)
    assert confidence(hedged) < 0.1
    assert confidence(hedged, whole=False) == confidence(sure)
    assert confidence(sure, tier="medium") == judge(request_, sure, tier="medium").confidence


def test_a_hit_keeps_its_confidence() -> None:
    decision = ConfidenceGate.skipped_for_hit(0.9)
    assert (decision.reason, decision.confidence, decision.final_confidence) == (Reason.CACHE_HIT, 0.9, 0.9)


async def test_the_named_tier_is_asked() -> None:
    async def ask(tier: str) -> str:
        return f"answer of {tier}"

    gate = ConfidenceGate(policy=policy_of())
    assert await gate.escalate(WEAK, ask) == Escalation(response="answer of medium")


async def test_what_is_no_escalation_asks_nobody() -> None:
    gate = ConfidenceGate(policy=policy_of())
    asked: list[str] = []

    async def ask(tier: str) -> None:
        asked.append(tier)

    trusted = GateDecision(outcome=GateOutcome.TRUSTED, reason=Reason.CONFIDENCE_HIGH)
    assert await gate.escalate(trusted, ask) == Escalation()
    assert asked == []


@pytest.mark.swallows
@pytest.mark.parametrize(("failure", "error"), [(EscalationError("x"), "EscalationError"), (None, "TimeoutError")])
async def test_trouble_gives_the_class_of_the_error(failure: Exception | None, error: str) -> None:
    async def ask(_tier: str) -> None:
        if failure is not None:
            raise failure
        await asyncio.sleep(30)

    gate = ConfidenceGate(policy=policy_of(confidence_gate={"escalation_budget_ms": 5}))
    assert await gate.escalate(WEAK, ask) == Escalation(error=error)


def test_a_failed_escalation_is_a_skip() -> None:
    decision = escalation_failed(WEAK, "EscalationError")
    assert (decision.outcome, decision.reason) == (GateOutcome.SKIPPED, Reason.ESCALATION_FAILED)
    assert (decision.escalate_to, decision.error, decision.confidence) == (None, "EscalationError", 0.3)
