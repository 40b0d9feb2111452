"""Chat and text completions, read by the real SDK with strict validation."""

import json
import math
from collections.abc import Callable
from typing import Any

import pytest
from openai import BadRequestError, OpenAI

from tiergate.demo.answers import count_tokens
from tiergate.demo.background import BackgroundProvider
from tiergate.demo.scenario import Scenario

ASK = [{"role": "user", "content": "Where is the energy report?"}]
TOOL = {
    "type": "function",
    "function": {
        "name": "find_report",
        "parameters": {
            "type": "object",
            "properties": {"title": {"type": "string"}, "year": {"type": "integer", "minimum": 2000}},
            "required": ["title", "year"],
        },
    },
}
RULES = Scenario.model_validate(
    {
        "models": [
            {"match": "quiet", "logprobs": "ignored"},
            {"match": "strict", "logprobs": "rejected"},
        ],
        "rules": [
            {"name": "refuses", "words": ["exploit"], "refusal": "I can't help with that."},
            {"name": "broken-call", "words": ["broken"], "tool_call": {"arguments": '{"title": '}},
            {"name": "calls", "words": ["report"], "tool_call": {"name": "find_report"}},
            {"name": "given", "words": ["given"], "certainty": [-0.5, -1.5], "answer": "{model}: {question}"},
            {"name": "filtered", "words": ["filtered"], "finish_reason": "content_filter"},
            {"name": "weak", "models": ["cheap*"], "certainty": "weak"},
        ],
    }
)


def connect(provider: BackgroundProvider, *, strict: bool = True) -> OpenAI:
    url = f"{provider.url}/v1"
    return OpenAI(base_url=url, api_key="test", max_retries=0, timeout=5, _strict_response_validation=strict)


@pytest.fixture(scope="module")
def ruled(start: Callable[[Scenario | None], BackgroundProvider]) -> BackgroundProvider:
    return start(RULES)


def create(provider: BackgroundProvider, question: str = "Where is it?", model: str = "gpt-5.5", **options: Any) -> Any:
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": question}]
    return connect(provider).chat.completions.create(model=model, messages=messages, **options)


def test_usage_counts_tokens_of_texts_and_four_per_message(provider: BackgroundProvider) -> None:
    answer = create(provider)
    text = answer.choices[0].message.content
    assert answer.usage.prompt_tokens == count_tokens("Be brief.") + count_tokens("Where is it?") + 8
    assert answer.usage.completion_tokens == count_tokens(text)
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


def test_a_stream_says_the_same_as_the_whole_answer_and_ends_with_usage(provider: BackgroundProvider) -> None:
    whole = create(provider, logprobs=True, top_logprobs=3)
    options = {"logprobs": True, "top_logprobs": 3, "stream_options": {"include_usage": True}}
    chunks = list(create(provider, stream=True, **options))
    told = [chunk.choices[0] for chunk in chunks if chunk.choices]
    assert "".join(choice.delta.content or "" for choice in told) == whole.choices[0].message.content
    scores = [score for choice in told if choice.logprobs for score in choice.logprobs.content]
    assert scores == whole.choices[0].logprobs.content
    assert told[0].delta.role == "assistant"
    assert [choice.finish_reason for choice in told[-2:]] == [None, "stop"]
    assert chunks[-1].choices == []
    assert chunks[-1].usage == whole.usage
    assert all(chunk.usage is None for chunk in chunks[:-1])


def test_without_include_usage_no_chunk_has_usage(provider: BackgroundProvider) -> None:
    assert all(chunk.usage is None for chunk in create(provider, stream=True))


def test_log_probabilities_come_only_when_asked_for(provider: BackgroundProvider) -> None:
    assert create(provider).choices[0].logprobs is None
    answer = create(provider, logprobs=True).choices[0]
    assert "".join(score.token for score in answer.logprobs.content) == answer.message.content
    assert all(score.top_logprobs == [] for score in answer.logprobs.content)


def test_top_log_probabilities_hold_the_token_and_are_at_most_certain(provider: BackgroundProvider) -> None:
    for score in create(provider, logprobs=True, top_logprobs=5).choices[0].logprobs.content:
        assert len(score.top_logprobs) == 5
        assert (score.token, score.logprob) in [(top.token, top.logprob) for top in score.top_logprobs]
        values = [top.logprob for top in score.top_logprobs]
        assert values == sorted(values, reverse=True)
        assert sum(map(math.exp, values)) <= 1.001


def test_the_level_sets_the_log_probabilities(ruled: BackgroundProvider) -> None:
    def mean(model: str) -> float:
        scores = create(ruled, model=model, logprobs=True).choices[0].logprobs.content
        return sum(score.logprob for score in scores) / len(scores)

    assert mean("strong") > -0.1
    assert mean("cheap") < -0.6


def test_given_log_probabilities_are_repeated_along_the_given_answer(ruled: BackgroundProvider) -> None:
    choice = create(ruled, "as given", logprobs=True).choices[0]
    assert choice.message.content == "gpt-5.5: as given"
    values = [score.logprob for score in choice.logprobs.content]
    assert values == [(-0.5, -1.5)[place % 2] for place in range(len(values))]


def test_a_model_may_ignore_or_reject_log_probabilities(ruled: BackgroundProvider) -> None:
    assert create(ruled, model="quiet", logprobs=True).choices[0].logprobs is None
    with pytest.raises(BadRequestError) as caught:
        create(ruled, model="strict", logprobs=True)
    assert caught.value.param == "logprobs"
    assert create(ruled, model="strict").choices


