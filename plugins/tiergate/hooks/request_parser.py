"""LiteLLM's request data -> `Request`."""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from tiergate.errors import ControlRefusedError, ControlValueError
from tiergate.exchange import Endpoint, Request
from tiergate.hooks.conversation import CHAT, CONVERSATIONS, Conversation
from tiergate.settings import Policy

ENDPOINTS: Mapping[str, Endpoint] = {
    "acompletion": "chat_completions",
    "anthropic_messages": "messages",
    "aresponses": "responses",
    "atext_completion": "completions",
}
"""LiteLLM call types that tiergate handles; every other one passes through untouched."""

METADATA_KEYS: Mapping[Endpoint, str] = {
    "chat_completions": "metadata",
    "messages": "litellm_metadata",
    "responses": "litellm_metadata",
    "completions": "metadata",
}
"""Where LiteLLM keeps the caller's identity: on two endpoints `metadata` belongs to the client."""

ANSWER_NEUTRAL = frozenset(
    {"model", "messages", "stream", "stream_options", "user", "metadata", "litellm_metadata", "store", "timeout"}
)
"""Body keys that do not change the answer; whatever else the client sent becomes part of the context key."""
CONVERSATION_KEYS = frozenset({"input", "prompt"})
"""Body keys that hold the conversation on other endpoints; the context key has it in its parsed form."""


def parse_request(data: Mapping[str, Any], call_type: str, tenant: str | None, *, policy: Policy) -> Request:
    """Parse the data of one request.

    Args:
        data: LiteLLM's request data.
        call_type: LiteLLM's call type, one of `ENDPOINTS`.
        tenant: Hashed identity that answers may be shared with.
        policy: Says which request controls are allowed, and which tiers there are.

    Raises:
        ControlRefusedError: The client asked for a control that policy does not allow.
        ControlValueError: A control has a value that it cannot have.
    """
    endpoint = ENDPOINTS[call_type]
    spoken = CONVERSATIONS[endpoint](data)
    asked = find_question(spoken.messages)
    turns = [message for message in spoken.messages if message.get("role") not in ("system", "developer")]
    return Request(
        call_id=str(data.get("litellm_call_id", "")),
        endpoint=endpoint,
        entry_model=str(data.get("model", "")),
        tenant=tenant,
        prompt=content_text(asked.get("content")),
        context_key=digest_context(data, asked, spoken, endpoint=endpoint),
        turns=len(turns) + spoken.unseen_turns,
        stream=bool(data.get("stream")),
        json_asked=spoken.json_asked,
        has_tools=bool(data.get("tools") or data.get("functions")) or any(map(_uses_tools, spoken.messages)),
        text_only=all(_is_text(message.get("content")) for message in spoken.messages),
        choices=spoken.choices,
        max_tokens=_first_int(data.get("max_completion_tokens"), data.get("max_output_tokens"), data.get("max_tokens")),
        logprobs_asked=spoken.logprobs_asked,
        controls=_controls(data, policy),
    )


def find_question(messages: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return the last user turn that says something; a turn of tool results alone is none."""
    said = [message for message in messages if message.get("role") == "user"]
    return next(
        (message for message in reversed(said) if content_text(message.get("content"))), said[-1] if said else {}
    )


def take_controls(data: dict[str, Any], endpoint: Endpoint) -> None:
    """Take the controls out of metadata that goes to the provider, once they are parsed."""
    metadata = data.get("metadata")
    if METADATA_KEYS[endpoint] != "metadata" and isinstance(metadata, dict) and "tiergate" in metadata:
        data["metadata"] = {key: value for key, value in metadata.items() if key != "tiergate"}


def content_text(content: Any) -> str:
    """Return the text of a message's content, parts joined by newlines."""
    if isinstance(content, str):
        return content
    return "\n".join(part["text"] for part in content if _is_text_part(part)) if isinstance(content, list) else ""


def adapt_params(params: Mapping[str, Any], endpoint: Endpoint) -> Mapping[str, Any]:
    """Return a tier's parameters in the endpoint's words.

    Policy writes them for chat completions. /v1/responses has a place of its own for `reasoning_effort`;
    what else there is means nothing or something else on another endpoint and is left out there.
    """
    if endpoint == CHAT:
        return params
    if endpoint == "responses" and "reasoning_effort" in params:
        return {"reasoning": {"effort": params["reasoning_effort"]}}
    return {}


def digest_context(
    data: Mapping[str, Any],
    asked: Mapping[str, Any],
    spoken: Conversation | None = None,
    *,
    endpoint: Endpoint = CHAT,
) -> str:
    """Digest everything but the text of the last user turn that changes the answer: 32 hexadecimal digits.

    Args:
        data: LiteLLM's request data.
        asked: The last user turn, the very object among the messages; empty when there is none.
        spoken: The conversation where it is not in `data["messages"]`.
        endpoint: Answers of one endpoint are not served on another.
    """
    sent = (data.get("proxy_server_request") or {}).get("body") or data
    messages = data.get("messages") if endpoint == CHAT or spoken is None else spoken.messages
    neutral = ANSWER_NEUTRAL if endpoint == CHAT else ANSWER_NEUTRAL | CONVERSATION_KEYS
    settings = {key: data.get(key) for key in sent if key not in neutral}
    around = {key: value for key, value in asked.items() if key != "content"}
    context = (
        [around if message is asked else message for message in messages] if isinstance(messages, list) else messages
    )
    parts = [data.get("model"), context, settings, *([] if endpoint == CHAT else [endpoint])]
    text = json.dumps(parts, sort_keys=True, default=str, ensure_ascii=False)
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


def _uses_tools(message: Mapping[str, Any]) -> bool:
    content = message.get("content")
    parts = content if isinstance(content, list) else ()
    return (
        message.get("role") in ("tool", "function")
        or bool(message.get("tool_calls"))
        or any(isinstance(part, dict) and part.get("type") in ("tool_use", "tool_result") for part in parts)
    )


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
