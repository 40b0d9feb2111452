import json
from typing import Any

import pytest

from tiergate.hooks.messages_endpoint import MessagesFormat

READER = MessagesFormat()


def message(*blocks: dict[str, Any], stop: str = "end_turn") -> dict[str, Any]:
    usage = {"input_tokens": 3, "output_tokens": 2, "cache_read_input_tokens": 4}
    return {"model": "claude", "content": list(blocks), "stop_reason": stop, "usage": usage}


TEXT = {"type": "text", "text": "Hello"}
THINKING = {"type": "thinking", "thinking": "secret plan", "signature": "s"}
TOOL = {"type": "tool_use", "id": "t", "name": "read", "input": {"file": "a"}}


@pytest.mark.parametrize(
    ("stop", "finish"),
    [("end_turn", "stop"), ("max_tokens", "length"), ("tool_use", "tool_calls"), ("pause_turn", "pause_turn")],
)
def test_stop_reasons_in_openais_words(stop: str, finish: str) -> None:
    assert READER.parse(message(TEXT, stop=stop)).finish_reason == finish


def test_thinking_is_not_read_and_tool_calls_are() -> None:
    answer = READER.parse(message(THINKING, TEXT, TOOL, stop="tool_use"))
    assert answer.text == "Hello"
    assert answer.tool_arguments == (("read", '{"file": "a"}'),)
    assert "secret" not in repr(answer)
    assert READER.parse(message(TEXT, stop="refusal")).refusal
    assert READER.parse(None).text == ""


def test_only_an_answer_of_text_alone_is_stored() -> None:
    stored = READER.stored_body(message(TEXT), READER.parse(message(TEXT)))
    assert stored is not None
    assert stored["choices"][0]["message"] == {"role": "assistant", "content": "Hello"}
    assert stored["usage"]["prompt_tokens"] == 7
    assert READER.stored_body(message(THINKING, TEXT), READER.parse(message(TEXT))) is None


def events(*data: dict[str, Any]) -> bytes:
    return b"".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in data)


STREAM = events(
    {"type": "message_start", "message": message() | {"stop_reason": None}},
    {"type": "ping"},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Grü\u00df "}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "dich"}},
    {"type": "content_block_start", "index": 1, "content_block": {"type": "tool_use", "name": "read", "input": {}}},
    {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": '{"a"'}},
    {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": ": 1}"}},
    {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 9}},
)


@pytest.mark.parametrize("size", [7, 100, 100_000])
def test_a_stream_amounts_to_its_message_however_it_is_cut(size: int) -> None:
    chunks = [STREAM[start : start + size] for start in range(0, len(STREAM), size)]
    whole = READER.assemble(chunks, None)
    answer = READER.parse(whole)
    assert answer.text == "Grüß dich"
    assert answer.tool_arguments == (("read", '{"a": 1}'),)
    assert whole["usage"] == {"input_tokens": 3, "output_tokens": 9, "cache_read_input_tokens": 4}


def test_a_stream_that_did_not_end_amounts_to_nothing_and_broken_arguments_stay_visible() -> None:
    assert READER.assemble([STREAM[: len(STREAM) // 2]], None) is None
    broken = STREAM.replace(b": 1}", b": ")
    assert READER.parse(READER.assemble([broken], None)).tool_arguments == (("read", '{"a": '),)


def test_a_piece_has_the_text_of_all_its_events() -> None:
    assert READER.read_piece(STREAM) == ("Grüß dich", ())
    assert READER.copy(STREAM) is STREAM
    assert READER.ask_logprobs({}, "anthropic/x", 0) is None
