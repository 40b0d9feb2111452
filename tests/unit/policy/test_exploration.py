from dataclasses import replace

import pytest

from tiergate.decisions import Reason, RouteDecision, RouteOutcome
from tiergate.policy.exploration import decide_exploration
from tiergate.settings import Policy
from tiergate.settings_experiments import MAX_EXPLORATION

SCORES = {"simple": 0.99, "medium": 0.995, "frontier": 1.0}
ROUTE = RouteDecision(
    outcome=RouteOutcome.ROUTED, reason=Reason.SCORE_MEETS_QUALITY, tier="simple", score=0.99, scores=SCORES
)


def policy_of(share: float) -> Policy:
    tiers = [{"name": name, "model_group": f"tier-{name}"} for name in SCORES]
    return Policy.model_validate({"tiers": tiers, "exploration": {"share": share}})


def test_without_a_share_nothing_changes_and_the_odds_are_one() -> None:
    assert decide_exploration(ROUTE, policy_of(0.0), "d") == replace(ROUTE, propensity=1.0)


@pytest.mark.parametrize("reason", [Reason.DOMAIN_OVERRIDE, Reason.DOMAIN_UNKNOWN])
def test_a_domain_override_is_never_explored(reason: Reason) -> None:
    bypassed = replace(ROUTE, outcome=RouteOutcome.BYPASSED, reason=reason, tier="frontier")
    for number in range(200):
        assert decide_exploration(bypassed, policy_of(0.2), str(number)) == replace(bypassed, propensity=1.0)


def test_a_tier_that_the_client_asked_for_is_never_explored() -> None:
    asked = replace(ROUTE, reason=Reason.START_TIER_CONTROL)
    assert {decide_exploration(asked, policy_of(0.2), str(n)).tier for n in range(200)} == {"simple"}


def test_a_request_without_a_tier_stays_as_it_is() -> None:
    skipped = RouteDecision(outcome=RouteOutcome.SKIPPED, reason=Reason.DISABLED)
    assert decide_exploration(skipped, policy_of(0.2), "d") is skipped


def test_the_logged_odds_are_those_of_the_draw() -> None:
    drawn = [decide_exploration(ROUTE, policy_of(0.2), f"d-{n}") for n in range(6000)]
    for tier in SCORES:
        of_tier = [route for route in drawn if route.tier == tier]
        propensity = of_tier[0].propensity
        assert all(route.propensity == propensity for route in of_tier)
        assert len(of_tier) / len(drawn) == pytest.approx(propensity, abs=0.012)
    explored = [route for route in drawn if route.tier != "simple"]
    assert {route.reason for route in explored} == {Reason.EXPLORATION}
    assert all(route.score == SCORES[str(route.tier)] for route in explored)


def test_the_same_decision_is_explored_the_same_way() -> None:
    assert decide_exploration(ROUTE, policy_of(0.2), "x") == decide_exploration(ROUTE, policy_of(0.2), "x")


def test_the_share_is_capped() -> None:
    with pytest.raises(ValueError, match="less than or equal"):
        policy_of(MAX_EXPLORATION + 0.01)
