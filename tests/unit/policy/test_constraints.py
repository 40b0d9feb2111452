"""Hard constraints come before the score, floors raise it, and nothing else is changed."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiergate.decisions import Reason, RouteDecision, RouteOutcome
from tiergate.exchange import Need, Request
from tiergate.policy.constraints import ModelFacts, constrain, rule_out
from tiergate.settings import Policy

TIERS = ("simple", "medium", "frontier")
BLIND = ModelFacts(images=False, audio=False, tools=False, json_schema=False, max_input_tokens=1000)
ABLE = ModelFacts(images=True, audio=True, tools=True, json_schema=True, max_input_tokens=200_000)


def policy(**agents: Any) -> Policy:
    tiers = [{"name": name, "model_group": f"tier-{name}"} for name in TIERS]
    return Policy.model_validate({"tiers": tiers, "agents": agents})


def request(prompt: str = "What is in it?", **fields: Any) -> Request:
    base = {"call_id": "c", "endpoint": "chat_completions", "entry_model": "auto", "tenant": "t"}
    return Request(**base, prompt=prompt, **fields)


def routed(tier: str | None = "simple") -> RouteDecision:
    return RouteDecision(
        outcome=RouteOutcome.ROUTED,
        reason=Reason.SCORE_MEETS_QUALITY,
        tier=tier,
        score=0.97,
        scores={"simple": 0.97, "medium": 0.98, "frontier": 1.0},
    )


@pytest.mark.parametrize("need", [need for need in Need if need is not Need.CONTEXT])
def test_each_need_rules_out_who_lacks_it_and_leaves_who_is_unknown(need: Need) -> None:
    asked = request(needs=frozenset({need}))
    facts = {"simple": BLIND, "medium": None, "frontier": ModelFacts()}
    assert rule_out(asked, facts) == {"simple": need.value}


def test_a_prompt_longer_than_the_window_rules_out() -> None:
    assert rule_out(request(estimated_tokens=1001), {"simple": BLIND, "medium": ABLE}) == {"simple": "context"}
    assert rule_out(request(estimated_tokens=1000), {"simple": BLIND}) == {}


def test_the_cheapest_tier_above_that_fits_takes_over() -> None:
    asked = request(needs=frozenset({Need.IMAGES}))
    decided = constrain(routed(), asked, policy(), {"simple": BLIND, "medium": ABLE, "frontier": ABLE})
    assert (decided.tier, decided.reason, decided.score) == ("medium", Reason.TIER_RULED_OUT, 0.98)
    assert decided.ruled_out == {"simple": "images"}


def test_else_the_strongest_below_and_with_none_the_strongest_of_all() -> None:
    asked = request(needs=frozenset({Need.IMAGES}))
    below = constrain(routed("frontier"), asked, policy(), {"simple": ABLE, "medium": ABLE, "frontier": BLIND})
    assert (below.tier, below.reason) == ("medium", Reason.TIER_RULED_OUT)
    none = constrain(routed(), asked, policy(), dict.fromkeys(TIERS, BLIND))
    assert (none.tier, none.reason, len(none.ruled_out)) == ("frontier", Reason.NO_TIER_FITS, 3)


def test_what_was_ruled_out_below_the_choice_is_recorded_and_changes_nothing() -> None:
    asked = request(needs=frozenset({Need.TOOLS}))
    decided = constrain(routed("medium"), asked, policy(), {"simple": BLIND})
    assert (decided.tier, decided.reason) == ("medium", Reason.SCORE_MEETS_QUALITY)
    assert decided.ruled_out == {"simple": "tools"}


def test_a_request_that_goes_on_unchanged_stays_so() -> None:
    asked = request(needs=frozenset({Need.IMAGES}), stalled=True)
    assert constrain(routed(None), asked, policy(), dict.fromkeys(TIERS, BLIND)) == routed(None)


def test_a_stalled_tool_loop_goes_one_tier_up_and_no_further_than_the_strongest() -> None:
    stalled = request(stalled=True)
    up = constrain(routed(), stalled, policy(), {})
    assert (up.tier, up.reason) == ("medium", Reason.TOOL_STALL)
    assert constrain(routed("frontier"), stalled, policy(), {}) == routed("frontier")


def test_plan_mode_has_a_floor_only_where_policy_names_one() -> None:
    planning = request(plan_mode=True)
    assert constrain(routed(), planning, policy(), {}) == routed()
    floor = policy(plan_mode_min_tier="medium")
    assert constrain(routed(), planning, floor, {}).reason is Reason.PLAN_MODE_FLOOR
    assert constrain(routed("frontier"), planning, floor, {}) == routed("frontier")


def test_a_keyword_sets_a_floor_whatever_its_case() -> None:
    floors = policy(keyword_floors=[{"phrases": ["think hard"], "min_tier": "frontier"}])
    decided = constrain(routed(), request("Please THINK HARD about it."), floors, {})
    assert (decided.tier, decided.reason) == ("frontier", Reason.KEYWORD_FLOOR)
    assert constrain(routed(), request("Think."), floors, {}) == routed()


@given(
    chosen=st.sampled_from(TIERS),
    able=st.lists(st.booleans(), min_size=3, max_size=3),
    stalled=st.booleans(),
)
def test_a_tier_that_lacks_something_is_chosen_only_when_none_fits(
    chosen: str,
    able: list[bool],
    stalled: bool,  # noqa: FBT001 - drawn by hypothesis
) -> None:
    facts = {name: ABLE if can else BLIND for name, can in zip(TIERS, able, strict=True)}
    asked = request(needs=frozenset({Need.IMAGES}), stalled=stalled)
    decided = constrain(routed(chosen), asked, policy(), facts)
    assert decided.tier is not None
    if any(able):
        assert facts[decided.tier] is ABLE
    else:
        assert decided.tier == "frontier"
