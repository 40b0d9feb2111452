"""What a request is, and what must and must not change its context key."""

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.hooks.conftest import policy_of, request_data

from tiergate.errors import ControlRefusedError, ControlValueError
from tiergate.exchange import Request
from tiergate.hooks.request_parser import ANSWER_NEUTRAL, content_text, copy_containers, parse_request

HELLO = {"role": "user", "content": "hello"}
POLICY = policy_of(controls=["cache", "ttl_s", "max_age_s", "start_tier", "session_id"])


def parse(messages: Any = None, **fields: Any) -> Request:
    data = request_data(**fields)
    data["messages"] = [HELLO] if messages is None else messages
    return parse_request(data, "acompletion", "tenant", policy=POLICY)


def test_a_plain_question() -> None:
    request = parse()
    assert (request.prompt, request.turns, request.choices, request.entry_model) == ("hello", 1, 1, "auto")
    assert (request.stream, request.json_asked, request.has_tools, request.text_only) == (False, False, False, True)
    assert (request.max_tokens, request.logprobs_asked, request.tenant) == (None, False, "tenant")
    assert len(request.context_key) == 32


@pytest.mark.parametrize(
    ("messages", "prompt", "turns", "text_only"),
    [
        ([], "", 0, True),
        ("hello", "", 0, True),
        ({"role": "user"}, "", 0, True),
        (7, "", 0, True),
        (["hello"], "", 0, True),
        ([{"role": "system", "content": "be kind"}], "", 0, True),
        ([{"role": "developer", "content": "be kind"}, HELLO], "hello", 1, True),
        ([{"role": "user", "content": None}], "", 1, True),
        ([{"role": "user"}], "", 1, True),
        ([{"role": ["user"], "content": "x"}], "", 1, True),
        ([{"role": "user", "content": 7}], "", 1, False),
        ([{"role": "user", "content": {"text": "x"}}], "", 1, False),
        ([{"role": "user", "content": ["x"]}], "", 1, False),
        (
            [{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}],
            "a\nb",
            1,
            True,
        ),
        ([{"role": "user", "content": [{"type": "text", "text": None}]}], "", 1, False),
        ([{"role": "user", "content": [{"text": "a"}]}], "", 1, False),
        ([{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "image_url"}]}], "a", 1, False),
        ([HELLO, {"role": "assistant", "content": "hi"}, {"role": "user", "content": "more"}], "more", 3, True),
        ([HELLO, {"role": "assistant", "content": "prefill"}], "hello", 2, True),
        ([HELLO, {"role": "tool", "content": "42"}], "hello", 2, True),
    ],
)
def test_the_prompt_is_the_last_user_turn(messages: Any, prompt: str, turns: int, text_only: bool) -> None:  # noqa: FBT001
    request = parse(messages)
    assert (request.prompt, request.turns, request.text_only) == (prompt, turns, text_only)


@pytest.mark.parametrize(("n", "choices"), [(None, 1), (1, 1), (3, 3), ("1", 1), ("3", 3), ("x", 0), (1.5, 0), ([], 0)])
def test_the_number_of_answers(n: Any, choices: int) -> None:
    assert parse(n=n).choices == choices


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"stream": True}, {"stream": True}),
        ({"response_format": {"type": "json_object"}}, {"json_asked": True}),
        ({"response_format": {"type": "json_schema", "json_schema": {}}}, {"json_asked": True}),
        ({"response_format": {"type": "text"}}, {"json_asked": False}),
        ({"response_format": {"type": ["json_object"]}}, {"json_asked": False}),
        ({"tools": [{}]}, {"has_tools": True}),
        ({"functions": [{}]}, {"has_tools": True}),
        ({"max_tokens": 5}, {"max_tokens": 5}),
        ({"max_tokens": 5, "max_completion_tokens": 7}, {"max_tokens": 7}),
        ({"max_tokens": "5"}, {"max_tokens": None}),
        ({"logprobs": True}, {"logprobs_asked": True}),
    ],
)
def test_what_else_is_read(fields: dict[str, Any], expected: dict[str, Any]) -> None:
    request = parse(**fields)
    assert {name: getattr(request, name) for name in expected} == expected


@pytest.mark.parametrize("message", [{"role": "tool"}, {"role": "function"}, {"role": "assistant", "tool_calls": [{}]}])
def test_tool_use_in_the_conversation_counts(message: dict[str, Any]) -> None:
    assert parse([message, HELLO]).has_tools


scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5)
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner))
settings_keys = st.sampled_from(
    ["temperature", "top_p", "max_tokens", "seed", "stop", "tools", "response_format", "logit_bias", "reasoning_effort"]
)


@given(neutral=st.sampled_from(sorted(ANSWER_NEUTRAL - {"model", "messages", "metadata"})), value=values)
def test_what_is_neutral_does_not_change_the_key(neutral: str, value: Any) -> None:
    assert parse(**{neutral: value}).context_key == parse().context_key


