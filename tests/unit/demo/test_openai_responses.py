"""The responses endpoint, read by the real SDK with strict validation."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from openai import OpenAI, RateLimitError

from tiergate.demo.background import BackgroundProvider
from tiergate.demo.scenario import Scenario

TOOL = {
    "type": "function",
    "name": "look_up",
    "parameters": {"type": "object", "properties": {"key": {"type": "string"}}},
    "strict": False,
}
RULES = Scenario.model_validate(
    {
        "rules": [
            {"name": "refuses", "words": ["exploit"], "refusal": "No."},
            {"name": "filtered", "words": ["filtered"], "finish_reason": "content_filter"},
        ]
    }
)


def connect(provider: BackgroundProvider, *, strict: bool = True) -> OpenAI:
    url = f"{provider.url}/v1"
    return OpenAI(base_url=url, api_key="test", max_retries=0, timeout=5, _strict_response_validation=strict)


@pytest.fixture(scope="module")
def ruled(start: Callable[[Scenario | None], BackgroundProvider]) -> BackgroundProvider:
    return start(RULES)


def create(provider: BackgroundProvider, given: Any = "Where is it?", **options: Any) -> Any:
    return connect(provider).responses.create(model="gpt-5.5", input=given, **options)


def test_an_answer_has_text_and_usage(provider: BackgroundProvider) -> None:
    answer = create(provider, instructions="Be brief.", metadata={"a": "b"})
    assert "Where is it" in answer.output_text
    assert answer.status == "completed"
    assert answer.usage.total_tokens == answer.usage.input_tokens + answer.usage.output_tokens
    assert (answer.instructions, answer.metadata) == ("Be brief.", {"a": "b"})


def test_a_list_of_items_is_read(provider: BackgroundProvider) -> None:
    items = [
        {"role": "user", "content": "first"},
        {"role": "assistant", "content": "yes"},
        {"role": "user", "content": [{"type": "input_text", "text": "the second"}]},
    ]
    assert "the second" in create(provider, items).output_text


def test_a_stream_tells_typed_events_in_order(provider: BackgroundProvider) -> None:
    whole = create(provider)
    events = list(create(provider, stream=True))
    kinds = [event.type for event in events]
    assert kinds[:4] == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
    ]
    assert kinds[-4:] == [
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    deltas = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert "".join(deltas) == whole.output_text == events[-1].response.output_text
    assert events[-1].response.usage == whole.usage


def test_the_sdk_accumulates_the_stream(provider: BackgroundProvider) -> None:
    with connect(provider).responses.stream(model="gpt-5.5", input="Where is it?") as stream:
        for _ in stream:
            pass
        final = stream.get_final_response()
    assert final.output_text == create(provider).output_text


def test_log_probabilities_come_only_when_included(provider: BackgroundProvider) -> None:
    asked = {"include": ["message.output_text.logprobs"], "top_logprobs": 2}
    part = create(provider, **asked).output[0].content[0]
    assert "".join(score.token for score in part.logprobs) == part.text
    assert len(part.logprobs[0].top_logprobs) == 2
    assert create(provider).output[0].content[0].logprobs == []
    deltas = [event for event in create(provider, stream=True, **asked) if event.type == "response.output_text.delta"]
    streamed = [(score.token, score.logprob) for delta in deltas for score in delta.logprobs]
    assert streamed == [(score.token, score.logprob) for score in part.logprobs]


def test_a_forced_tool_is_called_streamed_and_not(provider: BackgroundProvider) -> None:
    call = create(provider, tools=[TOOL], tool_choice="required").output[0]
    assert (call.type, call.name) == ("function_call", "look_up")
    assert json.loads(call.arguments) == {"key": "Where is it?"}
    named = {"type": "function", "name": "look_up"}
    events = list(create(provider, tools=[TOOL], tool_choice=named, stream=True))
    pieces = [event.delta for event in events if event.type == "response.function_call_arguments.delta"]
    assert "".join(pieces) == call.arguments
    assert events[-1].response.output[0].name == "look_up"
    assert create(provider, tools=[TOOL], tool_choice="none").output_text


def test_the_answer_ends_at_max_output_tokens(provider: BackgroundProvider) -> None:
    answer = create(provider, max_output_tokens=4)
    assert (answer.status, answer.incomplete_details.reason) == ("incomplete", "max_output_tokens")
    assert answer.usage.output_tokens == 4
    events = list(create(provider, max_output_tokens=4, stream=True))
    assert events[-1].type == "response.incomplete"


def test_a_filtered_answer_is_incomplete(ruled: BackgroundProvider) -> None:
    assert create(ruled, "to be filtered").incomplete_details.reason == "content_filter"


def test_a_refusal_is_marked(ruled: BackgroundProvider) -> None:
    assert create(ruled, "exploit it").output[0].content[0].refusal == "No."
    events = list(create(ruled, "exploit it", stream=True))
    assert "".join(event.delta for event in events if event.type == "response.refusal.delta") == "No."


def test_a_schema_is_followed(provider: BackgroundProvider) -> None:
    schema = {"type": "object", "properties": {"ok": {"type": "boolean"}}}
    wanted = {"format": {"type": "json_schema", "name": "x", "schema": schema}}
    assert json.loads(create(provider, text=wanted).output_text) == {"ok": True}
    wanted = {"format": {"type": "json_object"}}
    assert json.loads(create(provider, text=wanted).output_text) == {"answer": "Where is it?"}


def test_errors_have_the_shape_of_openai(provider: BackgroundProvider) -> None:
    provider.order("fault", model="*", fault="status_429")
    with pytest.raises(RateLimitError):
        create(provider)
