from types import SimpleNamespace
from typing import Any

import pytest
from litellm.types.llms.openai import OutputTextDeltaEvent, ResponseCompletedEvent, ResponsesAPIResponse

from tiergate.hooks.responses_endpoint import ResponsesFormat

READER = ResponsesFormat()
SCORE = {"token": "Hello", "logprob": -0.1, "bytes": [], "top_logprobs": [{"token": "Hi", "logprob": -2.0}]}
TEXT = {"type": "output_text", "text": "Hello", "annotations": [], "logprobs": [SCORE]}


def response(*items: dict[str, Any], **fields: Any) -> ResponsesAPIResponse:
    body: dict[str, Any] = {"id": "r", "created_at": 1, "model": "m", "object": "response", "status": "completed"}
    usage = {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5}
    return ResponsesAPIResponse(**{**body, "output": list(items), "usage": usage, **fields})


def said(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"type": "message", "id": "m", "role": "assistant", "status": "completed", "content": list(parts)}


CALL = {"type": "function_call", "id": "f", "call_id": "c", "name": "read", "arguments": "{}", "status": "completed"}
REASONING = {"type": "reasoning", "id": "rs", "summary": [{"type": "summary_text", "text": "secret plan"}]}


def test_text_tokens_and_end_are_read_and_reasoning_is_not() -> None:
    answer = READER.parse(response(REASONING, said(TEXT)))
    assert (answer.text, answer.finish_reason) == ("Hello", "stop")
    assert [(token.token, token.logprob, token.top) for token in answer.logprobs] == [("Hello", -0.1, (-2.0,))]
    assert "secret" not in repr(answer)


@pytest.mark.parametrize(
    ("fields", "finish"),
    [
        ({"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}, "length"),
        ({"status": "incomplete", "incomplete_details": {"reason": "content_filter"}}, "content_filter"),
        ({"status": "failed"}, "failed"),
    ],
)
def test_how_it_ended(fields: dict[str, Any], finish: str) -> None:
    assert READER.parse(response(said(TEXT), **fields)).finish_reason == finish


def test_tool_calls_and_refusals() -> None:
    answer = READER.parse(response(CALL))
    assert (answer.finish_reason, answer.tool_arguments) == ("tool_calls", (("read", "{}"),))
    refusal = READER.parse(response(said({"type": "refusal", "refusal": "No."})))
    assert refusal.refusal
    assert refusal.text == "No."


def test_log_probabilities_are_asked_of_openai_and_stripped_everywhere() -> None:
    asked = READER.ask_logprobs({"include": ["x"]}, "openai/m", 3)
    assert asked == {"include": ["x", "message.output_text.logprobs"], "top_logprobs": 3}
    assert READER.ask_logprobs({}, "anthropic/m", 3) is None
    whole = response(said(TEXT))
    event = ResponseCompletedEvent(type="response.completed", response=whole)
    copied = READER.copy(event)
    READER.strip(event)
    assert not READER.parse(event.response).logprobs
    assert READER.parse(copied.response).logprobs
    delta = OutputTextDeltaEvent(
        type="response.output_text.delta", item_id="m", output_index=0, content_index=0, delta="Hello", logprobs=[SCORE]
    )
    text, logprobs = READER.read_piece(delta)
    assert (text, len(logprobs)) == ("Hello", 1)
    READER.strip(delta)
    assert not delta.logprobs
    assert READER.read_piece(event) == ("", ())


def test_a_stream_amounts_to_its_last_response() -> None:
    whole = response(said(TEXT))
    event = ResponseCompletedEvent(type="response.completed", response=whole)
    assert READER.assemble([SimpleNamespace(type="response.created"), event], None) is whole
    assert READER.assemble([SimpleNamespace(type="response.created")], None) is None


def test_only_text_without_a_stored_past_is_kept() -> None:
    whole = response(said(TEXT))
    stored = READER.stored_body(whole, READER.parse(whole))
    assert stored is not None
    assert stored["choices"][0]["message"]["content"] == "Hello"
    for other in (response(REASONING, said(TEXT)), response(said(TEXT), previous_response_id="r0")):
        assert READER.stored_body(other, READER.parse(other)) is None
