"""Signals: values by hand, laws over any input."""

import json
import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiergate.exchange import Answer, Request, TokenLogprob
from tiergate.policy.signals import measure_repetition, measure_signals

ASKED = Request(call_id="1", endpoint="chat_completions", entry_model="auto", tenant="t", prompt="p")
JSON_ASKED = Request(
    call_id="1", endpoint="chat_completions", entry_model="auto", tenant="t", prompt="p", json_asked=True
)

any_float = st.floats(allow_nan=True, allow_infinity=True)
tokens = st.builds(
    TokenLogprob,
    token=st.text(max_size=5),
    logprob=any_float,
    top=st.lists(any_float, max_size=25).map(tuple),
)
answers = st.builds(
    Answer,
    text=st.text(),
    finish_reason=st.sampled_from([None, "stop", "length", "tool_calls", "content_filter", "odd"]),
    refusal=st.booleans(),
    logprobs=st.lists(tokens, max_size=30),
    tool_arguments=st.lists(st.tuples(st.text(), st.text()), max_size=3),
)


def scored(*logprobs: float, top: tuple[float, ...] = ()) -> Answer:
    return Answer(text="x", logprobs=[TokenLogprob(token="x", logprob=value, top=top) for value in logprobs])


@given(answers, st.booleans())
def test_any_answer_gives_finite_numbers_twice_the_same(answer: Answer, json_asked: bool) -> None:  # noqa: FBT001
    request = JSON_ASKED if json_asked else ASKED
    signals = measure_signals(answer, request)
    assert all(math.isfinite(value) for value in signals.values())
    assert signals == measure_signals(answer, request)
    assert signals.get("logprob_min", 0) <= signals.get("logprob_tail", 0) + 1e-9
    assert signals.get("logprob_tail", 0) <= signals.get("logprob_mean", 0) + 1e-9
    assert signals.get("entropy_mean", 0) >= 0
    assert 0 <= signals.get("margin_mean", 0) <= 1
    assert 0 <= signals["repetition"] <= 1


def test_mean_minimum_and_tail() -> None:
    signals = measure_signals(scored(*([-0.1] * 18), -2.0, -4.0), ASKED)
    assert signals["logprob_mean"] == pytest.approx(-0.39)
    assert signals["logprob_min"] == -4.0
    assert signals["logprob_tail"] == pytest.approx(-3.0)
    assert signals["logprob_tokens"] == 20


def test_the_mean_does_not_depend_on_the_length() -> None:
    short, long = scored(*[-0.3] * 2), scored(*[-0.3] * 200)
    assert measure_signals(short, ASKED)["logprob_mean"] == pytest.approx(measure_signals(long, ASKED)["logprob_mean"])


def test_entropy_counts_the_rest_as_one_outcome() -> None:
    top = (math.log(0.5), math.log(0.25))
    signals = measure_signals(scored(-0.7, top=top), ASKED)
    assert signals["entropy_mean"] == pytest.approx(0.5 * math.log(2) + 0.5 * math.log(4))
    assert signals["margin_mean"] == pytest.approx(0.25)


def test_the_margin_does_not_depend_on_the_order_of_the_alternatives() -> None:
    one = measure_signals(scored(-0.7, top=(-1.0, -0.5, -3.0)), ASKED)
    assert one == pytest.approx(measure_signals(scored(-0.7, top=(-3.0, -1.0, -0.5)), ASKED))


def test_a_certain_token_has_no_entropy_and_full_margin() -> None:
    signals = measure_signals(scored(0.0, top=(0.0, -25.0)), ASKED)
    assert signals["entropy_mean"] == pytest.approx(0.0, abs=1e-8)
    assert signals["margin_mean"] == pytest.approx(1.0)


def test_one_alternative_has_an_entropy_but_no_margin() -> None:
    signals = measure_signals(scored(-0.7, top=(-0.7,)), ASKED)
    assert "entropy_mean" in signals
    assert "margin_mean" not in signals


def test_alternatives_that_are_no_numbers_give_neither() -> None:
    signals = measure_signals(scored(-0.7, top=(math.nan, math.inf)), ASKED)
    assert "entropy_mean" not in signals
    assert "margin_mean" not in signals


