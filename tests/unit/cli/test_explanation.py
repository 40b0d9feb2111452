"""What an explanation says is what the decision does when one follows it."""

from hypothesis import given
from hypothesis import strategies as st

from tiergate.cli.explanation import Explanation, explain_route, to_row
from tiergate.decisions import RouteOutcome
from tiergate.domain_settings import Domain
from tiergate.policy.money import Price
from tiergate.policy.tier_facts import CallFacts
from tiergate.ports import Classification
from tiergate.settings import Policy

TIERS = ("simple", "medium", "frontier")
shares = st.floats(0, 1)


def policy(**router: float) -> Policy:
    return Policy.model_validate(
        {
            "tiers": [{"name": name, "model_group": f"tier-{name}"} for name in TIERS],
            "domains": {"finance": {"start_tier": "frontier", "gate": "bypass"}},
            "intent_router": {"min_quality": 0.9, **router},
        }
    )


def explain(classification: Classification, **router: float) -> Explanation:
    return explain_route(classification, policy(**router), kind="embedded", digest="d")


def classified(bounds: list[float], finance: float = 0.0, cut: float = 0.5) -> Classification:
    scores = dict(zip(TIERS, sorted(bounds), strict=True))
    domains = {"general": 1 - finance, "finance": finance}
    return Classification(scores=scores, lower_bounds=scores, domains=domains, domain_cuts={"finance": cut})


def number_in(text: str) -> float:
    return next(float(word.rstrip(".,")) for word in text.split() if word[0].isdigit())


@given(st.lists(shares, min_size=3, max_size=3))
def test_the_quality_that_would_take_a_cheaper_tier_does(bounds: list[float]) -> None:
    explanation = explain(classified(bounds))
    for change in explanation.changes:
        if "of at most" in change:
            tier = change.rstrip(".").rsplit(" ", 1)[-1]
            at = max(number_in(change) - 0.0006, 0)  # the text is rounded
            if at > 0:
                assert TIERS.index(explain(classified(bounds), min_quality=at).decision.tier or "") <= TIERS.index(tier)


def test_an_override_that_is_reached_says_what_lifts_it() -> None:
    explanation = explain(classified([0.95, 0.97, 1.0], finance=0.6))
    assert explanation.decision.outcome is RouteOutcome.BYPASSED
    assert explanation.changes == (
        "A domain cut of finance above 0.600 would lift the override; the tier would then be simple.",
    )
    assert explain(classified([0.95, 0.97, 1.0], finance=0.6), min_domain_score=0.61).decision.tier == "simple"
    assert explanation.gate == "bypassed for finance"


def test_an_override_that_is_near_says_what_takes_it() -> None:
    explanation = explain(classified([0.95, 0.97, 1.0], finance=0.3))
    assert explanation.decision.tier == "simple"
    assert "finance would take it from a cut of 0.300 (now 0.500)" in explanation.changes[0]
    assert explain(classified([0.95, 0.97, 1.0], finance=0.3), min_domain_score=0.3).decision.tier == "frontier"


def test_the_strongest_tier_has_nothing_to_escalate_to() -> None:
    assert explain(classified([0.1, 0.2, 0.95])).gate == "strongest tier: nothing to escalate to"
    assert explain(classified([0.91, 0.92, 0.95])).gate == "escalates below 0.7, trusts from 0.85"


def test_a_disabled_gate_is_said() -> None:
    off = policy().model_copy(
        update={"confidence_gate": policy().confidence_gate.model_copy(update={"enabled": False})}
    )
    explanation = explain_route(classified([0.91, 0.92, 0.95]), off, kind="embedded", digest="d")
    assert explanation.gate == "disabled"


def test_the_row_is_plain() -> None:
    row = to_row(explain(classified([0.1, 0.2, 0.3])))
    assert row["tier"] == "frontier"
    assert row["reason"] == "no_tier_meets_quality"


PRICES = {f"tier-{name}": Price(input_usd=usd, output_usd=usd) for name, usd in zip(TIERS, (1, 10, 100), strict=True)}
CALLS = CallFacts(price=PRICES.get, prompt_tokens=10, answer_tokens=lambda _tier: 30.0)


def planned(
    bounds: list[float], calls: CallFacts | None = CALLS, min_quality: float = 0.85, **update: object
) -> Explanation:
    auto = policy(min_quality=min_quality).model_copy(update={"strategy": "auto", **update})
    return explain_route(classified(bounds), auto, kind="embedded", digest="d", calls=calls)


def test_auto_shows_every_plan_and_the_one_that_is_taken() -> None:
    explanation = planned([0.75, 0.95, 0.99])
    assert (explanation.strategy, explanation.decision.plan) == ("auto", ("simple", "medium"))
    row = to_row(explanation)
    assert row["plan"] == ["simple", "medium"]
    plans = row["plans"]
    assert isinstance(plans, list)
    good = [plan for plan in plans if plan["quality"] >= 0.85]
    assert min(good, key=lambda plan: plan["expected_usd"])["tiers"] == ("simple", "medium")
    assert explanation.gate == "escalates below 0.7, trusts from 0.85"


@given(st.lists(shares, min_size=3, max_size=3))
def test_the_quality_that_would_take_a_cheaper_plan_does(bounds: list[float]) -> None:
    explanation = planned(bounds)
    for change in explanation.changes:
        if "of at most" in change:
            named = change.rstrip(".").split(" would take ")[1]
            again = planned(bounds, min_quality=number_in(change.replace("min_quality", "")))
            assert " then ".join(again.decision.plan) == named


def test_without_prices_nothing_is_planned_and_the_router_s_choice_stands() -> None:
    explanation = planned(
        [0.75, 0.95, 0.99], calls=CallFacts(price=lambda _group: None, prompt_tokens=1, answer_tokens=lambda _tier: 1.0)
    )
    assert (explanation.decision.plan, explanation.decision.tier) == ((), "medium")
    assert planned([0.75, 0.95, 0.99], calls=None).decision.plan == ()


def test_the_domain_s_strategy_is_named() -> None:
    domains = {"general": Domain(strategy="route")}
    explanation = planned([0.75, 0.95, 0.99], domains=domains)
    assert (explanation.strategy, explanation.decision.strategy_domain) == ("route", "general")
    assert explanation.gate == "asks one tier: escalates a defective answer only"
    assert explanation.decision.plans == ()
