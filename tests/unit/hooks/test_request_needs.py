"""What a request needs besides skill, and which turn it continues."""

from typing import Any

import pytest
from tests.unit.hooks.conftest import policy_of, request_data

from tiergate.exchange import Need
from tiergate.hooks.request_needs import answer_schema, content_text, tool_schemas
from tiergate.hooks.request_parser import parse_request


@pytest.mark.parametrize(
    ("content", "text"), [("a", "a"), (None, ""), (7, ""), ([], ""), ([{"type": "text", "text": "a"}, "b"], "a")]
)
def test_the_text_of_content(content: Any, text: str) -> None:
    assert content_text(content) == text


def agent_request(**fields: Any) -> dict[str, Any]:
    messages = [
        {"role": "user", "content": "<system-reminder>dated</system-reminder>Fix the bug."},
        {"role": "assistant", "tool_calls": [{"id": "1", "function": {"name": "read", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "1", "content": "Error: gone"},
    ]
    return request_data("", **fields) | {"messages": messages}


def test_a_continuation_has_the_turn_of_its_question() -> None:
    policy = policy_of(agents={"stall_repeats": 1})
    later = parse_request(agent_request(), "acompletion", "t", policy=policy)
    first = agent_request()
    first["messages"] = first["messages"][:1]
    asked = parse_request(first, "acompletion", "t", policy=policy)
    assert (later.prompt, later.continues, later.stalled) == ("Fix the bug.", True, True)
    assert (asked.prompt, asked.continues, asked.stalled) == ("Fix the bug.", False, False)
    assert asked.turn_key == later.turn_key != ""
    assert parse_request(first, "acompletion", None, policy=policy).turn_key == ""
    assert parse_request(first, "acompletion", "u", policy=policy).turn_key != asked.turn_key


def test_harness_text_is_no_part_of_the_prompt_and_stays_in_the_context_key() -> None:
    one, two = agent_request(), agent_request()
    two["messages"][0] = {"role": "user", "content": "<system-reminder>other</system-reminder>Fix the bug."}
    a, b = (parse_request(data, "acompletion", "t", policy=policy_of()) for data in (one, two))
    assert a.prompt == b.prompt
    assert a.context_key != b.context_key


def test_what_the_model_must_be_able_to_take() -> None:
    parts = [
        {"type": "text", "text": "What is in it?"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 100_000}},
        {"type": "input_audio", "input_audio": {"data": "x"}},
    ]
    tool = {"type": "function", "function": {"name": "exit_plan_mode", "parameters": {}}}
    data = request_data(parts, tools=[tool], response_format={"type": "json_schema", "json_schema": {}})
    request = parse_request(data, "acompletion", "t", policy=policy_of())
    assert request.needs == {Need.IMAGES, Need.AUDIO, Need.TOOLS, Need.JSON_SCHEMA}
    assert 1_000 <= request.estimated_tokens < 1_100
    assert request.plan_mode
    assert parse_request(request_data("x" * 4_000), "acompletion", "t", policy=policy_of()).estimated_tokens == 1_000


SCHEMA = {"type": "object", "required": ["city"]}


@pytest.mark.parametrize(
    "data",
    [
        {"tools": [{"type": "function", "function": {"name": "weather", "parameters": SCHEMA}}]},
        {"functions": [{"name": "weather", "parameters": SCHEMA}]},
        {"tools": [{"name": "weather", "input_schema": SCHEMA}, {"type": "web_search_20250305", "name": "web_search"}]},
        {"tools": [{"type": "function", "name": "weather", "parameters": SCHEMA}, "no tool", {"function": "none"}]},
    ],
)
def test_the_schema_of_each_function_is_found_on_every_endpoint(data: dict[str, Any]) -> None:
    assert tool_schemas(data) == {"weather": SCHEMA}


@pytest.mark.parametrize(
    "data",
    [
        {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}}},
        {"text": {"format": {"type": "json_schema", "name": "n", "schema": SCHEMA}}},
        {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}},
        {"output_format": {"type": "json_schema", "schema": SCHEMA}},
    ],
)
def test_the_schema_of_the_answer_is_found_on_every_endpoint(data: dict[str, Any]) -> None:
    assert answer_schema(data) == SCHEMA


def test_an_answer_without_a_schema_has_none() -> None:
    assert answer_schema({"response_format": {"type": "json_object"}}) is None
    assert answer_schema({"response_format": {"type": "json_schema", "json_schema": 7}}) is None
