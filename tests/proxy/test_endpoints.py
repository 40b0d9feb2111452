"""The other endpoints by their own SDKs: routed, judged, escalated and cached as chat completions are."""

from collections.abc import Callable
from typing import Any

import anthropic
import pytest

pytestmark = pytest.mark.proxy

SURE = "What is the capital of {}?"
UNSURE = "What is the capital of Tuvalu? Ask {}."
"""The cheap stand-ins are unsure of it."""


def by_messages(gateway: Any, prompt: str, *, stream: bool = False, **fields: Any) -> tuple[str, Any, dict[str, Any]]:
    """Ask by /v1/messages; return text, headers and usage."""
    client = anthropic.Anthropic(base_url=gateway.proxy.url, api_key=gateway.proxy.master_key, max_retries=0)
    body = {"model": "auto", "max_tokens": 200, "messages": [{"role": "user", "content": prompt}], **fields}
    if stream:
        with client.messages.stream(**body) as events:
            message = events.get_final_message()
            headers = events.response.headers
    else:
        raw = client.messages.with_raw_response.create(**body)
        message, headers = raw.parse(), raw.headers
    text = "".join(block.text for block in message.content if block.type == "text")
    assert message.stop_reason == "end_turn"
    assert message.model == "auto"
    return text, headers, {"prompt": message.usage.input_tokens, "completion": message.usage.output_tokens}


def by_responses(gateway: Any, prompt: str, *, stream: bool = False, **fields: Any) -> tuple[str, Any, dict[str, Any]]:
    """Ask by /v1/responses; return text, headers and usage."""
    client = gateway.openai()
    if stream:
        raw = client.responses.with_raw_response.create(model="auto", input=prompt, stream=True, **fields)
        events = list(raw.parse())
        assert events[0].type == "response.created"
        assert not [event for event in events if getattr(event, "logprobs", None)]
        response = events[-1].response
    else:
        raw = client.responses.with_raw_response.create(model="auto", input=prompt, **fields)
        response = raw.parse()
    assert response.status == "completed"
    assert not [part for item in response.output for part in item.content if part.logprobs]
    return response.output_text, raw.headers, _tokens(response.usage, "input_tokens", "output_tokens")


def by_completions(gateway: Any, prompt: str, *, stream: bool = False) -> tuple[str, Any, dict[str, Any]]:
    """Ask by /v1/completions; return text, headers and usage."""
    raw = gateway.openai().completions.with_raw_response.create(
        model="auto", prompt=prompt, max_tokens=200, stream=stream
    )
    answer = raw.parse()
    if not stream:
        assert answer.choices[0].logprobs is None
        return answer.choices[0].text, raw.headers, _tokens(answer.usage, "prompt_tokens", "completion_tokens")
    chunks = list(answer)
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert not [chunk for chunk in chunks if chunk.choices[0].logprobs]
    return "".join(chunk.choices[0].text or "" for chunk in chunks), raw.headers, {}


def _tokens(usage: Any, prompt: str, completion: str) -> dict[str, Any]:
    return {"prompt": getattr(usage, prompt), "completion": getattr(usage, completion)}


Ask = Callable[..., tuple[str, Any, dict[str, Any]]]
ENDPOINTS = [
    pytest.param(by_messages, id="messages"),
    pytest.param(by_responses, id="responses"),
    pytest.param(by_completions, id="completions"),
]


def cost_logged(gateway: Any, record: dict[str, Any]) -> float:
    """Sum what LiteLLM logged for the models of a record since its request, by the number of calls."""
    payloads = [payload for payload in gateway.payloads() if payload["status"] == "success"]
    return float(sum(payload["response_cost"] for payload in payloads[-len(record["calls"]) :]))


