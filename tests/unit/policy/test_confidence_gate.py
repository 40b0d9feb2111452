"""What the gate makes of an answer."""

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiergate.decisions import GateDecision, GateOutcome, Reason, RouteDecision, RouteOutcome
from tiergate.policy.answer_confidence import BASE_RATE, CONFIDENCE_LOW, ROUTER_PRIOR
from tiergate.policy.confidence_gate import bypasses_gate, decide_better, decide_gate
from tiergate.settings import Policy

TIERS = ("simple", "medium", "frontier")
ROUTED = RouteDecision(outcome=RouteOutcome.ROUTED, reason=Reason.SCORE_MEETS_QUALITY, tier="simple")
FINANCE = RouteDecision(outcome=RouteOutcome.BYPASSED, reason=Reason.DOMAIN_OVERRIDE, tier="frontier", domain="finance")


def policy(**gate: Any) -> Policy:
    tiers = [{"name": name, "model_group": f"tier-{name}"} for name in TIERS]
    domains = {"finance": {"start_tier": "frontier", "gate": "bypass"}, "legal": {"start_tier": "frontier"}}
    return Policy.model_validate({"tiers": tiers, "domains": domains, "confidence_gate": gate})


def decide(confidence: float | None, **changes: Any) -> GateDecision:
    facts: dict[str, Any] = {"tier": "simple", "failure": None, "signals": {}, "escalations": 0} | changes
    route, rules = facts.pop("route", ROUTED), facts.pop("policy", policy())
    return decide_gate(route, rules, confidence=confidence, **facts)


@pytest.mark.parametrize(
    ("confidence", "outcome", "reason"),
    [
        (0.85, GateOutcome.TRUSTED, Reason.CONFIDENCE_HIGH),
        (0.84, GateOutcome.VERIFIED, Reason.CONFIDENCE_MIDDLE),
        (0.70, GateOutcome.VERIFIED, Reason.CONFIDENCE_MIDDLE),
        (0.69, GateOutcome.ESCALATED, Reason.CONFIDENCE_LOW),
        (None, GateOutcome.SKIPPED, Reason.NO_SIGNAL),
    ],
)
def test_the_bands(confidence: float | None, outcome: GateOutcome, reason: Reason) -> None:
    decision = decide(confidence)
    assert (decision.outcome, decision.reason) == (outcome, reason)
    assert (decision.escalate_below, decision.trust_from) == (0.70, 0.85)


@pytest.mark.parametrize(
    ("signals", "outcome"),
    [
        ({ROUTER_PRIOR: 0.9, CONFIDENCE_LOW: 0.5}, GateOutcome.VERIFIED),
        ({BASE_RATE: 0.9, CONFIDENCE_LOW: 0.5}, GateOutcome.VERIFIED),
        ({ROUTER_PRIOR: 0.9, CONFIDENCE_LOW: 0.7}, GateOutcome.TRUSTED),
        ({CONFIDENCE_LOW: 0.5}, GateOutcome.TRUSTED),
    ],
)
def test_a_verifier_looks_at_what_shows_nothing_and_may_be_weak(
    signals: dict[str, float], outcome: GateOutcome
) -> None:
    judging = policy(verifier={"kind": "judge", "model_group": "tier-medium"})
    assert decide(0.9, signals=signals, policy=judging).outcome is outcome
    assert decide(0.9, signals=signals).outcome is GateOutcome.TRUSTED  # nobody to ask


def test_an_escalation_names_the_next_tier_and_the_defect() -> None:
    decision = decide(0.2, failure=Reason.TRUNCATED)
    assert (decision.reason, decision.escalate_to) == (Reason.TRUNCATED, "medium")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"tier": "frontier"}, Reason.STRONGEST_TIER),
        ({"escalations": 1}, Reason.MAX_ESCALATIONS),
        ({"stream_begun": True}, Reason.STREAM_BEGUN),
        ({"policy": policy(enabled=False)}, Reason.DISABLED),
    ],
)
def test_what_forbids_an_escalation(changes: dict[str, Any], reason: Reason) -> None:
    decision = decide(0.1, **changes)
    assert (decision.outcome, decision.reason, decision.escalate_to) == (GateOutcome.SKIPPED, reason, None)


def test_a_bypass_domain_skips_the_gate() -> None:
    decision = decide(0.1, route=FINANCE, tier="frontier")
    assert (decision.outcome, decision.reason) == (GateOutcome.BYPASSED, Reason.DOMAIN_BYPASS)


def test_a_domain_without_bypass_does_not() -> None:
    legal = RouteDecision(outcome=RouteOutcome.BYPASSED, reason=Reason.DOMAIN_OVERRIDE, tier="frontier", domain="legal")
    assert not bypasses_gate(legal, policy())
    assert not bypasses_gate(ROUTED, policy())


def judged(confidence: float | None, reason: Reason = Reason.CONFIDENCE_LOW) -> GateDecision:
    return GateDecision(outcome=GateOutcome.SKIPPED, reason=reason, confidence=confidence)


@pytest.mark.parametrize(
    ("weak", "strong", "better"),
    [
        (judged(0.3), judged(0.9), True),
        (judged(0.3), judged(0.3), True),
        (judged(0.6), judged(0.2), False),
        (judged(None), judged(0.2), True),
        (judged(0.3), judged(None, Reason.NO_SIGNAL), True),
        (judged(0.3), judged(None, Reason.EMPTY_ANSWER), False),
        (judged(0.6), dataclasses.replace(judged(0.4), signals={ROUTER_PRIOR: 0.4}), True),
        (judged(0.6), dataclasses.replace(judged(0.4), signals={BASE_RATE: 0.4}), True),
    ],
)
def test_the_better_answer_wins(weak: GateDecision, strong: GateDecision, *, better: bool) -> None:
    assert decide_better(weak, strong) is better


@given(
    confidences=st.lists(st.one_of(st.none(), st.floats(0, 1)), min_size=1, max_size=8),
    limit=st.integers(0, 5),
    begun=st.booleans(),
)
def test_escalations_never_exceed_the_limit(confidences: list[float | None], limit: int, *, begun: bool) -> None:
    rules, tier, escalations = policy(max_escalations=limit), "simple", 0
    for confidence in confidences:
        decision = decide(confidence, policy=rules, tier=tier, escalations=escalations, stream_begun=begun)
        if decision.outcome is not GateOutcome.ESCALATED:
            break
        assert decision.escalate_to is not None
        assert TIERS.index(decision.escalate_to) == TIERS.index(tier) + 1
        tier, escalations = decision.escalate_to, escalations + 1
    assert escalations <= limit
    assert not (begun and escalations)


@pytest.mark.parametrize(("strong", "better"), [(0.75, True), (0.70, True), (0.65, False)])
def test_a_rejected_answer_counts_as_the_lower_cut_at_most(strong: float, *, better: bool) -> None:
    weak = GateDecision(
        outcome=GateOutcome.ESCALATED, reason=Reason.VERIFIER_REJECTED, confidence=0.8, escalate_below=0.7
    )
    asked = GateDecision(outcome=GateOutcome.VERIFIED, reason=Reason.CONFIDENCE_MIDDLE, confidence=strong)
    assert decide_better(weak, asked) is better
