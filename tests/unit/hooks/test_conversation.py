from typing import Any

import pytest
from tests.unit.hooks.conftest import policy_of

from tiergate.exchange import Request
from tiergate.hooks.request_controls import take_controls
from tiergate.hooks.request_parser import adapt_params, parse_request

POLICY = policy_of(controls=["session_id"])
USER = {"role": "user", "content": "Hi?"}


def parse(call_type: str, **data: Any) -> Request:
    return parse_request({"model": "auto", "litellm_call_id": "c", **data}, call_type, "tenant", policy=POLICY)


@pytest.mark.parametrize(
    ("call_type", "data", "expected"),
    [
        ("anthropic_messages", {"messages": [USER], "max_tokens": 9}, {"prompt": "Hi?", "turns": 1, "max_tokens": 9}),
        (
            "anthropic_messages",
            {"messages": [USER, {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t"}]}]},
            {"prompt": "Hi?", "has_tools": True, "text_only": False},
        ),
        (
            "anthropic_messages",
            {"messages": [USER], "output_config": {"format": {"type": "json_schema", "schema": {}}}},
            {"json_asked": True},
        ),
        ("aresponses", {"input": "Hi?", "max_output_tokens": 7}, {"prompt": "Hi?", "turns": 1, "max_tokens": 7}),
        (
            "aresponses",
            {"input": [{"role": "user", "content": [{"type": "input_text", "text": "Hi?"}]}]},
            {"prompt": "Hi?", "text_only": True},
        ),
        (
            "aresponses",
            {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "x"}]}]},
            {"prompt": "", "text_only": False},
        ),
        ("aresponses", {"input": "Hi?", "previous_response_id": "r"}, {"turns": 2}),
        ("aresponses", {"input": "Hi?", "text": {"format": {"type": "json_object"}}}, {"json_asked": True}),
        ("aresponses", {"input": "Hi?", "include": ["message.output_text.logprobs"]}, {"logprobs_asked": True}),
        (
            "aresponses",
            {"input": [USER, {"type": "function_call_output", "call_id": "c", "output": "x"}]},
            {"prompt": "Hi?", "has_tools": True},
        ),
        ("atext_completion", {"prompt": "Hi?"}, {"prompt": "Hi?", "endpoint": "completions", "text_only": True}),
        ("atext_completion", {"prompt": ["Hi?"]}, {"prompt": "Hi?", "choices": 1}),
        ("atext_completion", {"prompt": ["a", "b"], "n": 2}, {"choices": 4, "text_only": False}),
        ("atext_completion", {"prompt": [1, 2, 3]}, {"prompt": "", "text_only": False}),
        ("atext_completion", {"prompt": "Hi?", "logprobs": 0}, {"logprobs_asked": True}),
    ],
)
def test_what_is_read(call_type: str, data: dict[str, Any], expected: dict[str, Any]) -> None:
    request = parse(call_type, **data)
    assert {name: getattr(request, name) for name in expected} == expected


def test_answers_of_one_endpoint_are_not_served_on_another() -> None:
    keys = {
        parse("acompletion", messages=[USER]).context_key,
        parse("anthropic_messages", messages=[USER]).context_key,
        parse("aresponses", input="Hi?").context_key,
        parse("atext_completion", prompt="Hi?").context_key,
    }
    assert len(keys) == 4


@pytest.mark.parametrize(
    "change", [{"instructions": "Be brief."}, {"temperature": 0}, {"previous_response_id": "r"}, {"reasoning": {}}]
)
def test_what_changes_the_answer_changes_the_context(change: dict[str, Any]) -> None:
    assert parse("aresponses", input="Hi?").context_key != parse("aresponses", input="Hi?", **change).context_key


def test_the_question_itself_is_no_part_of_the_context() -> None:
    assert parse("aresponses", input="Hi?").context_key == parse("aresponses", input="Ho?").context_key
    one, other = parse("atext_completion", prompt="a"), parse("atext_completion", prompt="b", suffix="x")
    assert one.context_key == parse("atext_completion", prompt="b").context_key != other.context_key


def test_controls_do_not_reach_the_provider() -> None:
    data = {"metadata": {"user_id": "u", "tiergate": {"session_id": "s"}}}
    assert parse("anthropic_messages", messages=[USER], **data).controls == {"session_id": "s"}
    take_controls(data, "messages")
    assert data == {"metadata": {"user_id": "u"}}


def test_a_tiers_parameters_in_the_endpoints_words() -> None:
    params = {"reasoning_effort": "low", "seed": 1}
    assert adapt_params(params, "chat_completions") == params
    assert adapt_params(params, "responses") == {"reasoning": {"effort": "low"}}
    assert adapt_params(params, "messages") == adapt_params({"seed": 1}, "responses") == {}