@pytest.mark.parametrize("ask", ENDPOINTS)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_a_sure_answer_is_the_cheap_tiers_and_is_then_cached(gateway: Any, ask: Ask, *, stream: bool) -> None:
    places = {by_messages: ("Peru", "Norway"), by_responses: ("Chile", "Japan"), by_completions: ("Cuba", "Egypt")}
    prompt = SURE.format(places[ask][stream])
    text, headers, usage = ask(gateway, prompt, stream=stream)
    record = gateway.final_record(headers["x-tiergate-decision-id"])
    assert text
    assert headers["x-tiergate-tier"] == "simple"
    assert headers["x-tiergate-cache"] == "miss"
    assert [call["tier"] for call in record["calls"]] == ["simple"]
    counted = ask is not by_completions or not stream  # LiteLLM counts no tokens of OpenAI's streamed text completions
    assert (record["calls"][0]["cost_usd"] > 0) is counted
    assert record["cost_usd"] == pytest.approx(cost_logged(gateway, record), rel=1e-9)
    assert not counted or record["saved_usd"] > 0
    if usage:
        assert record["calls"][0]["completion_tokens"] == usage["completion"]
    assert record["gate"]["outcome"] in {"trusted", "verified"}
    if record["gate"]["outcome"] == "trusted":
        again, headers, _ = ask(gateway, prompt, stream=stream)
        assert headers["x-tiergate-cache"] == "hit"
        assert again == text
        assert gateway.final_record(headers["x-tiergate-decision-id"])["cost_usd"] == 0


@pytest.mark.parametrize("ask", [by_responses, by_completions], ids=["responses", "completions"])
def test_an_unsure_answer_is_escalated_by_the_same_endpoint(gateway: Any, ask: Ask) -> None:
    text, headers, _ = ask(gateway, UNSURE.format(ask.__name__))
    record = gateway.record(headers["x-tiergate-decision-id"])
    assert record["route"]["tier"] == "simple", record["route"]
    assert headers["x-tiergate-gate"] == "escalated"
    assert headers["x-tiergate-tier"] == "medium"
    assert [call["tier"] for call in record["calls"]] == ["simple", "medium"]
    assert record["cost_usd"] == pytest.approx(cost_logged(gateway, record), rel=1e-9)
    assert text


def test_an_unsure_stream_is_recorded(gateway: Any) -> None:
    _, headers, _ = by_responses(gateway, UNSURE.format("by stream"), stream=True)
    assert headers["x-tiergate-gate"] == "pending"
    gate = gateway.final_record(headers["x-tiergate-decision-id"])["gate"]
    assert gate["confidence"] < 0.7
    assert gate["outcome"] == "skipped"


def test_an_empty_message_is_escalated_with_the_clients_own_metadata(gateway: Any) -> None:
    gateway.first.order("fault", model="deepseek*", fault="empty_answer", times=1)
    text, headers, _ = by_messages(gateway, SURE.format("Malta"), metadata={"user_id": "user-7"})
    record = gateway.record(headers["x-tiergate-decision-id"])
    assert [call["tier"] for call in record["calls"]] == ["simple", "medium"], record["gate"]
    assert headers["x-tiergate-gate"] == "escalated"
    assert record["cost_usd"] == pytest.approx(cost_logged(gateway, record), rel=1e-9)
    assert text
    last = gateway.first.read_arrivals(prompts=True)["requests"][-1]
    assert last["endpoint"] == "/v1/messages"
    assert last["body"]["metadata"] == {"user_id": "user-7"}


def test_thinking_and_tools_pass_and_thinking_is_in_no_record(gateway: Any) -> None:
    client = anthropic.Anthropic(base_url=gateway.proxy.url, api_key=gateway.proxy.master_key, max_retries=0)
    tool = {"name": "weather", "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}}}
    raw = client.messages.with_raw_response.create(
        model="auto",
        max_tokens=2000,
        system="Answer briefly.",
        messages=[{"role": "user", "content": "Should I sue my landlord over the deposit under tenancy law?"}],
        tools=[tool],
        tool_choice={"type": "none"},
        thinking={"type": "enabled", "budget_tokens": 1024},
    )
    record = gateway.record(raw.headers["x-tiergate-decision-id"])
    assert record["cache"]["reason"] == "tool_use"
    thinking = [block.thinking for block in raw.parse().content if block.type == "thinking"]
    assert not any(text and text in str(record) for text in thinking)