def test_tokens_with_and_without_alternatives_mix() -> None:
    mixed = Answer(
        text="ab",
        logprobs=[
            TokenLogprob(token="a", logprob=-0.1, top=(math.log(0.9), math.log(0.1))),
            TokenLogprob(token="b", logprob=-0.1, top=(math.log(0.5), math.log(0.3), math.log(0.2))),
            TokenLogprob(token="c", logprob=-0.1),
        ],
    )
    assert measure_signals(mixed, ASKED)["margin_mean"] == pytest.approx((0.8 + 0.2) / 2)


def test_broken_values_are_dropped() -> None:
    signals = measure_signals(scored(-0.2, math.nan, -0.4, math.inf, -math.inf, -0.6, 0.5, -0.8), ASKED)
    assert signals["logprob_mean"] == pytest.approx(-0.5)
    assert signals["logprob_tokens"] == 4


def test_more_than_half_broken_is_no_signal() -> None:
    assert "logprob_mean" not in measure_signals(scored(-0.2, math.nan, math.nan), ASKED)
    assert "logprob_mean" not in measure_signals(scored(math.nan), ASKED)


def test_values_that_are_no_floats_are_dropped() -> None:
    broken: Any = [-0.2, "x", -0.4, None]
    assert measure_signals(scored(*broken), ASKED)["logprob_mean"] == pytest.approx(-0.3)


def test_the_sentinel_for_very_unlikely_does_not_drown_the_rest() -> None:
    assert measure_signals(scored(-9999.0, 0.0), ASKED)["logprob_mean"] == -12.5


def test_a_rounding_error_above_zero_counts_as_zero() -> None:
    assert measure_signals(scored(1e-6), ASKED)["logprob_mean"] == 0.0


@pytest.mark.parametrize(("reason", "value"), [("length", 1.0), ("stop", 0.0), (None, 0.0)])
def test_truncation(reason: str | None, value: float) -> None:
    assert measure_signals(Answer(text="x", finish_reason=reason), ASKED)["truncated"] == value


@pytest.mark.parametrize(
    "text",
    [
        "I'm sorry, but I can't help with that.",
        "I\u2019m sorry, but I can\u2019t assist with that request.",
        "Sorry, I cannot provide that.",
        "I cannot fulfill this request.",
        "I am unable to help you with this.",
        "Unfortunately, I cannot share this.",
        "As an AI language model, I cannot provide legal advice.",
        "I apologize, but I can't discuss this.",
        "I won't be able to help with this.",
        "I must decline to answer.",
        "I don't know the answer to that.",
        "I do not have access to your files.",
        "I'm not able to open links.",
        "Es tut mir leid, aber dabei kann ich dir nicht helfen.",
        "Leider kann ich diese Frage nicht beantworten.",
        "Je suis désolé, mais je ne peux pas vous aider.",
        "Je ne peux pas vous aider avec cela.",
        "Lo siento, pero no puedo ayudarte con eso.",
        "Mi dispiace, ma non posso aiutarti.",
        "Desculpe, mas não posso ajudar com isso.",
        "Het spijt me, maar ik kan je daar niet mee helpen.",
        "Przykro mi, ale nie mogę w tym pomóc.",
        "Извините, но я не могу помочь с этим.",  # noqa: RUF001  Russian
        "很抱歉，我无法回答这个问题。",  # noqa: RUF001  Chinese
        "申し訳ありませんが、その質問にはお答えできません。",
        "죄송합니다만, 그 요청은 도와드릴 수 없습니다.",
    ],
)
def test_refusals_in_many_words(text: str) -> None:
    assert measure_signals(Answer(text=text), ASKED)["refusal"] == 1.0


@pytest.mark.parametrize(
    "text",
    [
        "I'm sorry for the delay of your order. It ships today.",
        "I can't help but admire this proof; it is short.",
        "Sure, I can help with that.",
        "The function cannot provide a default value.",
        "You cannot create two keys with one name.",
        "Sorry is the title of a song by Justin Bieber.",
        "Leider ist der Zug verspätet.",
        "Lo siento is Spanish for sorry.",
        "Unfortunately, the server rejects the request; set the header.",
        "Dear team,\n\nI am sorry that I cannot attend on Friday.",
    ],
)
def test_answers_that_only_sound_like_refusals(text: str) -> None:
    assert measure_signals(Answer(text=text), ASKED)["refusal"] == 0.0


