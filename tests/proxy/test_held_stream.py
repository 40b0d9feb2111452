"""Held streams in a real proxy: swapped before the first byte, released smoothly, broken as without tiergate."""

import time
from collections.abc import Iterator
from typing import Any

import anthropic
import httpx
import openai
import pytest
from tests.proxy.conftest import Gateway, running_gateway

pytestmark = [pytest.mark.proxy, pytest.mark.gateway]
LONG = "What is the capital of Tuvalu? Variant {}."


def holding(policy: dict[str, Any]) -> None:
    policy["confidence_gate"]["stream"] = {"mode": "hold", "max_hold_ms": 4000}
    policy["intent_router"]["min_quality"] = 0.0
    policy["domains"] = {}
    policy["semantic_cache"]["enabled"] = False


@pytest.fixture(scope="module")
def holding_gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with running_gateway(tmp_path_factory.mktemp("holding"), policy=holding) as gateway:
        yield gateway


@pytest.fixture
def held(holding_gateway: Gateway) -> Gateway:
    holding_gateway.first.order("reset")
    return holding_gateway


def stream_chat(gateway: Gateway, prompt: str, **fields: Any) -> tuple[list[Any], Any]:
    raw = gateway.openai().chat.completions.with_raw_response.create(
        **{"model": "auto", **fields}, messages=[{"role": "user", "content": prompt}], stream=True
    )
    return list(raw.parse()), raw.headers


def text_of(chunks: list[Any]) -> str:
    return "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)


def test_an_unsure_stream_is_the_stronger_tiers_in_shape_and_cost(held: Gateway) -> None:
    chunks, headers = stream_chat(held, LONG.format(1), stream_options={"include_usage": True})
    record = held.final_record(headers["x-tiergate-decision-id"])
    assert record["gate"]["outcome"] == "escalated", record["gate"]
    assert record["final_tier"] == "medium"
    weak, strong = record["calls"]
    assert (weak["tier"], strong["tier"]) == ("simple", "medium")
    assert strong["completion_tokens"] == chunks[-1].usage.completion_tokens
    assert record["cost_usd"] == pytest.approx(weak["cost_usd"] + strong["cost_usd"])
    assert weak["cost_usd"] > 0
    assert strong["cost_usd"] > 0
    bare, _ = stream_chat(held, LONG.format(1), model="tier-medium", stream_options={"include_usage": True})
    assert text_of(chunks) == text_of(bare)
    assert [set(chunk.model_dump(exclude_unset=True)) for chunk in chunks] == [
        set(chunk.model_dump(exclude_unset=True)) for chunk in bare
    ]
    assert {chunk.model for chunk in chunks} == {"auto"}
    assert chunks[-2].choices[0].finish_reason == bare[-2].choices[0].finish_reason == "stop"


def test_a_sure_stream_is_the_cheap_tiers_and_as_without_tiergate(held: Gateway) -> None:
    chunks, headers = stream_chat(held, "What is the capital of Brazil?")
    bare, _ = stream_chat(held, "What is the capital of Brazil?", model="tier-simple")
    record = held.final_record(headers["x-tiergate-decision-id"])
    assert [call["tier"] for call in record["calls"]] == ["simple"]
    assert text_of(chunks) == text_of(bare)
    assert len(chunks) == len(bare)
    assert not [chunk for chunk in chunks if chunk.usage is not None]
    assert not [choice for chunk in chunks for choice in chunk.choices if choice.logprobs]


def test_an_unsure_message_stream_without_log_probabilities_is_held_for_a_refusal_alone(held: Gateway) -> None:
    client = anthropic.Anthropic(base_url=held.proxy.url, api_key=held.proxy.master_key, max_retries=0)
    held.first.order("fault", model="deepseek*", fault="empty_answer", times=1)
    body: dict[str, Any] = {"model": "auto", "max_tokens": 200}
    with client.messages.stream(messages=[{"role": "user", "content": LONG.format(2)}], **body) as events:
        message = events.get_final_message()
        headers = events.response.headers
    record = held.final_record(headers["x-tiergate-decision-id"])
    assert record["gate"]["outcome"] == "escalated", record["gate"]
    assert [call["tier"] for call in record["calls"]] == ["simple", "medium"]
    assert message.model == "auto"
    assert message.stop_reason == "end_turn"
    assert message.content[0].text
    assert message.usage.output_tokens == record["calls"][1]["completion_tokens"]


