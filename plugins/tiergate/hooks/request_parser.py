"""LiteLLM's request data -> `Request`."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from tiergate.exchange import Endpoint, Request
from tiergate.hooks.conversation import CHAT, CONVERSATIONS, Conversation
from tiergate.hooks.request_controls import read_controls
from tiergate.hooks.request_needs import (
    answer_schema,
    digest_turn,
    estimate_tokens,
    is_text_part,
    needs_of,
    tool_names,
    tool_schemas,
)
from tiergate.policy.agent_turns import BUILTIN_MARKERS, Marker, find_human_turn, is_plan_mode, is_stalled
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
    messages = spoken.messages
    turn = find_human_turn(messages, harness_markers(policy))
    asked = messages[turn.place] if turn is not None else {}
    turns = [message for message in messages if message.get("role") not in ("system", "developer")]
    return Request(
        call_id=str(data.get("litellm_call_id", "")),
        endpoint=endpoint,
        entry_model=str(data.get("model", "")),
        tenant=tenant,
        prompt=turn.text if turn is not None else "",
        context_key=digest_context(
            data, asked, spoken, endpoint=endpoint, harness=turn.harness if turn is not None else ""
        ),
        turns=len(turns) + spoken.unseen_turns,
        stream=bool(data.get("stream")),
        json_asked=spoken.json_asked,
        has_tools=bool(data.get("tools") or data.get("functions")) or any(map(_uses_tools, messages)),
        text_only=all(_is_text(message.get("content")) for message in messages),
        choices=spoken.choices,
        max_tokens=_first_int(data.get("max_completion_tokens"), data.get("max_output_tokens"), data.get("max_tokens")),
        logprobs_asked=spoken.logprobs_asked,
        controls=read_controls(data, policy),
        needs=needs_of(data, messages),
        estimated_tokens=estimate_tokens(data, messages),
        turn_key=digest_turn(data, messages, turn, tenant),
        continues=turn is not None and turn.continues,
        stalled=turn is not None
        and is_stalled(messages, window=policy.agents.stall_window, repeats=policy.agents.stall_repeats),
        plan_mode=is_plan_mode(messages, tool_names(data), policy.agents.plan_mode_phrases),
        tool_schemas=tool_schemas(data),
        answer_schema=answer_schema(data),
    )


def harness_markers(policy: Policy) -> tuple[Marker, ...]:
    """Return the opening and closing texts of the blocks that are no part of a question."""
    return (*BUILTIN_MARKERS, *((marker.open, marker.close) for marker in policy.agents.harness_markers))


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
    harness: str = "",
) -> str:
    """Digest everything but the text of the last user turn that changes the answer: 32 hexadecimal digits.

    Args:
        data: LiteLLM's request data.
        asked: The last user turn, the very object among the messages; empty when there is none.
        spoken: The conversation where it is not in `data["messages"]`.
        endpoint: Answers of one endpoint are not served on another.
        harness: Blocks of an agent harness that were taken out of that turn: they may change the answer.
    """
    sent = (data.get("proxy_server_request") or {}).get("body") or data
    messages = data.get("messages") if endpoint == CHAT or spoken is None else spoken.messages
    neutral = ANSWER_NEUTRAL if endpoint == CHAT else ANSWER_NEUTRAL | CONVERSATION_KEYS
    settings = {key: data.get(key) for key in sent if key not in neutral}
    around = {key: value for key, value in asked.items() if key != "content"}
    if harness:
        around["harness"] = harness
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
        return all(is_text_part(part) for part in content)
    return content is None or isinstance(content, str)


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