@given(text=st.text(), other=st.text())
def test_the_text_of_the_last_turn_does_not_change_the_key(text: str, other: str) -> None:
    keys = {parse([{"role": "user", "content": content}]).context_key for content in (text, other)}
    assert len(keys) == 1


@given(key=settings_keys, value=values, other=values)
def test_settings_change_the_key_exactly_when_they_differ(key: str, value: Any, other: Any) -> None:
    same = json.dumps(value, sort_keys=True) == json.dumps(other, sort_keys=True)
    assert (parse(**{key: value}).context_key == parse(**{key: other}).context_key) is same


@given(system=st.text(), other=st.text())
def test_the_system_prompt_changes_the_key(system: str, other: str) -> None:
    keys = {parse([{"role": "system", "content": text}, HELLO]).context_key for text in (system, other)}
    assert len(keys) == (1 if system == other else 2)


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ([HELLO], [{**HELLO, "name": "bob"}]),
        ([HELLO], ["a stray text", HELLO]),
        ([HELLO, HELLO], [HELLO]),
        ([HELLO, {"role": "assistant", "content": "a"}], [HELLO, {"role": "assistant", "content": "b"}]),
        ([HELLO, {"role": "assistant", "content": "a"}], [{"role": "assistant", "content": "a"}, HELLO]),
    ],
)
def test_whatever_stands_around_the_last_turn_changes_the_key(one: Any, two: Any) -> None:
    assert parse(one).context_key != parse(two).context_key


def test_the_order_of_keys_does_not_change_the_key() -> None:
    one = parse(temperature=1, seed=2).context_key
    assert parse(seed=2, temperature=1).context_key == one


def test_the_entry_model_changes_the_key() -> None:
    one, two = request_data(), request_data() | {"model": "smart"}
    keys = {parse_request(data, "acompletion", None, policy=POLICY).context_key for data in (one, two)}
    assert len(keys) == 2


@pytest.mark.parametrize("sent", [{}, {"body": None}, None])
def test_without_a_snapshot_of_the_body_nothing_is_shared(sent: Any) -> None:
    one, two = (
        request_data() | {"proxy_server_request": sent, "litellm_call_id": call_id} for call_id in ("call-1", "call-2")
    )
    keys = {parse_request(data, "acompletion", None, policy=POLICY).context_key for data in (one, two)}
    assert len(keys) == 2


def test_half_a_surrogate_has_a_key() -> None:
    assert parse([{"role": "system", "content": "\ud800"}, HELLO]).context_key


@pytest.mark.parametrize(
    "controls",
    [
        {"cache": "off"},
        {"cache": "refresh", "ttl_s": 60, "max_age_s": 0.5},
        {"start_tier": "frontier", "session_id": "s"},
        {},
    ],
)
def test_allowed_controls_are_read(controls: dict[str, Any]) -> None:
    assert parse(metadata={"tiergate": controls}).controls == controls


@pytest.mark.parametrize(
    ("controls", "named"),
    [
        ({"cache": "of"}, "cache"),
        ({"cache": None}, "cache"),
        ({"start_tier": "best"}, "start_tier"),
        ({"ttl_s": 0}, "ttl_s"),
        ({"ttl_s": float("nan")}, "ttl_s"),
        ({"max_age_s": "1"}, "max_age_s"),
        ({"max_age_s": True}, "max_age_s"),
        ({"session_id": ""}, "session_id"),
        ({"session_id": 7}, "session_id"),
        ("cache: off", "metadata.tiergate must be"),
        (["cache"], "metadata.tiergate must be"),
    ],
)
def test_a_value_that_makes_no_sense_is_refused(controls: Any, named: str) -> None:
    with pytest.raises(ControlValueError, match=named):
        parse(metadata={"tiergate": controls})


@pytest.mark.parametrize("control", ["latency_budget_ms", "colour"])
def test_a_control_that_is_not_allowed_is_refused(control: str) -> None:
    with pytest.raises(ControlRefusedError, match=control):
        parse(metadata={"tiergate": {control: 1}})


def test_metadata_that_is_no_mapping_has_no_controls() -> None:
    data = request_data() | {"metadata": "text"}
    assert parse_request(data, "acompletion", None, policy=POLICY).controls == {}


@pytest.mark.parametrize(
    ("content", "text"), [("a", "a"), (None, ""), (7, ""), ([], ""), ([{"type": "text", "text": "a"}, "b"], "a")]
)
def test_the_text_of_content(content: Any, text: str) -> None:
    assert content_text(content) == text


@given(values)
def test_containers_are_copied_at_every_depth_and_the_rest_is_shared(value: Any) -> None:
    marker = object()
    copied = copy_containers({"a": value, "b": [marker]})
    assert copied == {"a": copy.deepcopy(value), "b": [marker]}
    assert copied["b"][0] is marker
    if isinstance(value, dict | list):
        assert copied["a"] is not value
