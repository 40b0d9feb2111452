"""Earlier turns and their key: harness blocks are no question, but they change the key."""

from tiergate.hooks.earlier_turns import parse_conversation


def body(question: str) -> dict[str, object]:
    turns = [("user", "first"), ("assistant", "said"), ("user", question)]
    return {"model": "auto", "messages": [{"role": role, "content": text} for role, text in turns]}


def test_the_turns_before_the_question_are_told() -> None:
    assert parse_conversation(body("second"))["earlier"] == (("user", "first"), ("assistant", "said"))


def test_harness_text_around_the_same_question_gives_another_key() -> None:
    plain, other = body("second"), body("second<system-reminder>the branch is red</system-reminder>")
    assert parse_conversation(plain)["system_key"] != parse_conversation(other)["system_key"]
    assert parse_conversation(plain)["system_key"] == parse_conversation(body("third"))["system_key"]


def test_a_turn_of_tool_results_is_no_question() -> None:
    data = body("second")
    results = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "1", "content": "ok"}]}
    messages = [*data["messages"], {"role": "assistant", "content": "x"}, results]  # type: ignore[misc]
    assert parse_conversation({**data, "messages": messages})["earlier"] == (("user", "first"), ("assistant", "said"))