def test_n_answers_differ_and_are_all_counted(provider: BackgroundProvider) -> None:
    answer = create(provider, n=3)
    assert [choice.index for choice in answer.choices] == [0, 1, 2]
    texts = [choice.message.content for choice in answer.choices]
    assert len(set(texts)) > 1
    assert answer.usage.completion_tokens == sum(map(count_tokens, texts))
    streamed = ["", "", ""]
    for chunk in create(provider, n=3, stream=True):
        streamed[chunk.choices[0].index] += chunk.choices[0].delta.content or ""
    assert streamed == texts


def test_max_tokens_and_stop_end_the_answer(provider: BackgroundProvider) -> None:
    cut = create(provider, max_completion_tokens=4).choices[0]
    assert (cut.finish_reason, count_tokens(cut.message.content)) == ("length", 4)
    whole = create(provider).choices[0].message.content
    stopped = create(provider, stop=["Where"]).choices[0]
    assert stopped.finish_reason == "stop"
    assert stopped.message.content == whole.split("Where", maxsplit=1)[0]
    assert create(provider, stop="Where").choices[0].message.content == stopped.message.content


def test_a_rule_calls_a_tool_with_arguments_that_fit_its_schema(ruled: BackgroundProvider) -> None:
    answer = create(ruled, "Find the report", tools=[TOOL]).choices[0]
    call = answer.message.tool_calls[0]
    arguments = json.loads(call.function.arguments)
    assert (answer.finish_reason, call.function.name) == ("tool_calls", "find_report")
    assert (arguments["title"], arguments["year"]) == ("Find the report", 2000)
    streamed = list(create(ruled, "Find the report", tools=[TOOL], stream=True))
    pieces = [part.function.arguments for chunk in streamed for part in chunk.choices[0].delta.tool_calls or []]
    assert "".join(pieces) == call.function.arguments
    assert streamed[0].choices[0].delta.tool_calls[0].function.name == "find_report"
    assert streamed[-1].choices[0].finish_reason == "tool_calls"


def test_without_the_tool_on_offer_the_answer_is_text(ruled: BackgroundProvider) -> None:
    assert create(ruled, "Find the report").choices[0].message.content
    assert create(ruled, "Find the report", tools=[TOOL], tool_choice="none").choices[0].message.content
    other = {"type": "function", "function": {"name": "other"}}
    assert create(ruled, "Find the report", tools=[other]).choices[0].message.content


@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "find_report"}}])
def test_a_forced_tool_is_called(provider: BackgroundProvider, choice: Any) -> None:
    answer = create(provider, tools=[TOOL], tool_choice=choice)
    assert answer.choices[0].message.tool_calls[0].function.name == "find_report"
    assert answer.usage.completion_tokens > 0


def test_arguments_can_be_broken_json(ruled: BackgroundProvider) -> None:
    call = create(ruled, "a broken one", tools=[TOOL]).choices[0].message.tool_calls[0]
    assert call.function.arguments == '{"title": '


def test_a_schema_is_followed(provider: BackgroundProvider) -> None:
    schema = {
        "type": "object",
        "properties": {"name": {"type": "string"}, "sizes": {"type": "array", "items": {"type": "integer"}}},
    }
    wanted = {"type": "json_schema", "json_schema": {"name": "thing", "schema": schema}}
    value = json.loads(create(provider, response_format=wanted).choices[0].message.content)
    assert value == {"name": "Where is it?", "sizes": [1]}
    value = json.loads(create(provider, response_format={"type": "json_object"}).choices[0].message.content)
    assert value == {"answer": "Where is it?"}


def test_a_refusal_is_marked(ruled: BackgroundProvider) -> None:
    choice = create(ruled, "exploit this", logprobs=True).choices[0]
    assert choice.message.content is None
    assert choice.message.refusal == "I can't help with that."
    assert "".join(score.token for score in choice.logprobs.refusal) == choice.message.refusal
    streamed = create(ruled, "exploit this", stream=True)
    assert "".join(chunk.choices[0].delta.refusal or "" for chunk in streamed) == choice.message.refusal


def test_a_finish_reason_can_be_given(ruled: BackgroundProvider) -> None:
    assert create(ruled, "to be filtered").choices[0].finish_reason == "content_filter"


def test_text_parts_are_read(provider: BackgroundProvider) -> None:
    content = [
        {"type": "text", "text": "Where is the cat?"},
        {"type": "image_url", "image_url": {"url": "data:,"}},
    ]
    answer = connect(provider).chat.completions.create(model="m", messages=[{"role": "user", "content": content}])
    assert "Where is the cat" in answer.choices[0].message.content


def test_text_completions_with_log_probabilities_streamed_and_not(provider: BackgroundProvider) -> None:
    options = {"model": "m", "prompt": "Once upon a time", "max_tokens": 12}
    whole = connect(provider).completions.create(**options, logprobs=2).choices[0]
    assert whole.finish_reason == "length"
    assert "".join(whole.logprobs.tokens) == whole.text
    assert whole.logprobs.text_offset[1] == len(whole.logprobs.tokens[0])
    assert len(whole.logprobs.top_logprobs[0]) == 2
    # A chunk before the last has no finish reason, which the SDK's strict types do not allow for.
    chunks = list(
        connect(provider, strict=False).completions.create(
            **options, logprobs=2, stream=True, stream_options={"include_usage": True}
        )
    )
    told = [chunk.choices[0] for chunk in chunks if chunk.choices]
    assert "".join(choice.text for choice in told) == whole.text
    offsets = [offset for choice in told if choice.logprobs for offset in choice.logprobs.text_offset]
    assert offsets == whole.logprobs.text_offset
    assert told[-1].finish_reason == "length"
    assert chunks[-1].usage.completion_tokens == 12
    plain = connect(provider).completions.create(**{**options, "prompt": ["Once upon a time"]})
    assert plain.choices[0].logprobs is None
    assert plain.choices[0].text == whole.text
