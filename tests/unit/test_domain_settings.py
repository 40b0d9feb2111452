"""What a domain may override, and the strategies that are refused because nothing could come of them."""

from typing import Any

import pytest
from pydantic import ValidationError

from tiergate.domain_settings import MIN_DOMAIN_EXAMPLES, Domain, find_idle_strategy
from tiergate.settings import Policy


def policy_of(domain: dict[str, Any], **sections: Any) -> Policy:
    tiers = [{"name": name, "model_group": f"tier-{name}"} for name in ("simple", "frontier")]
    return Policy.model_validate({"tiers": tiers, "domains": {"code": domain}, **sections})


@pytest.mark.parametrize("strategy", ["route", "cascade", "auto"])
def test_each_strategy_may_stand_alone(strategy: str) -> None:
    assert policy_of({"strategy": strategy}).domains["code"].strategy == strategy
    assert policy_of({}).domains["code"].strategy is None


def test_a_start_tier_leaves_routing_and_cascading_open() -> None:
    assert policy_of({"strategy": "cascade", "start_tier": "simple"}).domains["code"].start_tier == "simple"
    assert (
        policy_of({"strategy": "route", "start_tier": "frontier", "gate": "bypass"}).domains["code"].has_examples
        is False
    )


@pytest.mark.parametrize(
    ("domain", "sections", "said"),
    [
        ({"strategy": "cascade", "gate": "bypass"}, {}, "needs the gate"),
        ({"strategy": "auto", "start_tier": "simple"}, {}, "chooses the tier"),
        ({"strategy": "cascade", "start_tier": "frontier"}, {}, "no stronger tier"),
        ({"strategy": "cascade"}, {"confidence_gate": {"enabled": False}}, "confidence gate"),
        ({"strategy": "cascade"}, {"confidence_gate": {"max_escalations": 0}}, "confidence gate"),
        ({"strategy": "route"}, {"intent_router": {"enabled": False}}, "intent router, which is off"),
        ({"strategy": "fastest"}, {}, "strategy"),
    ],
)
def test_nonsense_is_refused_and_says_why(domain: dict[str, Any], sections: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        policy_of(domain, **sections)


def test_a_domain_without_a_strategy_is_never_idle() -> None:
    assert find_idle_strategy(Domain(), strongest_tier="frontier", routed=False, escalates=False) is None


def test_examples_come_from_one_place_and_are_enough() -> None:
    enough = [f"prompt {place}" for place in range(MIN_DOMAIN_EXAMPLES)]
    assert Domain(examples=tuple(enough)).has_examples
    with pytest.raises(ValidationError, match="too few"):
        Domain(examples=("one",))
    with pytest.raises(ValidationError, match="exclude"):
        Domain.model_validate({"examples": enough, "examples_file": "x.txt"})
