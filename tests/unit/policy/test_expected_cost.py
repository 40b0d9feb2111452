"""Laws of the plans: the sum of their parts, least cost at a quality, and nothing that policy forbids."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiergate.decisions import PlanCost, Reason, RouteDecision, RouteOutcome
from tiergate.policy.expected_cost import (
    TierFacts,
    WarmCache,
    decide_plan,
    is_straight,
    keeps_doubtful,
    predict_below,
    strategy_of,
)
from tiergate.settings import Policy

TIERS = ("simple", "medium", "frontier")
SHARES = st.floats(0, 1)
COSTS = st.floats(0.0, 1.0)


def policy_of(**sections: Any) -> Policy:
    tiers = [{"name": name, "model_group": f"tier-{name}"} for name in TIERS]
    return Policy.model_validate({"tiers": tiers, "strategy": "auto", **sections})


def facts_of(*tiers: tuple[float, float], **fields: Any) -> dict[str, TierFacts]:
    """Return facts by (score, cost of a call), cheapest tier first."""
    return {
        name: TierFacts(score=score, bound=score, call_usd=usd, **fields)
        for name, (score, usd) in zip(TIERS, tiers, strict=True)
    }


def routed(tier: str = "medium", reason: Reason = Reason.SCORE_MEETS_QUALITY, **fields: Any) -> RouteDecision:
    return RouteDecision(outcome=RouteOutcome.ROUTED, reason=reason, tier=tier, **fields)


@st.composite
def worlds(draw: st.DrawFn) -> tuple[Policy, RouteDecision, dict[str, TierFacts], dict[str, Any]]:
    low, high = sorted((draw(SHARES), draw(SHARES)))
    policy = policy_of(
        intent_router={"min_quality": draw(SHARES)},
        confidence_gate={"escalate_below": low, "trust_from": high, "max_escalations": draw(st.integers(0, 2))},
        latency={"usd_per_s": draw(COSTS)},
    )
    facts = {
        name: TierFacts(
            score=(score := draw(SHARES)),
            bound=score * draw(SHARES),
            call_usd=draw(COSTS),
            verifier_usd=draw(COSTS),
            seconds=draw(st.none() | st.floats(0, 10)),
            fits=draw(st.booleans()),
            cascade_fits=draw(st.booleans()),
        )
        for name in draw(st.sets(st.sampled_from(TIERS), min_size=1))
    }
    ruled_out = dict.fromkeys(draw(st.sets(st.sampled_from(TIERS))), "tools")
    route = routed(draw(st.sampled_from(TIERS)), ruled_out=ruled_out)
    options = {
        "cascades": draw(st.booleans()),
        "floor": draw(st.none() | st.sampled_from(TIERS)),
        "warm": draw(st.none() | st.builds(WarmCache, tier=st.sampled_from(TIERS), lost_usd=COSTS)),
    }
    return policy, route, facts, options


@given(world=worlds())
def test_the_cheapest_plan_that_is_good_enough_is_taken(world: Any) -> None:
    policy, route, facts, options = world
    found = decide_plan(route, policy, facts, **options)
    for plan in found.plans:
        parts = (plan.calls_usd, plan.verifier_usd, plan.latency_usd, plan.switching_usd)
        assert plan.expected_usd == pytest.approx(sum(parts))
        assert min(parts) >= 0
        assert 0 <= plan.quality <= 1 + 1e-9
        assert 0 <= plan.escalation_probability <= 1 + 1e-9
        assert not set(plan.tiers) & set(route.ruled_out)
        assert len(plan.tiers) <= 1 + policy.confidence_gate.max_escalations
        assert len(plan.tiers) == 1 or options["cascades"]
        assert TIERS.index(plan.tiers[0]) >= TIERS.index(options["floor"] or TIERS[0])
    if not found.plan:
        assert (found.tier, found.reason) == (route.tier, route.reason)
        return
    least = min(policy.intent_router.min_quality, facts[route.tier].bound)
    chosen = next(plan for plan in found.plans if plan.tiers == found.plan)
    assert found.tier == chosen.tiers[0]
    assert chosen.quality >= least
    rivals = [plan for plan in found.plans if plan.quality >= least and within_budget(plan, facts)]
    assert all(chosen.expected_usd <= plan.expected_usd for plan in rivals)
    assert not rivals or within_budget(chosen, facts)


def within_budget(plan: PlanCost, facts: dict[str, TierFacts]) -> bool:
    first = facts[plan.tiers[0]]
    return first.fits if len(plan.tiers) == 1 else first.cascade_fits


@given(score=SHARES, low=SHARES, high=SHARES)
def test_a_higher_cut_and_a_lower_score_escalate_more(score: float, low: float, high: float) -> None:
    low, high = sorted((low, high))
    good, bad = predict_below(score, low)
    assert 0 <= good <= score + 1e-6
    assert 0 <= bad <= 1 - score + 1e-6
    assert good + bad <= sum(predict_below(score, high)) + 1e-6
    assert sum(predict_below(high, score)) <= sum(predict_below(low, score)) + 1e-6
    assert (predict_below(score, 0.0), predict_below(score, 1.0)) == ((0.0, 0.0), (score, 1.0 - score))


@given(score=st.floats(0.05, 0.95))
def test_the_predicted_confidence_averages_to_the_score(score: float) -> None:
    cuts = np.linspace(0, 1, 2001)
    shares = np.array([sum(predict_below(score, cut)) for cut in cuts.tolist()])
    mean = float((np.diff(shares) * (cuts[1:] + cuts[:-1]) / 2).sum())
    assert mean == pytest.approx(score, abs=0.002)
    good, bad = predict_below(score, 0.7)
    assert good <= 0.7 * (good + bad) + 1e-9


@given(world=worlds(), worth=st.tuples(COSTS, COSTS))
def test_dearer_time_never_takes_a_slower_plan(world: Any, worth: tuple[float, float]) -> None:
    policy, route, facts, options = world
    times = []
    for usd in sorted(worth):
        changed = policy.model_copy(update={"latency": policy.latency.model_copy(update={"usd_per_s": usd})})
        found = decide_plan(route, changed, facts, **options)
        times += [plan.latency_s or 0.0 for plan in found.plans if plan.tiers == found.plan]
    assert all(later <= sooner + 1e-6 or abs(worth[0] - worth[1]) < 1e-6 for sooner, later in pairwise(times))


def test_the_arithmetic_of_a_cascade() -> None:
    policy = policy_of(intent_router={"min_quality": 0.7}, confidence_gate={"escalate_below": 0.6, "trust_from": 0.8})
    facts = facts_of((0.7, 1.0), (0.9, 5.0), (0.95, 20.0), verifier_usd=0.1, seconds=2.0)
    found = decide_plan(routed("medium"), policy, facts, cascades=True)
    plan = next(one for one in found.plans if one.tiers == ("simple", "medium"))
    below = sum(predict_below(0.7, 0.6))
    middle = sum(predict_below(0.7, 0.8)) - below
    assert plan.escalation_probability == pytest.approx(below)
    assert plan.calls_usd == pytest.approx(1.0 + below * 5.0)
    assert plan.verifier_usd == pytest.approx(0.1 * middle)
    assert plan.latency_s == pytest.approx(2.0 + below * 2.0)
    assert plan.quality == pytest.approx(0.7 - predict_below(0.7, 0.6)[0] + below * 0.9)
    assert (found.tier, found.plan, found.reason) == ("simple", ("simple", "medium"), Reason.LOWEST_EXPECTED_COST)


def test_a_cheap_tier_that_costs_nearly_as_much_is_skipped() -> None:
    policy = policy_of(intent_router={"min_quality": 0.8})
    near, far = facts_of((0.4, 4.0), (0.9, 5.0), (0.95, 9.0)), facts_of((0.4, 0.1), (0.9, 5.0), (0.95, 9.0))
    assert decide_plan(routed("medium"), policy, near, cascades=True).plan == ("medium",)
    assert decide_plan(routed("medium"), policy, far, cascades=True).plan == ("simple", "medium")


def test_a_warm_cache_holds_a_session_where_it_is() -> None:
    policy = policy_of(intent_router={"min_quality": 0.5})
    facts = facts_of((0.6, 4.0), (0.9, 5.0), (0.95, 9.0))
    warm = WarmCache(tier="medium", lost_usd=2.0)
    assert decide_plan(routed("simple"), policy, facts, cascades=False).plan == ("simple",)
    found = decide_plan(routed("simple"), policy, facts, cascades=False, warm=warm)
    assert found.plan == ("medium",)
    assert {plan.tiers[0]: plan.switching_usd for plan in found.plans} == {
        "simple": 2.0,
        "medium": 0.0,
        "frontier": 2.0,
    }


@pytest.mark.parametrize(
    "route",
    [
        RouteDecision(outcome=RouteOutcome.BYPASSED, reason=Reason.DOMAIN_OVERRIDE, tier="frontier"),
        routed(reason=Reason.START_TIER_CONTROL),
        routed(reason=Reason.EXPLORATION),
        RouteDecision(outcome=RouteOutcome.SKIPPED, reason=Reason.DISABLED),
    ],
)
def test_only_the_routers_own_choice_is_open(route: RouteDecision) -> None:
    facts = facts_of((0.9, 0.0), (0.9, 5.0), (0.9, 9.0))
    assert decide_plan(route, policy_of(), facts, cascades=True) is route


def test_without_auto_nothing_is_planned() -> None:
    facts = facts_of((0.9, 0.0), (0.9, 5.0), (0.9, 9.0))
    route = routed("frontier")
    assert decide_plan(route, policy_of(strategy="cascade"), facts, cascades=True) is route


@pytest.mark.parametrize(
    ("strategy", "plan", "straight"),
    [
        ("route", (), True),
        ("cascade", (), False),
        ("auto", (), False),
        ("auto", ("medium",), True),
        ("auto", ("simple",), False),
        ("auto", ("medium", "frontier"), False),
    ],
)
def test_what_asks_one_tier_only(strategy: str, plan: tuple[str, ...], straight: bool) -> None:  # noqa: FBT001 - a parameter
    assert is_straight(routed("medium", plan=plan), policy_of(strategy=strategy)) is straight


@given(score=st.floats(0.05, 0.95), cut=st.floats(0.05, 0.95), pair=st.tuples(SHARES, SHARES))
def test_a_gate_that_sees_better_stays_calibrated(score: float, cut: float, pair: tuple[float, float]) -> None:
    for auroc in pair:
        good, bad = predict_below(score, cut, auroc)
        assert 0 <= good <= score
        assert 0 <= bad <= 1 - score
        assert good <= cut * (good + bad) + 1e-9


def test_a_blind_gate_sees_the_score_and_a_perfect_one_the_answer() -> None:
    assert sum(predict_below(0.8, 0.7, 0.3)) == pytest.approx(0.0, abs=1e-6)
    assert predict_below(0.6, 0.7, 0.2) == pytest.approx((0.6, 0.4))
    good, bad = predict_below(0.8, 0.7, 1.0)
    assert good == pytest.approx(0.0, abs=0.02)
    assert bad == pytest.approx(0.2, abs=0.02)


def test_a_domains_strategy_comes_before_policys() -> None:
    policy = policy_of(strategy="cascade", domains={"code": {"strategy": "route"}, "chat": {}})
    assert strategy_of(routed(), policy) == "cascade"
    assert strategy_of(routed(strategy_domain="chat"), policy) == "cascade"
    assert strategy_of(routed(strategy_domain="code"), policy) == "route"
    assert is_straight(routed(strategy_domain="code"), policy)
    assert keeps_doubtful(routed(strategy_domain="code"), policy, Reason.CONFIDENCE_LOW)
    assert not keeps_doubtful(routed(strategy_domain="code"), policy, Reason.REFUSAL)
    assert not keeps_doubtful(routed(), policy, Reason.CONFIDENCE_LOW)


def test_only_where_a_domain_says_auto_is_anything_planned() -> None:
    policy = policy_of(strategy="cascade", domains={"code": {"strategy": "auto"}}, intent_router={"min_quality": 0.85})
    facts = facts_of((0.75, 0.001), (0.95, 0.01), (0.99, 0.1))
    assert decide_plan(routed(), policy, facts, cascades=True).plans == ()
    assert decide_plan(routed(strategy_domain="code"), policy, facts, cascades=True).plan == ("simple", "medium")


def test_a_hopeless_answer_has_no_quality_at_all() -> None:
    assert sum(predict_below(0.0, 0.7)) == pytest.approx(1.0, abs=1e-5)
    assert predict_below(0.0, 0.7)[0] == 0.0
    assert predict_below(1.0, 0.7)[1] == 0.0