def test_a_given_up_stream_costs_what_litellm_logs_for_it(held: Gateway) -> None:
    held.first.order("latency", model="deepseek*", per_token={"kind": "constant", "ms": 60})
    before = len(held.payloads())
    _, headers = stream_chat(held, LONG.format(7))
    record = held.final_record(headers["x-tiergate-decision-id"])
    assert record["gate"]["outcome"] == "escalated", record["gate"]
    costs = {call["status"]: call["cost_usd"] for call in record["calls"]}
    assert costs.keys() == {"cancelled", "ok"}
    spent = [payload for payload in held.payloads()[before:] if payload["status"] == "success"]
    assert sorted(payload["response_cost"] for payload in spent) == pytest.approx(sorted(costs.values()), rel=1e-9)
    assert costs["cancelled"] > 0


def test_a_held_response_is_swapped_for_the_stronger_tiers(held: Gateway) -> None:
    raw = held.openai().responses.with_raw_response.create(model="auto", input=LONG.format(5), stream=True)
    events = list(raw.parse())
    record = held.final_record(raw.headers["x-tiergate-decision-id"])
    assert record["gate"]["outcome"] == "escalated", record["gate"]
    assert (record["route"]["tier"], record["final_tier"]) == ("simple", "medium")
    assert [event.type for event in events][:1] == ["response.created"]
    assert events[-1].type == "response.completed"
    bare = held.openai().responses.create(model="tier-medium", input=LONG.format(5), stream=True)
    expected = list(bare)
    assert [event.type for event in events] == [event.type for event in expected]
    assert events[-1].response.output_text == expected[-1].response.output_text
    assert not [event for event in events if getattr(event, "logprobs", None)]
    assert record["cost_usd"] == pytest.approx(sum(call["cost_usd"] for call in record["calls"]))


def test_a_held_completion_is_swapped_when_it_is_empty(held: Gateway) -> None:
    held.first.order("fault", model="deepseek*", fault="empty_answer", times=1)
    raw = held.openai().completions.with_raw_response.create(
        model="auto", prompt=LONG.format(6), max_tokens=200, stream=True
    )
    chunks = list(raw.parse())
    record = held.final_record(raw.headers["x-tiergate-decision-id"])
    assert record["gate"]["outcome"] == "escalated", record["gate"]
    assert record["final_tier"] == "medium"
    assert "".join(choice.text or "" for chunk in chunks for choice in chunk.choices)
    assert [choice.finish_reason for chunk in chunks for choice in chunk.choices if choice.finish_reason] == ["stop"]


def test_a_failing_stronger_tier_lets_the_weak_stream_through(held: Gateway) -> None:
    for model in ("claude*", "gpt-4o-mini*"):
        held.first.order("fault", model=model, fault="status_503")
    chunks, headers = stream_chat(held, LONG.format(3))
    record = held.final_record(headers["x-tiergate-decision-id"])
    assert record["gate"]["reason"] == "escalation_failed"
    assert text_of(chunks)
    assert record["final_tier"] == "simple"


@pytest.mark.slow  # LiteLLM itself sometimes falls back in mid-stream and sometimes does not: looked at by hand
def test_a_stream_that_breaks_off_breaks_as_without_tiergate(start_gateway: Any) -> None:
    with start_gateway(policy=holding) as held:
        check_broken_stream(held)


def check_broken_stream(held: Gateway) -> None:
    seen = []
    for model in ("tier-simple", "auto"):
        held.first.order("fault", model="deepseek*", fault="truncated_stream", times=1)
        try:
            chunks, _ = stream_chat(held, "What is the capital of Peru?", model=model)
            seen.append(("ended", text_of(chunks)))
        except (openai.APIError, openai.APIConnectionError) as exc:
            seen.append((type(exc).__name__, ""))
    assert seen[0][0] == seen[1][0], seen


def test_a_client_that_leaves_cancels_both_calls(held: Gateway) -> None:
    held.first.order("latency", model="deepseek*", per_token={"kind": "constant", "ms": 400})
    held.first.order("latency", model="claude*", first_byte={"kind": "constant", "ms": 30_000})
    request = {"model": "auto", "stream": True, "messages": [{"role": "user", "content": LONG.format(4)}]}
    with held.proxy.client(timeout_s=7) as client, pytest.raises(httpx.ReadTimeout):
        client.post("/v1/chat/completions", json=request)
    deadline = time.monotonic() + 20
    outcomes: dict[str, Any] = {}
    while time.monotonic() < deadline and list(outcomes.values()) != ["client_gone", "client_gone"]:
        time.sleep(0.2)
        outcomes = {arrival["model"]: arrival["outcome"] for arrival in held.first.read_arrivals()["requests"]}
    assert outcomes == {"deepseek-v4-pro": "client_gone", "claude-sonnet-4.5": "client_gone"}
