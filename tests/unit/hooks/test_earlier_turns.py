"""Earlier turns, their key and tags, on every endpoint."""

from typing import Any

from tiergate.hooks.earlier_turns import MAX_TAGS, parse_conversation, parse_tags

TURNS: list[dict[str, Any]] = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "What is the capital of France?"},
    {"role": "assistant", "content": "Paris."},
    {"role": "user", "content": "And of Italy?"},
]


def test_earlier_turns_are_those_before_the_question_without_the_system_prompt() -> None:
    earlier = parse_conversation({"model": "auto", "messages": TURNS})["earlier"]
    assert earlier == (("user", "What is the capital of France?"), ("assistant", "Paris."))


def test_the_system_key_leaves_the_earlier_turns_out_and_the_system_prompt_in() -> None:
    alone = [TURNS[0], TURNS[3]]
    key = parse_conversation({"model": "auto", "messages": TURNS})["system_key"]
    assert key == parse_conversation({"model": "auto", "messages": alone})["system_key"]
    assert key != parse_conversation({"model": "auto", "messages": TURNS[1:]})["system_key"]


def test_another_endpoint_has_another_key() -> None:
    data = {"model": "auto", "messages": TURNS[1:]}
    chat, messages = parse_conversation(data), parse_conversation(data, "messages")
    assert chat["earlier"] == messages["earlier"]
    assert chat["system_key"] != messages["system_key"]


def test_a_request_without_messages_has_no_earlier_turns() -> None:
    assert parse_conversation({"model": "auto", "messages": "what"})["earlier"] == ()


def test_only_short_texts_are_tags_and_each_counts_once() -> None:
    assert parse_tags({"tags": ["a", "a", 3, "", "x" * 201, "b"]}) == ("a", "b")
    assert len(parse_tags({"tags": [str(number) for number in range(50)]})) == MAX_TAGS
    assert parse_tags({"tags": "a"}) == parse_tags(None) == ()


def body(question: str) -> dict[str, object]:
    turns = [("user", "first"), ("assistant", "said"), ("user", question)]
    return {"model": "auto", "messages": [{"role": role, "content": text} for role, text in turns]}


def test_harness_text_around_the_same_question_gives_another_key() -> None:
    plain, other = body("second"), body("second<system-reminder>the branch is red</system-reminder>")
    assert parse_conversation(plain)["system_key"] != parse_conversation(other)["system_key"]
    assert parse_conversation(plain)["system_key"] == parse_conversation(body("third"))["system_key"]


def test_a_turn_of_tool_results_is_no_question() -> None:
    data = body("second")
    results = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "1", "content": "ok"}]}
    messages = [*data["messages"], {"role": "assistant", "content": "x"}, results]  # type: ignore[misc]
    assert parse_conversation({**data, "messages": messages})["earlier"] == (("user", "first"), ("assistant", "said"))
