"""Sections about agents name tiers that exist."""

from typing import Any

import pytest
from pydantic import ValidationError

from tiergate.settings import Policy


@pytest.mark.parametrize(
    "sections",
    [
        {"agents": {"plan_mode_min_tier": "huge"}},
        {"agents": {"keyword_floors": [{"phrases": ["x"], "min_tier": "huge"}]}},
        {"classifier_plugin": {"tiers": {"huge": "COMPLEX"}}},
    ],
)
def test_an_unknown_tier_is_refused(sections: dict[str, Any]) -> None:
    tiers = [{"name": name, "model_group": name} for name in ("simple", "frontier")]
    with pytest.raises(ValidationError, match="is no tier"):
        Policy.model_validate({"tiers": tiers, **sections})


def test_known_tiers_are_named_by_their_keys() -> None:
    tiers = [{"name": name, "model_group": name} for name in ("simple", "frontier")]
    agents = {"plan_mode_min_tier": "frontier", "keyword_floors": [{"phrases": ["x"], "min_tier": "simple"}]}
    policy = Policy.model_validate({"tiers": tiers, "agents": agents})
    assert policy.agents.tiers_named() == {
        "agents.keyword_floors[0].min_tier": "simple",
        "agents.plan_mode_min_tier": "frontier",
    }
