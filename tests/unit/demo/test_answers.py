"""Answers: tokens, instances of schemas, and that the same request gets the same answer."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiergate.demo.answers import Asked, build_instance, count_prompt_tokens, decide_answer, split_tokens


@given(st.text())
def test_tokens_join_to_the_text(text: str) -> None:
    assert "".join(split_tokens(text)) == text


def test_a_token_is_eight_word_characters_or_one_sign() -> None:
    assert split_tokens("A wonderful, day!") == ["A", " wonderfu", "l", ",", " day", "!"]
    assert count_prompt_tokens(["A day!", ""]) == 3 + 4 + 4


@given(st.text(max_size=50), st.text(min_size=1, max_size=10), st.integers(0, 5))
def test_the_same_request_gets_the_same_answer(question: str, model: str, top: int) -> None:
    asked = Asked(model=model, question=question, logprobs=True, top_logprobs=top)
    first = decide_answer(asked, rule=None, certainty="hesitant", seed=3)
    assert first == decide_answer(asked, rule=None, certainty="hesitant", seed=3)
    assert all(score.logprob <= 0 for score in first.scores)


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "string"}, "ask"),
        ({"type": "string", "minLength": 5}, "ask.."),
        ({"type": "string", "maxLength": 2}, "as"),
        ({"type": ["integer", "null"]}, 1),
        ({"type": "number", "maximum": 0.5}, 0.5),
        ({"type": "boolean"}, True),
        ({"type": "null"}, None),
        ({"enum": ["x", "y"]}, "x"),
        ({"const": 4}, 4),
        ({"type": "string", "default": "d"}, "d"),
        ({"anyOf": [{"type": "null"}, {"type": "string"}]}, None),
        ({"type": "array", "items": {"type": "integer"}, "minItems": 2}, [1, 1]),
        ({"properties": {"a": {}}}, {"a": "ask"}),
        ({"$defs": {"t": {"type": "integer"}}, "properties": {"a": {"$ref": "#/$defs/t"}}}, {"a": 1}),
        ({"properties": {"a": {"$ref": "#/nowhere"}}}, {"a": "ask"}),
    ],
)
def test_an_instance_satisfies_its_schema(schema: dict[str, Any], value: object) -> None:
    assert build_instance(schema, "ask") == value


def test_a_schema_that_contains_itself_comes_to_an_end() -> None:
    assert build_instance({"properties": {"next": {"$ref": "#"}}}, "ask")
