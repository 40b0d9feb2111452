"""When a stronger call begins early, and why it does not."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiergate.decisions import HedgeDecision, HedgeOutcome, Reason, RouteDecision, RouteOutcome
from tiergate.policy.hedge import HedgeFacts, decide_hedge, predict_escalation
from tiergate.policy.latency import BUCKETS, TierLatency, find_bucket, predict, predict_cascade
from tiergate.settings import Policy

TIERS = [{"name": name, "model_group": f"tier-{name}"} for name in ("simple", "medium", "frontier")]


def policy_of(hedge: dict[str, Any] | None, **sections: Any) -> Policy:
    domains = {"finance": {"start_tier": "simple", "gate": "bypass"}}
    return Policy.model_validate({"tiers": TIERS, "domains": domains, "latency": {"hedge": hedge}, **sections})


def latency_of(ms: float, samples: int = 50, escalation_ratio: float = 0.2) -> TierLatency:
    counts = np.zeros(BUCKETS)
    counts[find_bucket(ms)] = samples
    return TierLatency(counts=counts, samples=samples, escalation_ratio=escalation_ratio)


def route_of(tier: str | None = "simple", **fields: Any) -> RouteDecision:
    reason = Reason.SCORE_MEETS_QUALITY if tier is not None else Reason.CACHE_HIT
    return RouteDecision(**{"outcome": RouteOutcome.ROUTED, "reason": reason, "tier": tier, **fields})


BOTH = {"after_quantile": 0.95, "min_escalation_probability": 0.5}
CHEAP, STRONG = latency_of(300), latency_of(400)


def decide(
    hedge: dict[str, Any] | None,
    *,
    route: RouteDecision | None = None,
    stream: bool = False,
    sections: dict[str, Any] | None = None,
    **facts: Any,
) -> HedgeDecision | None:
    known = {"cheap": CHEAP, "strong": STRONG, "escalation_probability": 0.9, **facts}
    policy = policy_of(hedge, **(sections or {}))
    return decide_hedge(route or route_of(), policy, HedgeFacts(**known), stream=stream)


def test_without_the_setting_there_is_no_decision() -> None:
    assert decide(None) is None


def test_a_slow_call_is_hedged_after_its_quantile() -> None:
    found = decide(BOTH, escalation_probability=None)
    assert found is not None
    assert (found.outcome, found.reason, found.tier) == (HedgeOutcome.PLANNED, Reason.SLOW_CALL, "medium")
    assert found.after_ms == predict(CHEAP, 0.95)


def test_a_likely_escalation_is_hedged_at_the_last_moment_that_meets_the_budget() -> None:
    found = decide({}, budget_ms=500)
    assert found is not None
    assert (found.outcome, found.reason) == (HedgeOutcome.PLANNED, Reason.ESCALATION_LIKELY)
    assert found.after_ms == pytest.approx(500 - (predict(STRONG) or 0))
    assert found.escalation_probability == 0.9


def test_the_first_of_the_two_starts_counts() -> None:
    early, late = decide(BOTH, budget_ms=500), decide(BOTH, budget_ms=900)
    assert early is not None
    assert late is not None
    assert (early.reason, late.reason) == (Reason.ESCALATION_LIKELY, Reason.SLOW_CALL)


@pytest.mark.parametrize(
    ("hedge", "facts", "reason"),
    [
        (BOTH, {"budget_ms": 300}, Reason.LATENCY_BUDGET),
        (BOTH | {"min_escalation_probability": None}, {"budget_ms": 500}, Reason.LATENCY_BUDGET),
        (BOTH, {"cheap": None}, Reason.NOT_PREDICTED),
        (BOTH, {"cheap": latency_of(300, samples=5)}, Reason.NOT_PREDICTED),
        ({}, {"budget_ms": 500, "strong": None}, Reason.NOT_PREDICTED),
        ({}, {"budget_ms": 500, "escalation_probability": 0.49}, Reason.ESCALATION_UNLIKELY),
        ({}, {"budget_ms": 500, "escalation_probability": None}, Reason.ESCALATION_UNLIKELY),
        ({}, {}, Reason.NO_LATENCY_BUDGET),
    ],
)
def test_what_has_no_start_says_why(hedge: dict[str, Any], facts: dict[str, Any], reason: Reason) -> None:
    found = decide(hedge, **facts)
    assert found is not None
    assert (found.outcome, found.reason, found.after_ms) == (HedgeOutcome.SKIPPED, reason, None)


BYPASS = route_of(outcome=RouteOutcome.BYPASSED, reason=Reason.DOMAIN_OVERRIDE, domain="finance")


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"sections": {"mode": "shadow"}}, Reason.SHADOW_MODE),
        ({"route": route_of(None)}, Reason.CACHE_HIT),
        ({"stream": True}, Reason.STREAMED),
        ({"sections": {"confidence_gate": {"enabled": False}}}, Reason.DISABLED),
        ({"route": BYPASS}, Reason.DOMAIN_BYPASS),
        ({"route": route_of("frontier")}, Reason.STRONGEST_TIER),
        ({"sections": {"confidence_gate": {"max_escalations": 0}}}, Reason.MAX_ESCALATIONS),
        ({"sections": {"strategy": "route"}}, Reason.STRAIGHT_PLAN),
        ({"route": route_of(ruled_out={"medium": "images"})}, Reason.TIER_RULED_OUT),
    ],
)
def test_what_could_not_be_escalated_is_never_hedged(fields: dict[str, Any], reason: Reason) -> None:
    found = decide(BOTH, budget_ms=500, **fields)
    assert found is not None
    assert (found.outcome, found.reason, found.tier) == (HedgeOutcome.SKIPPED, reason, None)


def test_an_escalation_is_foretold_by_the_routers_score_or_else_by_the_tiers_own_share() -> None:
    policy = policy_of({})
    weak = predict_escalation(route_of(scores={"simple": 0.4}), policy, CHEAP, None)
    good = predict_escalation(route_of(scores={"simple": 0.97}), policy, CHEAP, None)
    assert weak is not None
    assert good is not None
    assert weak > 0.8
    assert good < 0.2
    assert predict_escalation(route_of(), policy, CHEAP, None) == 0.2
    assert predict_escalation(route_of(), policy, None, None) is None
    assert predict_escalation(route_of(None), policy, CHEAP, None) is None


@given(
    cheap_ms=st.floats(10, 1e4),
    strong_ms=st.floats(10, 1e4),
    budget_ms=st.floats(0, 2e4) | st.none(),
    probability=st.floats(0, 1) | st.none(),
    share=st.floats(0, 1),
)
def test_a_planned_hedge_meets_the_budget_and_never_makes_a_cascade_slower(
    cheap_ms: float, strong_ms: float, budget_ms: float | None, probability: float | None, share: float
) -> None:
    cheap, strong = latency_of(cheap_ms, escalation_ratio=share), latency_of(strong_ms)
    found = decide(BOTH, cheap=cheap, strong=strong, budget_ms=budget_ms, escalation_probability=probability)
    assert found is not None
    if found.after_ms is None:
        assert found.outcome is HedgeOutcome.SKIPPED
        return
    assert found.outcome is HedgeOutcome.PLANNED
    assert found.after_ms >= 0
    if budget_ms is not None:
        assert found.after_ms + (predict(strong) or 0) <= budget_ms * (1 + 1e-9)
    hedged, waited = predict_cascade(cheap, strong, hedge_ms=found.after_ms), predict_cascade(cheap, strong)
    assert hedged is not None
    assert waited is not None
    assert (predict(cheap) or 0) <= hedged <= waited
