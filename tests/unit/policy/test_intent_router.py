"""Which tier a classified request gets."""

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiergate.decisions import Reason, RouteOutcome
from tiergate.policy.intent_router import (
    decide_domain_override,
    decide_route,
    decide_unclassified,
    find_least_bound,
)
from tiergate.ports import Classification
from tiergate.settings import Policy

TIERS = ("simple", "medium", "frontier")


def policy(**changes: Any) -> Policy:
    tiers = [{"name": name, "model_group": f"tier-{name}"} for name in TIERS]
    domains = {"finance": {"start_tier": "frontier", "gate": "bypass"}, "support": {}}
    return Policy.model_validate({"tiers": tiers, "domains": domains, **changes})


def classified(simple: float, medium: float, frontier: float, **domains: float) -> Classification:
    scores = dict(zip(TIERS, (simple, medium, frontier), strict=True))
    return Classification(scores=scores, lower_bounds=scores, domains=domains)


def route(classification: Classification, **controls: object) -> tuple[RouteOutcome, Reason, str | None]:
    decision = decide_route(classification, policy(), controls=controls, kind="embedded", digest="d")
    return decision.outcome, decision.reason, decision.tier


def test_the_cheapest_tier_that_is_good_enough_wins() -> None:
    assert route(classified(0.96, 0.98, 1.0)) == (RouteOutcome.ROUTED, Reason.SCORE_MEETS_QUALITY, "simple")
    assert route(classified(0.94, 0.95, 1.0)) == (RouteOutcome.ROUTED, Reason.SCORE_MEETS_QUALITY, "medium")


def test_without_one_the_strongest_is_asked() -> None:
    assert route(classified(0.1, 0.2, 0.3)) == (RouteOutcome.ROUTED, Reason.NO_TIER_MEETS_QUALITY, "frontier")


def test_a_domain_overrides_every_score() -> None:
    found = route(classified(0.99, 0.99, 1.0, finance=0.6, support=0.4))
    assert found == (RouteOutcome.BYPASSED, Reason.DOMAIN_OVERRIDE, "frontier")


def test_a_domain_overrides_the_clients_start_tier() -> None:
    assert route(classified(0.99, 0.99, 1.0, finance=0.6), start_tier="simple")[2] == "frontier"


def test_an_overriding_domain_counts_though_another_is_more_probable() -> None:
    assert decide_domain_override(classified(0, 0, 0, finance=0.5, support=0.9), policy()) == "finance"


def test_a_domain_below_the_cut_or_without_start_tier_overrides_nothing() -> None:
    assert decide_domain_override(classified(0, 0, 0, finance=0.49, support=1.0), policy()) is None
    assert decide_domain_override(classified(0, 0, 0), policy()) is None


@pytest.mark.parametrize(("own", "domain"), [({}, "finance"), ({"min_domain_score": 0.3}, None)])
def test_the_artifacts_cut_counts_unless_policy_sets_one(own: dict[str, float], domain: str | None) -> None:
    classification = dataclasses.replace(classified(0, 0, 0, finance=0.2), domain_cuts={"finance": 0.1})
    assert decide_domain_override(classification, policy(intent_router=own)) == domain


def test_the_clients_start_tier_is_taken() -> None:
    assert route(classified(0.99, 0.99, 1.0), start_tier="medium")[1:] == (Reason.START_TIER_CONTROL, "medium")


def test_the_decision_carries_scores_domain_and_artifact() -> None:
    decision = decide_route(classified(0.96, 1.0, 1.0, support=0.7), policy(), controls={}, kind="embedded", digest="d")
    assert (decision.score, decision.domain, decision.domain_score) == (0.96, "support", 0.7)
    assert (decision.classifier, decision.artifact_digest) == ("embedded", "d")


def test_an_unclassified_request_goes_to_the_strongest_override() -> None:
    decision = decide_unclassified(policy(), Reason.STAGE_FAILED)
    assert (decision.outcome, decision.reason, decision.tier) == (
        RouteOutcome.BYPASSED,
        Reason.DOMAIN_UNKNOWN,
        "frontier",
    )


def test_an_unclassified_request_goes_on_unchanged_without_overrides() -> None:
    decision = decide_unclassified(policy(domains={}), Reason.QUEUE_FULL)
    assert (decision.outcome, decision.reason, decision.tier) == (RouteOutcome.SKIPPED, Reason.QUEUE_FULL, None)


@pytest.mark.parametrize("finance", [0.5, 0.8, 1.0])
@given(scores=st.lists(st.floats(0, 1), min_size=3, max_size=3), start=st.sampled_from([*TIERS, None]))
def test_a_bypass_domain_never_reaches_a_cheaper_tier(finance: float, scores: list[float], start: str | None) -> None:
    controls = {} if start is None else {"start_tier": start}
    assert route(classified(*scores, finance=finance), **controls)[2] == "frontier"


@pytest.mark.parametrize(
    ("of", "min_quality", "cut", "quality", "least"),
    [
        ("request", 0.95, 0.67, 0.95, 0.95),
        ("request", 0.95, 0.97, 0.95, 0.97),
        ("traffic", 0.95, 0.67, 0.95, 0.67),
        ("traffic", 0.90, 0.67, 0.95, 0.67),
        ("traffic", 0.97, 0.67, 0.95, 0.97),  # the cut was not chosen for so much
        ("traffic", 0.95, None, 0.95, None),
        ("request", 0.95, None, 0.95, None),
    ],
)
def test_the_quality_of_the_traffic_is_what_the_cut_was_chosen_for(
    of: str, min_quality: float, cut: float | None, quality: float, least: float | None
) -> None:
    found = dataclasses.replace(classified(0.7, 0.7, 1.0), tier_cuts={"simple": cut}, cut_qualities={"simple": quality})
    asked = policy(intent_router={"min_quality": min_quality, "min_quality_of": of})
    assert find_least_bound(found, "simple", asked) == least
    assert find_least_bound(found, "medium", asked) == min_quality  # not tested, so no cut


def strategies(**domains: Any) -> Policy:
    return policy(domains={"finance": {"start_tier": "frontier"}, **domains})


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ({"code": 0.6, "support": 0.3}, "code"),
        ({"code": 0.6, "support": 0.7}, "support"),
        ({"code": 0.4, "support": 0.3}, None),
        ({"code": 0.6, "finance": 0.55}, None),
        ({"other": 1.0}, None),
    ],
)
def test_the_most_probable_domain_with_a_strategy_gives_it(scores: dict[str, float], expected: str | None) -> None:
    asked = strategies(code={"strategy": "auto"}, support={"strategy": "route"})
    found = decide_route(classified(0.99, 0.99, 1.0, **scores), asked, controls={}, kind="embedded", digest="d")
    assert found.strategy_domain == expected


def test_a_domain_that_chose_the_tier_gives_its_own_strategy() -> None:
    asked = strategies(legal={"start_tier": "simple", "strategy": "cascade"}, code={"strategy": "route"})
    seen = classified(0.1, 0.2, 1.0, legal=0.6, code=0.9)
    found = decide_route(seen, asked, controls={}, kind="embedded", digest="d")
    assert (found.domain, found.strategy_domain, found.tier) == ("legal", "legal", "simple")
