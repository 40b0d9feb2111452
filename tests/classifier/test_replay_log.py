"""Rows of the log under another policy: what the row itself tells, and what it does not."""

from typing import Any

import numpy as np
import pytest

from tiergate.settings import Policy
from tiergate_classifier.replay_log import ReplayError, parse_row, replay_rows

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
    return replay_rows([parse_row(item, domain_cuts={}) for item in rows], policy)


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
    assert (found.tiers, found.logged_tiers) == (["medium"], ["simple"])
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
    assert replayed([chosen], policy_of()).tiers == ["frontier"]


def test_a_structural_defect_is_a_defect_under_any_policy() -> None:
    parsed = parse_row(row(gate={"outcome": "escalated", "reason": "refusal", "confidence": 0.3}), domain_cuts={})
    assert parsed.failure == "refusal"


def test_a_tier_without_scores_is_refused() -> None:
    with pytest.raises(ReplayError, match="huge"):
        replayed([row()], policy_of(tiers=("simple", "huge")))
