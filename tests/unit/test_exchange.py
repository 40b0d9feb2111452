"""Requests, answers and calls: frozen, without shared defaults."""

import dataclasses

import pytest

from tiergate.exchange import Answer, Call, Request, TokenLogprob

PARTS = (
    Request(call_id="c", endpoint="chat_completions", entry_model="auto", tenant=None, prompt="p"),
    TokenLogprob(token="a", logprob=-1.0),
    Answer(text=""),
    Call(tier=None, model_group="auto"),
)


@pytest.mark.parametrize("part", PARTS)
def test_they_are_frozen_slotted_and_built_by_keyword(part: object) -> None:
    name = dataclasses.fields(part)[0].name  # type: ignore[arg-type]
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(part, name, "x")
    assert not hasattr(part, "__dict__")
    with pytest.raises(TypeError):
        type(part)("positional")  # type: ignore[call-arg]


def test_a_request_defaults_to_a_plain_question() -> None:
    request = PARTS[0]
    assert isinstance(request, Request)
    assert (request.turns, request.choices, request.text_only, request.has_tools, request.stream) == (
        1,
        1,
        True,
        False,
        False,
    )
    other = dataclasses.replace(request, controls={"cache": "off"})
    assert request.controls == {}
    assert other.controls == {"cache": "off"}


def test_a_call_is_ok_and_free_until_said_otherwise() -> None:
    call = Call(tier="simple", model_group="g")
    assert (call.status, call.cost_usd, call.fallback_from, call.start_ms) == ("ok", 0.0, None, None)
