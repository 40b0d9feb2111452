"""Rows of the log under another policy: what the row itself tells, and what it does not."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tiergate.adapters.decision_columns import NONE, read_columns
from tiergate.decisions import GateOutcome, Reason
from tiergate.domain_settings import Domain
from tiergate.policy.confidence_gate import decide_gate
from tiergate.policy.intent_router import decide_route
from tiergate.ports import Classification
from tiergate.settings import Policy
from tiergate_classifier.replay_log import NO_CUTS, ReplayError, replay_columns

TIERS = ("simple", "medium", "frontier")


def policy_of(min_quality: float = 0.8, escalate_below: float = 0.7, tiers: tuple[str, ...] = TIERS) -> Policy:
    return Policy.model_validate(
        {
            "tiers": [{"name": name, "model_group": f"tier-{name}"} for name in tiers],
            "intent_router": {"min_quality": min_quality},
            "confidence_gate": {"escalate_below": escalate_below},
        }
    )


def call(tier: str, cost: float, ms: float, status: str = "ok") -> dict[str, Any]:
    return {"tier": tier, "cost_usd": cost, "ms": ms, "status": status, "prompt_tokens": 80, "completion_tokens": 20}


def row(
    tier: str = "simple", *, confidence: float | None = 0.9, calls: list[dict[str, Any]] | None = None, **changes: Any
) -> dict[str, Any]:
    made = calls or [call(tier, 1.0, 100.0)]
    plain = {
        "route": {
            "tier": tier,
            "reason": "score_meets_quality",
            "scores": dict.fromkeys(TIERS, 0.9),
            "lower_bounds": {"simple": 0.85, "medium": 0.95, "frontier": 1.0},
            "domains": {"general": 0.9},
            "propensity": 1.0,
        },
        "gate": {"outcome": "trusted", "reason": "confidence_high", "confidence": confidence},
        "calls": made,
        "cost_usd": sum(item["cost_usd"] for item in made),
        "latency_ms": 10.0 + sum(item["ms"] for item in made),
        "feedback": {"score": 0.8},
    }
    return {**plain, **changes}


def replayed(rows: list[dict[str, Any]], policy: Policy) -> Any:
    return replay_columns(read_columns(rows), policy)


def test_the_same_policy_gives_the_log_back() -> None:
    found = replayed([row()], policy_of())
    assert found.matched.all()
    assert {name: column[0] for name, column in found.outcomes.items()} == {
        "cost_usd": 1.0,
        "quality": 0.8,
        "escalated": 0.0,
        "latency_ms": 110.0,
    }


def test_a_higher_quality_bound_moves_the_row_to_another_tier() -> None:
    found = replayed([row()], policy_of(min_quality=0.9))
    assert [found.names[place] for place in (*found.tiers, *found.logged_tiers)] == ["medium", "simple"]
    assert not found.matched.any()


ESCALATED = row(
    confidence=0.6,
    calls=[call("simple", 1.0, 100.0), call("medium", 5.0, 200.0)],
    gate={"outcome": "escalated", "reason": "confidence_low", "confidence": 0.6},
)


def test_a_lower_cut_leaves_the_escalation_out_and_the_quality_open() -> None:
    outcome = replayed([ESCALATED], policy_of(escalate_below=0.5)).outcomes
    assert (outcome["cost_usd"][0], outcome["latency_ms"][0], outcome["escalated"][0]) == (1.0, 110.0, 0.0)
    assert np.isnan(outcome["quality"][0])


def test_a_higher_cut_adds_the_stronger_tier_s_price_by_its_tokens() -> None:
    strong = row("medium", calls=[call("medium", 5.0, 200.0)], route=row()["route"] | {"tier": "medium"})
    found = replayed([row(confidence=0.75), strong], policy_of(escalate_below=0.8))
    assert found.extended.tolist() == [True, False]
    assert found.outcomes["cost_usd"][0] == pytest.approx(6.0)
    assert found.outcomes["latency_ms"][0] == pytest.approx(110.0 + 210.0)


def test_cache_hits_and_failures_stay_as_they_are() -> None:
    hit = row(route=row()["route"] | {"tier": None, "lower_bounds": {}}, calls=[])
    assert replayed([hit], policy_of(min_quality=0.99)).fixed.all()


def test_a_tier_that_the_client_chose_stays() -> None:
    chosen = row("frontier", route=row()["route"] | {"tier": "frontier", "reason": "start_tier_control"})
    found = replayed([chosen], policy_of())
    assert [found.names[place] for place in found.tiers] == ["frontier"]


def test_a_tier_without_scores_is_refused() -> None:
    with pytest.raises(ReplayError, match="huge"):
        replayed([row()], policy_of(tiers=("simple", "huge")))


def test_a_tier_that_the_log_never_called_has_no_price() -> None:
    found = replayed([row(confidence=0.75)], policy_of(escalate_below=0.8))
    assert np.isnan(found.outcomes["cost_usd"][0])


SHARES = st.sampled_from([0.0, 0.3, 0.5, 0.69, 0.7, 0.75, 0.8, 0.85, 0.95, 1.0])
DEFECTS = st.sampled_from(["confidence_high", "refusal", "truncated", "empty_answer", "invalid_json"])


@st.composite
def logged_rows(draw: st.DrawFn) -> dict[str, Any]:
    tier = draw(st.sampled_from(TIERS))
    bounds = sorted([draw(SHARES), draw(SHARES)])
    domains = {
        name: draw(SHARES) for name in draw(st.lists(st.sampled_from(["finance", "legal", "code"]), unique=True))
    }
    reason = draw(st.sampled_from(["score_meets_quality", "start_tier_control"]))
    route = row()["route"] | {
        "tier": tier, "reason": reason, "domains": domains,
        "lower_bounds": {"simple": bounds[0], "medium": bounds[1], "frontier": 1.0},
    }  # fmt: skip
    confidence = draw(st.none() | SHARES)
    gate = {"outcome": "trusted", "reason": draw(DEFECTS), "confidence": confidence}
    return row(tier, route=route, gate=gate)


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(logged_rows(), min_size=1, max_size=25),
    min_quality=SHARES,
    cuts=st.dictionaries(st.sampled_from(TIERS[:2]), st.none() | SHARES),
    domain_cut=SHARES,
    bypass=st.booleans(),
    of_traffic=st.booleans(),
)
def test_many_rows_at_once_are_decided_as_each_row_alone_is(
    rows: list[dict[str, Any]],
    min_quality: float,
    cuts: dict[str, float | None],
    domain_cut: float,
    *,
    bypass: bool,
    of_traffic: bool,
) -> None:
    plain = policy_of(min_quality).model_dump()
    gate = "bypass" if bypass else "normal"
    overrides = {"legal": {"start_tier": "frontier", "gate": gate}, "finance": {"start_tier": "medium"}, "code": {}}
    router = {"min_quality": min_quality, "min_quality_of": "traffic" if of_traffic else "request"}
    policy = Policy.model_validate({**plain, "domains": overrides, "intent_router": router})
    qualities = dict.fromkeys(cuts, 0.75)
    found = replay_columns(
        read_columns(rows),
        policy,
        Classification(
            scores={},
            lower_bounds={},
            domains={},
            domain_cuts={"legal": domain_cut},
            tier_cuts=cuts,
            cut_qualities=qualities,
        ),
    )
    for place, item in enumerate(rows):
        route = item["route"]
        classification = Classification(
            scores=route["lower_bounds"], lower_bounds=route["lower_bounds"], domains=route["domains"],
            domain_cuts={"legal": domain_cut}, tier_cuts=cuts, cut_qualities=qualities,
        )  # fmt: skip
        controls = {"start_tier": route["tier"]} if route["reason"] == "start_tier_control" else {}
        decision = decide_route(classification, policy, controls=controls, kind="", digest="")
        assert found.names[found.tiers[place]] == decision.tier
        reason = item["gate"]["reason"]
        judged = decide_gate(
            decision, policy, tier=str(decision.tier), confidence=item["gate"]["confidence"],
            failure=None if reason == "confidence_high" else Reason(reason), signals={}, escalations=0,
        )  # fmt: skip
        assert found.outcomes["escalated"][place] == float(judged.outcome is GateOutcome.ESCALATED)
    assert NO_CUTS.tier_cuts == {}
    assert (found.tiers != NONE).all()


AUTO = {"strategy": "auto"}
BOUNDED = {"simple": 0.75, "medium": 0.95, "frontier": 0.99}


def priced(tier: str, usd: float, **changes: Any) -> dict[str, Any]:
    route = row()["route"] | {"tier": tier, "lower_bounds": BOUNDED}
    return row(tier, calls=[call(tier, usd, 100.0)], route=route | changes)


LADDER = [priced("simple", 1.0), priced("medium", 10.0), priced("frontier", 100.0)]


def test_each_row_is_planned_by_its_own_scores() -> None:
    policy = policy_of(min_quality=0.85)
    strict = priced("medium", 10.0, lower_bounds=BOUNDED | {"simple": 0.1})
    routed = replayed([*LADDER, strict], policy)
    planned = replayed([*LADDER, strict], policy.model_copy(update=AUTO))
    assert [routed.names[place] for place in routed.tiers] == ["medium"] * 4
    assert [planned.names[place] for place in planned.tiers] == ["simple", "simple", "simple", "medium"]


def test_a_straight_plan_leaves_the_escalation_out() -> None:
    assert replayed([ESCALATED], policy_of()).outcomes["escalated"].tolist() == [1.0]
    straight = policy_of().model_copy(update={"strategy": "route"})
    assert replayed([ESCALATED], straight).outcomes["escalated"].tolist() == [0.0]
    refused = ESCALATED | {"gate": {"outcome": "escalated", "reason": "refusal", "confidence": 0.1}}
    assert replayed([refused], straight).outcomes["escalated"].tolist() == [1.0]


def test_the_strategy_of_a_domain_counts_for_its_rows_alone() -> None:
    policy = policy_of().model_copy(update={"domains": {"code": Domain(strategy="route")}})
    code = ESCALATED | {"route": ESCALATED["route"] | {"domains": {"code": 0.9, "general": 0.1}}}
    assert replayed([ESCALATED, code], policy).outcomes["escalated"].tolist() == [1.0, 0.0]
