"""One request through every stage of a real proxy, by the real SDK, streamed and not."""

import time
from typing import Any

import pytest

pytestmark = pytest.mark.proxy


def question(prompt: str) -> list[Any]:
    return [{"role": "user", "content": prompt}]


def test_a_simple_question_is_answered_by_the_cheap_tier_and_then_from_the_cache(gateway: Any) -> None:
    client = gateway.openai()
    first = client.chat.completions.with_raw_response.create(
        model="auto", messages=question("What is the capital of Italy?")
    )
    again = client.chat.completions.with_raw_response.create(
        model="auto", messages=question("What is the capital of Italy?")
    )
    assert first.headers["x-tiergate-tier"] == "simple"
    assert first.headers["x-tiergate-cache"] == "miss"
    assert first.headers["x-tiergate-gate"] == "trusted"
    assert float(first.headers["x-tiergate-saved-usd"]) > 0
    assert again.headers["x-tiergate-cache"] == "hit"
    assert float(again.headers["x-tiergate-cost-usd"]) == 0
    answer, repeated = first.parse(), again.parse()
    assert repeated.choices[0].message.content == answer.choices[0].message.content
    assert repeated.id != answer.id
    assert repeated.usage == answer.usage
    assert answer.choices[0].logprobs is None
    assert repeated.model == answer.model == "auto"


def tokens_of(usage: Any) -> tuple[int, int, int]:
    """The counts; LiteLLM adds the cost of a call to a stream's usage, and a hit has none."""
    return usage.prompt_tokens, usage.completion_tokens, usage.total_tokens


def test_a_streamed_question_is_stored_and_a_stream_can_be_served_from_the_cache(gateway: Any) -> None:
    client = gateway.openai()

    def stream() -> tuple[str, dict[str, str], list[Any]]:
        with client.chat.completions.with_streaming_response.create(
            model="auto", messages=question("What is the capital of Norway?"), stream=True,
            stream_options={"include_usage": True},
        ) as response:  # fmt: skip
            chunks = list(response.parse())
            headers = dict(response.headers)
        text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
        return text, headers, chunks

    text, headers, chunks = stream()
    assert headers["x-tiergate-gate"] == "pending"
    assert headers["x-tiergate-tier"] == "simple"
    assert "x-tiergate-cost-usd" not in headers
    assert all(choice.logprobs is None for chunk in chunks for choice in chunk.choices)
    record = gateway.final_record(headers["x-tiergate-decision-id"])
    assert record["gate"]["outcome"] == "trusted"
    assert record["cost_usd"] > 0
    assert record["final_tier"] == "simple"

    cached_text, cached_headers, cached_chunks = stream()
    assert cached_headers["x-tiergate-cache"] == "hit"
    assert cached_text == text
    assert cached_chunks[0].choices[0].delta.role == "assistant"
    finished = [c.choices[0].finish_reason for c in cached_chunks if c.choices and c.choices[0].finish_reason]
    assert finished == ["stop"]
    assert tokens_of(cached_chunks[-1].usage) == tokens_of(chunks[-1].usage)
    assert gateway.final_record(cached_headers["x-tiergate-decision-id"])["cost_usd"] == 0


WEAK = "What is the national flower of Tuvalu?"


def test_a_weak_answer_is_escalated_and_both_calls_are_logged_and_billed(start_gateway: Any) -> None:
    with start_gateway(policy=without_domains) as gateway:
        body, headers = gateway.ask(WEAK, key="sk-ann-blue")
        assert headers["gate"] == "escalated"
        record = gateway.record(headers["decision-id"])
        weak, strong = record["calls"]
        assert (weak["tier"], weak["model_group"]) == ("simple", "tier-simple")
        assert (strong["tier"], strong["model_group"]) == ("medium", "tier-medium")
        assert record["gate"]["confidence"] < 0.70
        assert record["cost_usd"] == pytest.approx(weak["cost_usd"] + strong["cost_usd"], abs=1e-12)
        assert float(headers["cost-usd"]) == pytest.approx(record["cost_usd"], abs=1e-8)
        assert headers["tier"] == "medium"
        assert body["model"] == "auto"

        payloads = wait_for(lambda: [p for p in gateway.payloads() if p["status"] == "success"], count=2)
        logged = {payload["model_group"]: payload for payload in payloads}
        assert set(logged) == {"tier-simple", "tier-medium"}
        assert "deepseek" in logged["tier-simple"]["model"]
        assert "sonnet" in logged["tier-medium"]["model"]
        for call, group in ((weak, "tier-simple"), (strong, "tier-medium")):
            assert logged[group]["response_cost"] == pytest.approx(call["cost_usd"], abs=1e-12)
            assert logged[group]["user_api_key_team_id"] == "blue"
            assert logged[group]["user_api_key_user_id"] == "ann"
        assert logged["tier-simple"]["user_api_key_hash"] == logged["tier-medium"]["user_api_key_hash"]


def without_domains(policy: dict[str, Any]) -> None:
    policy["domains"] = {}


def wait_for(read: Any, *, count: int) -> list[Any]:
    """Wait until `read` gives `count` items, LiteLLM's logging being asynchronous; give what there is after 10 s."""
    for _ in range(200):
        if len(read()) >= count:
            break
        time.sleep(0.05)
    return list(read())


def test_a_provider_that_is_down_is_replaced_within_the_tier(gateway: Any) -> None:
    gateway.first.order("fault", model="deepseek*", fault="status_503", times=1)
    _, headers = gateway.ask("What is the capital of Spain?")
    record = gateway.record(headers["decision-id"])
    failed, answered = record["calls"]
    assert headers["tier"] == "simple"
    assert failed["status"] != "ok"
    assert answered["fallback_from"] == "tier-simple"
    assert answered["model_group"] == "tier-simple-alt"


def test_a_finance_question_goes_straight_to_frontier_past_the_gate(gateway: Any) -> None:
    _, headers = gateway.ask("Should I move my pension savings from bonds into a stock index fund?")
    assert (headers["tier"], headers["gate"]) == ("frontier", "bypassed")


def test_when_every_provider_fails_the_client_gets_litellms_error_and_a_record(gateway: Any) -> None:
    gateway.first.order("fault", model="*", fault="status_500", times=None)
    gateway.second.order("fault", model="*", fault="status_500", times=None)
    body, headers = gateway.ask("What is the capital of Peru?")
    assert body["status"] == 500
    record = gateway.record(headers["decision-id"])
    assert record["status"] == "failed"
    assert [call["status"] == "ok" for call in record["calls"]] == [False, False]
    assert record["final_tier"] is None


def test_the_record_names_every_stage(gateway: Any) -> None:
    _, headers = gateway.ask("What is the capital of Chile?")
    record = gateway.record(headers["decision-id"])
    assert set(record["stage_ms"]) >= {"semantic_cache", "intent_router", "confidence_gate"}
    assert record["route"]["scores"].keys() == {"simple", "medium", "frontier"}
    assert record["tenant"]
    assert headers["decision-id"] in gateway.proxy.output()  # the JSON line
