"""LiteLLM's request data -> `Request`."""

import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any

from tiergate.errors import ControlRefusedError, ControlValueError
from tiergate.exchange import Endpoint, Request
from tiergate.settings import Policy

ENDPOINTS: Mapping[str, Endpoint] = {"acompletion": "chat_completions"}
"""LiteLLM call types that tiergate handles; every other one passes through untouched."""

ANSWER_NEUTRAL = frozenset(
    {"model", "messages", "stream", "stream_options", "user", "metadata", "litellm_metadata", "store", "timeout"}
)
"""Body keys that do not change the answer; whatever else the client sent becomes part of the context key."""


def parse_request(data: Mapping[str, Any], call_type: str, tenant: str | None, *, policy: Policy) -> Request:
    """Parse the data of one chat completion.

    Args:
        data: LiteLLM's request data.
        call_type: LiteLLM's call type, one of `ENDPOINTS`.
        tenant: Hashed identity that answers may be shared with.
        policy: Says which request controls are allowed, and which tiers there are.

    Raises:
        ControlRefusedError: The client asked for a control that policy does not allow.
        ControlValueError: A control has a value that it cannot have.
    """
    sent = data.get("messages")
    messages = [message for message in sent if isinstance(message, dict)] if isinstance(sent, list) else []
    asked = next((message for message in reversed(messages) if message.get("role") == "user"), {})
    turns = [message for message in messages if message.get("role") not in ("system", "developer")]
    return Request(
        call_id=str(data.get("litellm_call_id", "")),
        endpoint=ENDPOINTS[call_type],
        entry_model=str(data.get("model", "")),
        tenant=tenant,
        prompt=content_text(asked.get("content")),
        context_key=digest_context(data, asked),
        turns=len(turns),
        stream=bool(data.get("stream")),
        json_asked=_asks_json(data.get("response_format")),
        has_tools=bool(data.get("tools") or data.get("functions"))
        or any(message.get("role") in ("tool", "function") or message.get("tool_calls") for message in messages),
        text_only=all(_is_text(message.get("content")) for message in messages),
        choices=_count(data.get("n")),
        max_tokens=_first_int(data.get("max_completion_tokens"), data.get("max_tokens")),
        logprobs_asked=bool(data.get("logprobs")),
        controls=_controls(data, policy),
    )


def content_text(content: Any) -> str:
    """Return the text of a message's content, parts joined by newlines."""
    if isinstance(content, str):
        return content
    return "\n".join(part["text"] for part in content if _is_text_part(part)) if isinstance(content, list) else ""


def digest_context(data: Mapping[str, Any], asked: Mapping[str, Any]) -> str:
    """Digest everything but the text of the last user turn that changes the answer: 32 hexadecimal digits.

    Args:
        data: LiteLLM's request data.
        asked: The last user turn, the very object in `data["messages"]`; empty when there is none.
    """
    sent, messages = (data.get("proxy_server_request") or {}).get("body") or data, data.get("messages")
    settings = {key: data.get(key) for key in sent if key not in ANSWER_NEUTRAL}
    around = {key: value for key, value in asked.items() if key != "content"}
    context = (
        [around if message is asked else message for message in messages] if isinstance(messages, list) else messages
    )
    text = json.dumps([data.get("model"), context, settings], sort_keys=True, default=str, ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def copy_containers(value: Any) -> Any:
    """Copy dictionaries and lists at every depth and share the rest.

    LiteLLM's metadata holds objects that cannot be copied, and logs asynchronously from the very
    dictionaries it was handed: two calls must never share one.
    """
    if isinstance(value, dict):
        return {key: copy_containers(item) for key, item in value.items()}
    return [copy_containers(item) for item in value] if isinstance(value, list) else value


def _is_text(content: Any) -> bool:
    if isinstance(content, list):
        return all(_is_text_part(part) for part in content)
    return content is None or isinstance(content, str)


def _is_text_part(part: Any) -> bool:
    return isinstance(part, dict) and part.get("type") == "text" and isinstance(part.get("text"), str)


def _asks_json(response_format: Any) -> bool:
    return isinstance(response_format, dict) and response_format.get("type") in ("json_object", "json_schema")


def _count(number: Any) -> int:
    """Return how many answers were asked for; 0 for what no provider can read as a number."""
    if number is None:
        return 1
    text = str(number)
    return int(text) if text.isascii() and text.isdecimal() else 0


def _first_int(*values: Any) -> int | None:
    return next((value for value in values if isinstance(value, int)), None)


def _controls(data: Mapping[str, Any], policy: Policy) -> dict[str, Any]:
    metadata = data.get("metadata")
    controls = metadata.get("tiergate") if isinstance(metadata, dict) else None
    if controls is None:
        return {}
    if not isinstance(controls, dict):
        raise ControlValueError("", "a mapping of controls")
    for name, value in controls.items():
        if name not in policy.controls:
            raise ControlRefusedError(str(name))
        _check_control(name, value, policy)
    return dict(controls)


def _check_control(name: str, value: Any, policy: Policy) -> None:
    """Refuse a value that a stage would have to ignore."""
    choices = {"cache": ("off", "refresh"), "start_tier": policy.tier_names}.get(name)
    if choices is not None:
        if value not in choices:
            raise ControlValueError(name, f"one of {', '.join(choices)}")
    elif name == "session_id":
        if not isinstance(value, str) or not value:
            raise ControlValueError(name, "a text")
    elif isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise ControlValueError(name, "a number above 0")
