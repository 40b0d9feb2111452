"""What a plan is reckoned with."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiergate.decisions import Reason, RouteDecision, RouteOutcome
from tiergate.policy.expected_cost import GATE_AUROC, JUDGE_TOKENS
from tiergate.policy.gate_calibration import Evidence, GateCalibration, GroupCalibration
from tiergate.policy.money import Price
from tiergate.policy.tier_facts import PRIOR_ROWS, CallFacts, build_tier_facts, find_gate_auroc
from tiergate.settings import Policy

TIERS = ("simple", "medium", "frontier")
PRICES = {"tier-simple": Price(input_usd=0.1, output_usd=1.0), "tier-medium": Price(input_usd=0.2, output_usd=2.0)}
CALLS = CallFacts(price=PRICES.get, prompt_tokens=100, answer_tokens=lambda _tier: 20.0)
ROUTE = RouteDecision(
    outcome=RouteOutcome.ROUTED,
    reason=Reason.SCORE_MEETS_QUALITY,
    tier="simple",
    scores=dict.fromkeys(TIERS, 0.9),
    lower_bounds={"simple": 0.8},
)
NOTHING = Evidence(intercept=0, prior=0, prior_mean=0, answer={}, spread=1)


def policy_of(**sections: Any) -> Policy:
    return Policy.model_validate({"tiers": [{"name": one, "model_group": f"tier-{one}"} for one in TIERS], **sections})


def calibrated(answer_auroc: float | None, n: int = 500) -> GateCalibration:
    group = GroupCalibration(
        method="m",
        n=n,
        n_without_confidence=0,
        scale="probability",
        knots=(0.0,),
        log_odds=(0.0,),
        with_confidence=NOTHING,
        without_confidence=NOTHING,
        answer_auroc=answer_auroc,
    )
    return GateCalibration(format_version=1, data_digest=f"sha256:{'0' * 64}", groups={"tier-simple": group})


def test_a_tier_without_a_price_or_a_score_is_unknown() -> None:
    facts = build_tier_facts(ROUTE, policy_of(), CALLS)
    assert set(facts) == {"simple", "medium"}
    assert facts["simple"].call_usd == pytest.approx(100 * 0.1 + 20 * 1.0)
    assert (facts["simple"].bound, facts["medium"].bound) == (0.8, 0.9)
    assert (facts["simple"].seconds, facts["simple"].fits, facts["simple"].gate_auroc) == (None, True, GATE_AUROC)
    assert (
        build_tier_facts(RouteDecision(outcome=RouteOutcome.SKIPPED, reason=Reason.DISABLED), policy_of(), CALLS) == {}
    )


@pytest.mark.parametrize(
    ("verifier", "usd"),
    [
        ({"kind": "judge", "model_group": "tier-medium"}, 120 * 0.2 + JUDGE_TOKENS * 2.0),
        ({"kind": "judge", "model_group": "unpriced"}, 0.0),
        ({"kind": "self_consistency", "samples": 3}, 3 * 30.0),
    ],
)
def test_a_verifier_has_its_price(verifier: dict[str, Any], usd: float) -> None:
    facts = build_tier_facts(ROUTE, policy_of(confidence_gate={"verifier": verifier}), CALLS)
    assert facts["simple"].verifier_usd == pytest.approx(usd)


@given(st.floats(0, 1), st.integers(1, 10_000))
def test_outcomes_move_what_the_gate_sees_away_from_the_prior(found: float, rows: int) -> None:
    seen = find_gate_auroc(calibrated(found, n=rows), "tier-simple")
    assert min(found, GATE_AUROC) - 1e-9 <= seen <= max(found, GATE_AUROC) + 1e-9
    assert abs(seen - found) <= abs(GATE_AUROC - found) * PRIOR_ROWS / (rows + PRIOR_ROWS) + 1e-9


def test_without_outcomes_the_prior_speaks() -> None:
    assert find_gate_auroc(None, "tier-simple") == GATE_AUROC
    assert find_gate_auroc(calibrated(0.9), "tier-medium") == GATE_AUROC
    assert find_gate_auroc(calibrated(None), "tier-simple") == GATE_AUROC


def test_each_tier_is_planned_with_its_own_gate() -> None:
    calls = CallFacts(price=PRICES.get, prompt_tokens=1, answer_tokens=lambda _tier: 1.0, calibration=calibrated(0.95))
    facts = build_tier_facts(ROUTE, policy_of(), calls)
    assert facts["simple"].gate_auroc > 0.9
    assert facts["medium"].gate_auroc == GATE_AUROC