def test_the_provider_marks_a_refusal_or_a_filter() -> None:
    assert measure_signals(Answer(text="x", refusal=True), ASKED)["refusal"] == 1.0
    assert measure_signals(Answer(text="x", finish_reason="content_filter"), ASKED)["refusal"] == 1.0


def test_empty_means_neither_text_nor_tool_call() -> None:
    assert measure_signals(Answer(text=""), ASKED)["empty"] == 1.0
    assert measure_signals(Answer(text=" \n"), ASKED)["empty"] == 1.0
    assert measure_signals(Answer(text="", tool_arguments=[("f", "{}")]), ASKED)["empty"] == 0.0


@pytest.mark.parametrize(
    ("text", "invalid"),
    [
        ('{"a": 1}', 0.0),
        (" [1, 2] ", 0.0),
        ('{"a": ', 1.0),
        ("Sure! {}", 1.0),
        ("```json\n{}\n```", 1.0),
        ('{"a": NaN}', 1.0),
        ("[" * 50_000, 1.0),
    ],
)
def test_json_is_checked_when_asked_for(text: str, invalid: float) -> None:
    assert measure_signals(Answer(text=text), JSON_ASKED)["invalid_json"] == invalid
    assert "invalid_json" not in measure_signals(Answer(text=text), ASKED)


def test_json_is_not_checked_where_there_is_none_or_too_much() -> None:
    for text in ("", json.dumps("x" * 100_001)):
        assert "invalid_json" not in measure_signals(Answer(text=text), JSON_ASKED)


@pytest.mark.parametrize(
    ("arguments", "invalid"),
    [
        ('{"a": 1}', 0.0),
        ("", 0.0),
        ("{}", 0.0),
        ("[1]", 1.0),
        ('{"a": ', 1.0),
        ('{"a": "' + "x" * 100_001, 0.0),
    ],
)
def test_tool_arguments_are_a_json_object(arguments: str, invalid: float) -> None:
    answer = Answer(text="", tool_arguments=[("f", "{}"), ("g", arguments)])
    assert measure_signals(answer, ASKED)["invalid_tool_arguments"] == invalid


def test_a_loop_repeats_and_prose_does_not() -> None:
    prose = " ".join(f"word{number}" for number in range(300))
    assert measure_repetition(prose) == 0.0
    assert measure_repetition("the same thing again " * 60) > 0.9
    assert measure_repetition(prose + " and so on and on" * 300) > 0.9
    assert measure_repetition("重复的话" * 100) > 0.9
    assert measure_repetition("a" * 1000) > 0.9
    assert measure_repetition("yes yes yes yes yes yes") == 0.0


def test_a_very_long_answer_is_looked_at_in_part() -> None:
    assert measure_signals(scored(*[-0.1] * 4000, *[-9.0] * 4000), ASKED)["logprob_mean"] == pytest.approx(-0.1)


WEATHER = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


@pytest.mark.parametrize(
    ("name", "arguments", "invalid"),
    [
        ("weather", '{"city": "Rome"}', 0.0),
        ("weather", '{"city": 7}', 1.0),
        ("weather", "", 1.0),
        ("weather", "[", 1.0),
        ("clock", '{"city": 7}', 0.0),
        ("clock", "", 0.0),
    ],
)
def test_tool_arguments_follow_the_schema_of_the_tool_on_offer(name: str, arguments: str, invalid: float) -> None:
    asked = replace(ASKED, tool_schemas={"weather": WEATHER})
    answer = Answer(text="", tool_arguments=((name, arguments),))
    assert measure_signals(answer, asked)["invalid_tool_arguments"] == invalid


@pytest.mark.parametrize(("text", "invalid"), [('{"city": "Rome"}', 0.0), ("{}", 1.0), ("no", 1.0)])
def test_an_answer_follows_the_schema_that_was_asked_for(text: str, invalid: float) -> None:
    asked = replace(JSON_ASKED, answer_schema=WEATHER)
    assert measure_signals(Answer(text=text), asked)["invalid_json"] == invalid
