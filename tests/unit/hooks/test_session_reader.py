from typing import Any

import pytest

from tiergate.exchange import Request
from tiergate.hooks.session_reader import read_session, read_tool_calls

USER = {"role": "user", "content": "Read a."}


def request(endpoint: Any, **controls: Any) -> Request:
    return Request(call_id="c", endpoint=endpoint, entry_model="auto", tenant="t", prompt="", controls=controls)


def test_the_control_comes_before_litellms_fields_and_these_before_the_opening() -> None:
    data = {"messages": [USER], "litellm_session_id": "l", "metadata": {"session_id": "m"}}
    names = [
        read_session(request("chat_completions", session_id="s"), data),
        read_session(request("chat_completions"), data),
        read_session(request("chat_completions"), data | {"litellm_session_id": None}),
        read_session(request("chat_completions"), {"messages": [USER]}),
    ]
    assert len(set(names)) == 4
    assert None not in names
    assert read_session(request("chat_completions"), {"messages": []}) is None
    assert read_session(request("chat_completions", session_id="l"), {}) == names[1]


def test_the_clients_own_metadata_is_not_litellms() -> None:
    data = {"messages": [USER], "metadata": {"session_id": "m"}}
    assert read_session(request("messages"), data) == read_session(request("messages"), {"messages": [USER]})


CHAT = [
    {"role": "assistant", "tool_calls": [{"id": "1", "function": {"name": "read", "arguments": '{"f": "a"}'}}]},
    {"role": "tool", "tool_call_id": "1", "content": "Error: none"},
]
ANTHROPIC = [
    {"role": "assistant", "content": [{"type": "tool_use", "id": "1", "name": "read", "input": {"f": "a"}}]},
    {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "1", "is_error": True, "content": "x"}]},
]
ITEMS = [
    {"type": "function_call", "call_id": "1", "name": "read", "arguments": '{"f":"a"}'},
    {"type": "function_call_output", "call_id": "1", "output": "Traceback (most recent call last)"},
]


@pytest.mark.parametrize(
    ("endpoint", "data"),
    [("chat_completions", {"messages": CHAT}), ("messages", {"messages": ANTHROPIC}), ("responses", {"input": ITEMS})],
)
def test_a_failed_tool_call_is_read_on_every_endpoint(endpoint: str, data: dict[str, Any]) -> None:
    assert read_tool_calls(request(endpoint), data) == [("read", '{"f": "a"}', True)]


def test_a_result_without_its_call_is_no_call() -> None:
    assert read_tool_calls(request("chat_completions"), {"messages": CHAT[1:]}) == []
