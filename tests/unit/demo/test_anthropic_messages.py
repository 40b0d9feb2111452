"""The messages endpoint, read by the real SDK with strict validation."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from anthropic import Anthropic

from tiergate.demo.background import BackgroundProvider
from tiergate.demo.scenario import Scenario

TOOL = {
    "name": "look_up",
    "input_schema": {"type": "object", "properties": {"key": {"type": "string"}}},
}
RULES = Scenario.model_validate(
    {
        "rules": [
            {"name": "refuses", "words": ["exploit"], "refusal": "No."},
            {"name": "broken", "words": ["broken"], "tool_call": {"arguments": '{"key": '}},
            {"name": "list", "words": ["list"], "tool_call": {"arguments": "[1]"}},
        ]
    }
)


def connect(provider: BackgroundProvider) -> Anthropic:
    return Anthropic(base_url=provider.url, api_key="test", max_retries=0, timeout=5, _strict_response_validation=True)


@pytest.fixture(scope="module")
def ruled(start: Callable[[Scenario | None], BackgroundProvider]) -> BackgroundProvider:
    return start(RULES)


def options(question: str = "Where is it?", **more: Any) -> dict[str, Any]:
    return {
        "model": "claude-sonnet-4.5",
        "max_tokens": 2000,
        "messages": [{"role": "user", "content": question}],
        **more,
    }


def create(provider: BackgroundProvider, question: str = "Where is it?", **more: Any) -> Any:
    return connect(provider).messages.create(**options(question, **more))


def test_an_answer_has_text_and_usage(provider: BackgroundProvider) -> None:
    answer = create(provider, system="Be brief.")
    assert "Where is it" in answer.content[0].text
    assert answer.stop_reason == "end_turn"
    assert answer.usage.input_tokens > create(provider).usage.input_tokens
    assert answer.usage.output_tokens > 0


def test_a_stream_tells_events_from_start_to_stop(provider: BackgroundProvider) -> None:
    events = list(create(provider, stream=True))
    kinds = [event.type for event in events if event.type != "ping"]
    assert kinds[:2] == ["message_start", "content_block_start"]
    assert kinds[-3:] == ["content_block_stop", "message_delta", "message_stop"]
    text = "".join(event.delta.text for event in events if event.type == "content_block_delta")
    assert text == create(provider).content[0].text


def test_the_sdk_accumulates_the_stream(provider: BackgroundProvider) -> None:
    with connect(provider).messages.stream(**options()) as stream:
        for _ in stream:
            pass
        final = stream.get_final_message()
    whole = create(provider)
    assert final.content[0].text == whole.content[0].text
    assert final.usage.output_tokens == whole.usage.output_tokens
    assert final.usage.input_tokens == whole.usage.input_tokens


@pytest.mark.parametrize("choice", [{"type": "any"}, {"type": "tool", "name": "look_up"}])
def test_a_forced_tool_is_called_streamed_and_not(provider: BackgroundProvider, choice: Any) -> None:
    answer = create(provider, tools=[TOOL], tool_choice=choice)
    assert (answer.stop_reason, answer.content[0].name) == ("tool_use", "look_up")
    assert answer.content[0].input == {"key": "Where is it?"}
    with connect(provider).messages.stream(**options(tools=[TOOL], tool_choice=choice)) as stream:
        assert stream.get_final_message().content[0].input == {"key": "Where is it?"}


def test_tools_are_left_alone_unless_forced(provider: BackgroundProvider) -> None:
    assert create(provider, tools=[TOOL]).content[0].type == "text"
    assert create(provider, tools=[TOOL], tool_choice={"type": "none"}).content[0].type == "text"


@pytest.mark.parametrize(("question", "raw"), [("a broken one", '{"key": '), ("a list", "[1]")])
def test_arguments_that_are_no_object_are_shown_raw(ruled: BackgroundProvider, question: str, raw: str) -> None:
    assert create(ruled, question, tools=[TOOL]).content[0].input == {"raw": raw}
    events = create(ruled, question, tools=[TOOL], stream=True)
    pieces = [event.delta.partial_json for event in events if event.type == "content_block_delta"]
    assert "".join(pieces) == raw


def test_thinking_comes_before_the_answer_and_is_counted(provider: BackgroundProvider) -> None:
    thinking = {"type": "enabled", "budget_tokens": 1024}
    answer = create(provider, thinking=thinking)
    assert [block.type for block in answer.content] == ["thinking", "text"]
    assert answer.usage.output_tokens > create(provider).usage.output_tokens
    with connect(provider).messages.stream(**options(thinking=thinking)) as stream:
        assert stream.get_final_message().content[0].thinking == answer.content[0].thinking


def test_the_answer_ends_at_max_tokens_or_a_stop_sequence(provider: BackgroundProvider) -> None:
    cut = create(provider, max_tokens=4)
    assert (cut.stop_reason, cut.usage.output_tokens) == ("max_tokens", 4)
    assert "Where" not in create(provider, stop_sequences=["Where"]).content[0].text


def test_a_refusal_is_marked(ruled: BackgroundProvider) -> None:
    answer = create(ruled, "exploit it")
    assert (answer.stop_reason, answer.content[0].text) == ("refusal", "No.")


def test_an_empty_answer_has_no_block(provider: BackgroundProvider) -> None:
    provider.order("fault", model="*", fault="empty_answer")
    assert create(provider).content == []


def test_a_schema_is_followed(provider: BackgroundProvider) -> None:
    schema = {"type": "object", "properties": {"ok": {"type": "boolean"}}}
    answer = create(provider, extra_body={"output_config": {"format": {"type": "json_schema", "schema": schema}}})
    assert json.loads(answer.content[0].text) == {"ok": True}
