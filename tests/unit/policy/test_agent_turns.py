"""Harness text is not the question, continuations belong to their turn, and a stuck agent is noticed."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiergate.policy.agent_turns import find_human_turn, is_plan_mode, is_stalled, strip_harness

REMINDER = "<system-reminder>The date is today.</system-reminder>"


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


def call(name: str = "read", arguments: Any = '{"path": "a"}', call_id: str = "1") -> dict[str, Any]:
    function = {"name": name, "arguments": arguments}
    return {"role": "assistant", "content": None, "tool_calls": [{"id": call_id, "function": function}]}


def result(content: str, call_id: str = "1", **fields: Any) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": call_id, "content": content, **fields}


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (f"{REMINDER}\nWhat is a monad?", "What is a monad?"),
        (f"What is {REMINDER}a monad?", "What is a monad?"),
        (f"{REMINDER}{REMINDER.upper()}Why?", "Why?"),
        ("<system-reminder>never closed. Why?", "<system-reminder>never closed. Why?"),
        ("  kept as it is ", "  kept as it is "),
        ("\u0130<environment_context>x</environment_context>", "\u0130"),
    ],
)
def test_closed_blocks_are_taken_out_and_the_rest_stays(text: str, kept: str) -> None:
    assert strip_harness(text)[0] == kept


def test_other_markers_may_be_given() -> None:
    assert strip_harness("[[note]]x[[/note]] Why?", [("[[note]]", "[[/note]]")]) == ("Why?", "[[note]]x[[/note]]")


@given(st.text())
def test_text_without_blocks_is_untouched(text: str) -> None:
    if "<" not in text:
        assert strip_harness(text) == (text, "")


def test_the_human_turn_is_the_last_one_that_a_person_wrote() -> None:
    messages = [
        {"role": "system", "content": "s"},
        user("First?"),
        {"role": "assistant", "content": "a"},
        user(f"{REMINDER}Fix it."),
        call(),
        result("ok"),
        user(REMINDER),
    ]
    turn = find_human_turn(messages)
    assert turn is not None
    assert (turn.place, turn.text, turn.harness, turn.continues) == (3, "Fix it.", REMINDER, True)


def test_a_tool_result_in_a_user_turn_is_no_human_turn() -> None:
    parts = [{"type": "tool_result", "tool_use_id": "1", "content": "ok"}]
    turn = find_human_turn([user("Fix it."), {"role": "assistant", "content": "a"}, user(parts)])
    assert turn is not None
    assert (turn.text, turn.continues) == ("Fix it.", True)


def test_a_picture_alone_is_a_human_turn_and_harness_alone_the_last_resort() -> None:
    picture = find_human_turn([user("Before."), user([{"type": "image_url", "image_url": {}}])])
    assert picture is not None
    assert (picture.place, picture.text) == (1, "")
    harness = find_human_turn([user(REMINDER)])
    assert harness is not None
    assert (harness.text, harness.continues) == ("", False)
    assert find_human_turn([{"role": "system", "content": "s"}]) is None


def test_a_fresh_question_continues_nothing() -> None:
    turn = find_human_turn(
        [user("One?"), {"role": "assistant", "content": "a"}, user([{"type": "text", "text": "Two"}])]
    )
    assert turn is not None
    assert (turn.text, turn.continues) == ("Two", False)


@pytest.mark.parametrize(
    ("messages", "tools", "phrases", "planning"),
    [
        ([user("<system-reminder>Plan mode is active.</system-reminder> Do it")], [], [], True),
        ([{"role": "system", "content": 'You are running in "Plan" mode.'}, user("x")], [], [], True),
        ([user("x")], ["exit_plan_mode"], [], True),
        ([user("x")], ["ExitPlanMode"], [], False),
        ([user("PLANNING NOW: x")], [], ["planning now"], True),
        ([user("plan mode is active"), {"role": "assistant", "content": "a"}, user("go on")], [], [], False),
        ([], [], [], False),
    ],
)
def test_plan_mode(messages: Any, tools: list[str], phrases: list[str], planning: bool) -> None:  # noqa: FBT001
    assert is_plan_mode(messages, tools, phrases) is planning


def test_the_same_call_again_and_again_is_a_stall() -> None:
    same = [call(arguments='{"a": 1, "b": 2}'), call(arguments='{"b": 2, "a": 1}'), call(arguments={"a": 1, "b": 2})]
    assert is_stalled([user("x"), *same], window=8, repeats=3)
    assert not is_stalled([user("x"), *same, call("write")], window=8, repeats=3)
    assert not is_stalled([user("x"), *same[:2]], window=8, repeats=3)
    assert not is_stalled([user("x"), *same], window=8, repeats=0)
    assert not is_stalled([user("x")], window=8, repeats=1)
    assert is_stalled([call(arguments="{broken"), call(arguments="{broken")], window=8, repeats=2)


@pytest.mark.parametrize(
    ("answer", "failed"),
    [
        (result("Error: no such file", "{id}"), True),
        (result('{"error": "no"}', "{id}"), True),
        (result("fine", "{id}", status="error"), True),
        (result('{"error": ""}', "{id}"), False),
        (result("{not json", "{id}"), False),
        (result("errors: none", "{id}"), False),
    ],
)
def test_failing_calls_are_a_stall(answer: dict[str, Any], failed: bool) -> None:  # noqa: FBT001
    messages: list[dict[str, Any]] = [user("x")]
    for number in range(3):
        messages += [call(arguments=str(number), call_id=str(number)), {**answer, "tool_call_id": str(number)}]
    assert is_stalled(messages, window=8, repeats=3) is failed


def test_failures_in_anthropic_blocks_count_too() -> None:
    messages = [user("x")]
    for number in range(2):
        use = {"type": "tool_use", "id": str(number), "name": "read", "input": {"n": number}}
        answer = {"type": "tool_result", "tool_use_id": str(number), "is_error": True}
        messages += [{"role": "assistant", "content": [{"type": "text", "text": "So."}, use]}, user([answer])]
    assert is_stalled(messages, window=8, repeats=2)


def test_what_no_provider_would_send_is_passed_over() -> None:
    odd = {"role": "assistant", "content": 7, "tool_calls": ["x", {"function": None}, {"function": {"name": "a"}}]}
    assert not is_stalled([odd, user(["x"])], window=8, repeats=2)
