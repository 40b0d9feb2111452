"""`strategy: auto` in a real proxy, beside bare LiteLLM on the same providers: plans, streams, and their bodies."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from tests.proxy.conftest import Gateway
from tests.proxy.test_golden import beside_bare, differences, normal, send

pytestmark = [pytest.mark.proxy, pytest.mark.gateway]
PLANNED = "Translate a poem about {} into French and keep the rhyme."
"""The cheap tier is not good enough alone, and is with the gate; of Tuvalu the small models are unsure."""
EASY = "What is the capital of {}?"
CODE = "How do I reverse a list in Python? It is about {}."
MIN_QUALITY = 0.90


def planning(policy: dict[str, Any]) -> None:
    policy["strategy"] = "auto"
    policy["domains"] = {"code": {"strategy": "route"}}
    policy["entry_models"] = ["auto", "auto-claude"]
    policy["semantic_cache"]["enabled"] = False
    policy["intent_router"]["min_quality"] = MIN_QUALITY
    policy["confidence_gate"]["stream"] = {"mode": "hold", "max_hold_ms": 4000}


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Gateway, Gateway]]:
    with beside_bare(tmp_path_factory.mktemp("auto"), planning) as gateways:
        yield gateways


def body_of(endpoint: str, prompt: str, *, stream: bool) -> dict[str, Any]:
    turns = [{"role": "user", "content": prompt}]
    asked: dict[str, dict[str, Any]] = {
        "chat/completions": {"messages": turns},
        "messages": {"messages": turns, "max_tokens": 300},
        "responses": {"input": prompt},
    }
    return {"model": "auto", "stream": stream, **asked[endpoint]}


def named(value: Any) -> Any:
    """Return a body with the entry model's name replaced: the two proxies have the tier behind different ones."""
    return json.loads(json.dumps(normal(value)).replace('"auto-claude"', '"auto"'))


def ask(pair: tuple[Gateway, Gateway], endpoint: str, prompt: str, tier: str, *, stream: bool) -> dict[str, Any]:
    """Ask both proxies, expect the body of the tier's model, and return the record."""
    body = body_of(endpoint, prompt, stream=stream)
    got, headers = send(pair[0], endpoint, body)
    expected, _ = send(pair[1], endpoint, body | {"model": {"simple": "auto", "medium": "auto-claude"}[tier]})
    assert differences(named(got), named(expected)) == []
    return pair[0].final_record(headers["x-tiergate-decision-id"])


def check_arithmetic(route: dict[str, Any]) -> None:
    """Check that the plan followed is the cheapest that is good enough, and that each sum is that of its parts."""
    plans = {tuple(plan["tiers"]): plan for plan in route["plans"]}
    for plan in plans.values():
        parts = (plan["calls_usd"], plan["verifier_usd"], plan["latency_usd"], plan["switching_usd"])
        assert plan["expected_usd"] == pytest.approx(sum(parts))
    good = {tiers: plan["expected_usd"] for tiers, plan in plans.items() if plan["quality"] >= MIN_QUALITY}
    assert tuple(route["plan"]) == min(good, key=lambda tiers: good[tiers])


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("endpoint", ["chat/completions", "responses"])
def test_a_trusted_answer_of_a_planned_cascade_is_the_cheap_tiers(
    pair: tuple[Gateway, Gateway], endpoint: str, *, stream: bool
) -> None:
    record = ask(pair, endpoint, PLANNED.format("Brazil"), "simple", stream=stream)
    assert (record["route"]["plan"], record["route"]["reason"]) == (["simple", "medium"], "lowest_expected_cost")
    assert (record["strategy"], record["final_tier"]) == ("cascade", "simple")
    assert [call["tier"] for call in record["calls"]] == ["simple"]
    check_arithmetic(record["route"])


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_an_answer_without_log_probabilities_is_as_good_as_the_router_thought(
    pair: tuple[Gateway, Gateway], *, stream: bool
) -> None:
    """LiteLLM carries /v1/messages to this provider by another endpoint, which is not asked for any."""
    record = ask(pair, "messages", PLANNED.format("Brazil"), "medium", stream=stream)
    assert (record["route"]["plan"], record["gate"]["outcome"]) == (["simple", "medium"], "escalated")
    assert record["gate"]["confidence"] == pytest.approx(record["route"]["scores"]["simple"])
    check_arithmetic(record["route"])


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_a_weak_answer_of_a_planned_cascade_is_the_next_tiers(pair: tuple[Gateway, Gateway], *, stream: bool) -> None:
    record = ask(pair, "chat/completions", PLANNED.format("Tuvalu"), "medium", stream=stream)
    assert (record["route"]["plan"], record["gate"]["outcome"]) == (["simple", "medium"], "escalated")
    assert [call["tier"] for call in record["calls"]] == ["simple", "medium"]
    assert record["cost_usd"] == pytest.approx(sum(call["cost_usd"] for call in record["calls"]))
    assert all(call["cost_usd"] > 0 for call in record["calls"])
    check_arithmetic(record["route"])


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_a_plan_of_one_tier_keeps_a_doubtful_answer_and_holds_no_stream(
    pair: tuple[Gateway, Gateway], *, stream: bool
) -> None:
    record = ask(pair, "chat/completions", EASY.format("Tuvalu"), "simple", stream=stream)
    assert (record["route"]["plan"], record["strategy"]) == (["simple"], "route")
    assert record["gate"]["reason"] == ("stream_begun" if stream else "straight_plan")
    assert record["gate"]["confidence"] < 0.70
    assert [call["tier"] for call in record["calls"]] == ["simple"]
    check_arithmetic(record["route"])


def test_the_strategy_of_a_domain_comes_before_policys(pair: tuple[Gateway, Gateway]) -> None:
    answer, headers = pair[0].ask(CODE.format("Tuvalu"))
    assert answer["status"] == 200
    record = pair[0].record(headers["decision-id"])
    assert record["route"]["strategy_domain"] == "code", record["route"]
    assert (record["strategy"], record["route"]["plans"]) == ("route", [])
    assert [call["tier"] for call in record["calls"]] == [record["route"]["tier"]]


def test_spend_log_and_record_agree_on_a_planned_escalation(pair: tuple[Gateway, Gateway]) -> None:
    before = len(pair[0].payloads())
    _, headers = pair[0].ask(PLANNED.format("Tuvalu, please"))
    record = pair[0].record(headers["decision-id"])
    spent = [one for one in pair[0].payloads()[before:] if one["status"] == "success"]
    assert len(spent) == len(record["calls"])
    assert sorted(one["response_cost"] for one in spent) == pytest.approx(
        sorted(call["cost_usd"] for call in record["calls"]), rel=1e-9
    )
