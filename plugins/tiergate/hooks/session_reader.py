"""LiteLLM's request data -> its session's name, and the tool calls of its conversation."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tiergate.exchange import Request
from tiergate.hooks.conversation import CONVERSATIONS
from tiergate.hooks.request_needs import content_text
from tiergate.hooks.request_parser import METADATA_KEYS
from tiergate.policy.session import canonical_arguments, name_session, reads_as_failure

_SESSION_FIELDS = ("litellm_session_id", "session_id")
_OUTPUT = "function_call_output"


def read_session(request: Request, data: Mapping[str, Any]) -> str | None:
    """Return the hashed name of a request's session; None when it belongs to none.

    The client's control comes first, then LiteLLM's own session fields, then how the conversation begins.
    """
    metadata = data.get(METADATA_KEYS[request.endpoint])
    places: tuple[Any, ...] = (data, metadata) if isinstance(metadata, Mapping) else (data,)
    named = [place.get(name) for place in places for name in _SESSION_FIELDS]
    given = next(
        (name for name in (request.controls.get("session_id"), *named) if isinstance(name, str) and name), None
    )
    messages = CONVERSATIONS[request.endpoint](data).messages
    first = next((place for place, message in enumerate(messages) if message.get("role") == "user"), -1)
    opening = [request.endpoint, data.get("system"), data.get("instructions"), messages[: first + 1]]
    return name_session(request.tenant, given=given, opening=opening, turns=first + 1)


def read_tool_calls(request: Request, data: Mapping[str, Any]) -> Sequence[tuple[str, str, bool]]:
    """Return (tool, arguments, failed) of each tool call that has a result, oldest first."""
    calls: dict[str, tuple[str, str]] = {}
    done = []
    for message in CONVERSATIONS[request.endpoint](data).messages:
        for call_id, name, arguments in _calls(message):
            calls[call_id] = (name, canonical_arguments(arguments))
        done += [(*calls[call_id], failed) for call_id, failed in _results(message) if call_id in calls]
    return done


def _calls(message: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
    for call in message.get("tool_calls") or ():
        function = call.get("function") if isinstance(call, Mapping) else None
        if isinstance(function, Mapping):
            yield str(call.get("id")), str(function.get("name")), function.get("arguments")
    for part in _parts(message):
        if part.get("type") == "tool_use":
            yield str(part.get("id")), str(part.get("name")), part.get("input")
    if message.get("type") == "function_call":
        yield str(message.get("call_id")), str(message.get("name")), message.get("arguments")


def _results(message: Mapping[str, Any]) -> Iterator[tuple[str, bool]]:
    if message.get("type") == _OUTPUT:
        yield str(message.get("call_id")), _failed(message.get("output"))
    elif message.get("role") == "tool":
        yield str(message.get("tool_call_id")), _failed(message.get("content"))
    for part in _parts(message):
        if part.get("type") == "tool_result":
            yield str(part.get("tool_use_id")), bool(part.get("is_error")) or _failed(part.get("content"))


def _failed(content: Any) -> bool:
    text = content if isinstance(content, str) else content_text(content) or json.dumps(content, default=str)
    return reads_as_failure(text)


def _parts(message: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    content = message.get("content")
    return [part for part in content if isinstance(part, Mapping)] if isinstance(content, list) else ()
