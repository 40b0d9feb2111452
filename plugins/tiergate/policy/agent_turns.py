"""What an agent's conversation says besides its question: harness text, the human turn, plan mode, stalled tools.

A coding agent sends the whole conversation again with every tool result, and wraps reminders and environment
descriptions into user turns. None of that is the question, so none of it may choose the tier.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

Messages = Sequence[Mapping[str, Any]]
Marker = tuple[str, str]

BUILTIN_MARKERS: Final[tuple[Marker, ...]] = (
    ("<system-reminder>", "</system-reminder>"),
    ("<environment_context>", "</environment_context>"),
    ("<environment_details>", "</environment_details>"),
    ("<user_instructions>", "</user_instructions>"),
    ("<local-command-stdout>", "</local-command-stdout>"),
)
"""Opening and closing text of blocks that agent harnesses put into user turns, in lower case."""

PLAN_MODE_PHRASES: Final = ("plan mode is active", "plan mode still active", 'running in "plan" mode')
PLAN_MODE_TOOL: Final = "exit_plan_mode"
_RESULT_ROLES: Final = ("tool", "function")  # tuples: a client may send a role that has no hash
_SYSTEM_ROLES: Final = ("system", "developer")


@dataclass(frozen=True, slots=True, kw_only=True)
class HumanTurn:
    """The last turn that a person wrote.

    Attributes:
        place: Index of its message.
        text: Its text without harness blocks.
        harness: The blocks that were taken out, joined by newlines; empty when there were none.
        continues: Whether the agent has answered it already: tool calls or results stand behind it.
    """

    place: int
    text: str
    harness: str
    continues: bool


def strip_harness(text: str, markers: Sequence[Marker] = BUILTIN_MARKERS) -> tuple[str, str]:
    """Return the text without harness blocks, and the blocks.

    A block that is not closed stays: cutting to the end of the text could take the question with it. Markers are
    matched whatever their case, in time linear in the text for each marker.

    Args:
        text: Text of a user turn.
        markers: Pairs of opening and closing text.
    """
    removed = []
    for opening, closing in markers:
        opening_key, closing_key = opening.lower(), closing.lower()
        lowered, kept, at = text.lower(), [], 0
        if len(lowered) != len(text):  # a letter whose lower case is longer: places would not match
            lowered = text
        while (start := lowered.find(opening_key, at)) >= 0:
            end = lowered.find(closing_key, start + len(opening_key))
            if end < 0:
                break
            kept.append(text[at:start])
            at = end + len(closing_key)
            removed.append(text[start:at])
        if kept:
            text = "".join([*kept, text[at:]])
    return (text.strip() if removed else text), "\n".join(removed)


def find_human_turn(messages: Messages, markers: Sequence[Marker] = BUILTIN_MARKERS) -> HumanTurn | None:
    """Return the last user turn that is more than tool results and harness text, or None without a user turn.

    When every user turn is such a turn, the last one counts.

    Args:
        messages: The conversation, oldest first.
        markers: Pairs of opening and closing text of harness blocks.
    """
    last: HumanTurn | None = None
    for place in range(len(messages) - 1, -1, -1):
        if messages[place].get("role") != "user":
            continue
        content = messages[place].get("content")
        text, harness = strip_harness(_text_of(content), markers)
        behind = any(message.get("role") not in _SYSTEM_ROLES for message in messages[place + 1 :])
        turn = HumanTurn(place=place, text=text, harness=harness, continues=behind)
        if text.strip() or not (harness or _holds(content, "tool_result")):
            return turn
        last = last or turn
    return last


def is_plan_mode(messages: Messages, tool_names: Sequence[str], phrases: Sequence[str] = ()) -> bool:
    """Tell whether an agent asks for a plan: by its tools, its system prompt or its newest user turn.

    Args:
        messages: The conversation, oldest first.
        tool_names: Names of the tools on offer.
        phrases: Phrases of other clients, besides `PLAN_MODE_PHRASES`; matched whatever their case.
    """
    if any(name.lower().replace("-", "_") == PLAN_MODE_TOOL for name in tool_names):
        return True
    newest = next((message for message in reversed(messages) if message.get("role") == "user"), {})
    places = [newest, *(message for message in messages if message.get("role") in _SYSTEM_ROLES)]
    wanted = (*PLAN_MODE_PHRASES, *(phrase.lower() for phrase in phrases))
    texts = [_text_of(message.get("content")).lower() for message in places]
    return any(phrase in text for text in texts for phrase in wanted)


def is_stalled(messages: Messages, *, window: int, repeats: int) -> bool:
    """Tell whether the newest tool call is part of a stuck pattern: the same call again, or failures in a row.

    Both counts are anchored on the newest call, so a task that got over its trouble is not stalled any more.

    Args:
        messages: The conversation, oldest first.
        window: How many of the newest calls are looked at.
        repeats: How often a call must be repeated, or calls must fail, within the window; 0 never stalls.
    """
    if repeats <= 0:
        return False
    recent = list(islice(_calls_newest_first(messages), window))
    if not recent:
        return False
    (newest, failed) = recent[0]
    if sum(call == newest for call, _ in recent) >= repeats:
        return True
    return failed and sum(fail for _, fail in recent) >= repeats


def _calls_newest_first(messages: Messages) -> Iterator[tuple[tuple[str, str], bool]]:
    failed = _failed_calls(messages)
    for message in reversed(messages):
        if message.get("role") != "assistant":
            continue
        for part in reversed(_parts(message.get("content"))):
            if part.get("type") == "tool_use":
                yield _signature(part.get("name"), part.get("input")), str(part.get("id")) in failed
        calls = message.get("tool_calls")
        for call in reversed(calls if isinstance(calls, list) else []):
            function = call.get("function") if isinstance(call, Mapping) else None
            if isinstance(function, Mapping):
                yield _signature(function.get("name"), function.get("arguments")), str(call.get("id")) in failed


def _failed_calls(messages: Messages) -> frozenset[str]:
    """Return the ids of calls whose result says that they failed."""
    failed = set()
    for message in messages:
        if message.get("role") in _RESULT_ROLES and _says_error(message):
            failed.add(str(message.get("tool_call_id")))
        for part in _parts(message.get("content")):
            if part.get("type") == "tool_result" and part.get("is_error"):
                failed.add(str(part.get("tool_use_id")))
    return frozenset(failed)


def _says_error(message: Mapping[str, Any]) -> bool:
    """Chat completions have no error flag: an explicit status, or JSON whose only news is an error, counts."""
    if message.get("status") == "error" or message.get("is_error") is True:
        return True
    text = _text_of(message.get("content")).lstrip()
    if text[:6].lower() == "error:":
        return True
    try:
        result = json.loads(text) if text.startswith("{") else None
    except ValueError:
        return False
    return isinstance(result, dict) and bool(result.get("error") or result.get("is_error"))


def _signature(name: Any, arguments: Any) -> tuple[str, str]:
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments)
        except ValueError:
            return str(name), arguments
    return str(name), json.dumps(arguments, sort_keys=True, default=str)


def _parts(content: Any) -> list[Mapping[str, Any]]:
    return [part for part in content if isinstance(part, Mapping)] if isinstance(content, list) else []


def _holds(content: Any, kind: str) -> bool:
    return any(part.get("type") == kind for part in _parts(content))


def _text_of(content: Any) -> str:
    if isinstance(content, str):
        return content
    texts = [part.get("text") for part in _parts(content) if part.get("type") == "text"]
    return "\n".join(text for text in texts if isinstance(text, str))
