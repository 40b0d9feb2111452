"""LiteLLM's responses, whole and odd, as answers, usage and calls."""

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from litellm import ModelResponse
from tests.unit.hooks.conftest import chunks_of, completion

from tiergate.exchange import TokenLogprob
from tiergate.hooks.answer_parser import (
    hidden_params,
    parse_answer,
    parse_call,
    parse_logprobs,
    parse_usage,
    strip_logprobs,
)


def test_a_completion() -> None:
    answer = parse_answer(completion("Paris it is.", logprob=-0.25))
    assert (answer.text, answer.finish_reason, answer.refusal) == ("Paris it is.", "stop", False)
    assert answer.logprobs[0] == TokenLogprob(token="Paris", logprob=-0.25)
    assert len(answer.logprobs) == 3


def test_logprobs_gathered_elsewhere_count_instead() -> None:
    token = TokenLogprob(token="x", logprob=-1.0)
    assert parse_answer(completion(), logprobs=(token,)).logprobs == (token,)


@pytest.mark.parametrize("response", [ModelResponse(choices=[]), None, object(), SimpleNamespace(choices=None)])
def test_no_choice_is_an_empty_answer(response: Any) -> None:
    assert parse_answer(response).text == ""


@pytest.mark.parametrize("place", ["refusal", "provider_specific_fields"])
def test_a_refusal_is_found_where_providers_put_it(place: str) -> None:
    value = "I cannot." if place == "refusal" else {"refusal": "I cannot."}
    message = SimpleNamespace(content=None, **{place: value})
    answer = parse_answer(SimpleNamespace(choices=[SimpleNamespace(message=message, finish_reason="stop")]))
    assert (answer.text, answer.refusal) == ("I cannot.", True)


def test_fields_that_are_no_mapping_hold_no_refusal() -> None:
    message = SimpleNamespace(content="Yes.", provider_specific_fields=["refusal"])
    answer = parse_answer(SimpleNamespace(choices=[SimpleNamespace(message=message)]))
    assert (answer.text, answer.refusal) == ("Yes.", False)


def test_tool_calls_are_read_with_their_raw_arguments() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}
    message = {"role": "assistant", "content": None, "tool_calls": [call]}
    response = ModelResponse(choices=[{"index": 0, "finish_reason": "tool_calls", "message": message}])
    answer = parse_answer(response)
    assert answer.tool_arguments == (("add", '{"a": 1}'),)
    assert answer.text == ""


def test_the_most_probable_tokens_are_read() -> None:
    top = [{"token": "a", "logprob": -0.1}, {"token": "b", "logprob": None}, {"token": "c", "logprob": -2}]
    (token,) = parse_logprobs({"content": [{"token": "a", "logprob": -0.1, "top_logprobs": top}]})
    assert token.top == (-0.1, -2.0)


odd = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["content", "token", "logprob", "top_logprobs"]), inner)
    ),
    max_leaves=12,
)


@given(odd)
def test_malformed_logprobs_give_fewer_tokens_and_no_error(value: Any) -> None:
    assert all(isinstance(token.logprob, float) for token in parse_logprobs(value))
    assert all(isinstance(token.logprob, float) for token in parse_logprobs({"content": value}))


def test_logprobs_are_removed_from_answers_and_chunks() -> None:
    response, chunk = completion(), chunks_of("Paris.")[0]
    strip_logprobs(response)
    strip_logprobs(chunk)
    assert "logprobs" not in response.model_dump()["choices"][0]
    assert "logprobs" not in chunk.model_dump(exclude_none=True)["choices"][0]
    strip_logprobs(response)
    strip_logprobs(object())


def test_usage() -> None:
    usage = parse_usage(completion())
    assert usage is not None
    assert (usage.prompt_tokens, usage.completion_tokens) == (10, 5)
    assert parse_usage(object()) is None
    empty = parse_usage(SimpleNamespace(usage={"prompt_tokens": None}))
    assert empty is not None
    assert (empty.prompt_tokens, empty.completion_tokens) == (0, 0)


def test_a_call_has_what_litellm_knows_of_it() -> None:
    response = completion(cost_usd=0.5, usage={"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15})
    response.usage.prompt_tokens_details = {"cached_tokens": 4}
    call = parse_call(response, tier="simple", asked="tier-simple", start_ms=1.0, ms=2.0)
    assert (call.model, call.provider, call.model_group) == ("model-x", "openai", "tier-simple")
    assert (call.prompt_tokens, call.completion_tokens, call.cached_tokens) == (10, 5, 4)
    assert (call.cost_usd, call.start_ms, call.ms, call.status, call.fallback_from) == (0.5, 1.0, 2.0, "ok", None)


def test_a_bare_response_is_a_call_without_cost() -> None:
    call = parse_call(SimpleNamespace(model="m"), tier=None, asked="auto", start_ms=0.0, ms=0.0)
    assert (call.model, call.model_group, call.cost_usd, call.prompt_tokens) == ("m", "auto", 0.0, 0)


@pytest.mark.parametrize("hidden", [None, "text", 7])
def test_hidden_parameters_are_a_mapping(hidden: Any) -> None:
    assert hidden_params(SimpleNamespace(_hidden_params=hidden)) == {}
