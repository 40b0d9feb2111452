"""Reading of requests and rendering of errors."""

import math

import pytest

from tiergate.demo.wire import (
    BadRequestError,
    encode_json,
    find_question,
    read_field,
    read_text,
    render_openai_error,
)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("a", "a"),
        (None, ""),
        ([{"type": "text", "text": "a"}, {"type": "tool_result", "content": "b"}, "c"], "a\nb\nc"),
    ],
)
def test_text_of_each_shape_of_content(content: object, text: str) -> None:
    assert read_text(content) == text


def test_the_question_is_the_last_user_text() -> None:
    messages = [
        {"role": "user", "content": "first"},
        {"role": "user", "content": "second"},
        {"role": "assistant", "content": "yes"},
        {"role": "user", "content": []},
        "no message",
    ]
    assert find_question(messages) == "second"
    assert find_question([]) == ""


@pytest.mark.parametrize("value", ["1", True, 1.5])
def test_a_field_of_another_type_is_refused(value: object) -> None:
    with pytest.raises(BadRequestError, match="'n'"):
        read_field({"n": value}, "n", int, 1)


def test_null_counts_as_absent() -> None:
    assert read_field({"n": None}, "n", int, 3) == 3


def test_nan_is_written_as_a_broken_provider_does() -> None:
    assert encode_json({"a": math.nan}) == '{"a":NaN}'


@pytest.mark.parametrize(("status", "kind"), [(429, "rate_limit_error"), (500, "server_error")])
def test_errors_name_their_kind(status: int, kind: str) -> None:
    assert render_openai_error(status, "m", None, None)["error"]["type"] == kind
