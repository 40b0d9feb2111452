"""What was said in a request, in the shape of chat messages, whichever endpoint it came in by."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tiergate.exchange import Endpoint

CHAT: Final[Endpoint] = "chat_completions"
RESPONSES_LOGPROBS = "message.output_text.logprobs"
"""What a client of /v1/responses puts into `include` for log-probabilities."""
_TEXT_PARTS = ("input_text", "output_text")
_TOOL_ITEMS = "function_call"
_JSON_FORMATS = ("json_object", "json_schema")


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """The turns of a request, and what its endpoint writes in a way of its own.

    Attributes:
        messages: The turns, oldest first. Where the endpoint has messages these are the very objects.
        unseen_turns: Turns that the provider keeps and the request only names.
        json_asked: Whether JSON was asked for.
        choices: Number of answers asked for; 0 for what no provider can read as a number.
        logprobs_asked: Whether log-probabilities were asked for.
    """

    messages: list[Mapping[str, Any]]
    unseen_turns: int = 0
    json_asked: bool = False
    choices: int = 1
    logprobs_asked: bool = False


def read_chat(data: Mapping[str, Any]) -> Conversation:
    """Read a request of /v1/chat/completions."""
    return Conversation(
        messages=_dicts(data.get("messages")),
        json_asked=_is_json(data.get("response_format")),
        choices=_count(data.get("n")),
        logprobs_asked=bool(data.get("logprobs")),
    )


def read_messages(data: Mapping[str, Any]) -> Conversation:
    """Read a request of /v1/messages. Anthropic gives one answer and no log-probabilities."""
    config = data.get("output_config")
    wanted = (config.get("format") if isinstance(config, Mapping) else None) or data.get("output_format")
    return Conversation(messages=_dicts(data.get("messages")), json_asked=_is_json(wanted))


def read_responses(data: Mapping[str, Any]) -> Conversation:
    """Read a request of /v1/responses: a text or a list of typed items.

    What an earlier response or a stored conversation holds is not here; it counts as one unseen turn.
    """
    given, text = data.get("input"), data.get("text")
    items = [{"role": "user", "content": given}] if isinstance(given, str) else _dicts(given)
    include = data.get("include")
    stored = data.get("previous_response_id") or data.get("conversation")
    return Conversation(
        messages=[_message(item) for item in items],
        unseen_turns=1 if stored or data.get("prompt") else 0,
        json_asked=_is_json(text.get("format") if isinstance(text, Mapping) else None),
        logprobs_asked=data.get("top_logprobs") is not None
        or (isinstance(include, list) and RESPONSES_LOGPROBS in include),
    )


def read_completions(data: Mapping[str, Any]) -> Conversation:
    """Read a request of /v1/completions: one prompt is one question; token ids are no text."""
    prompt = data.get("prompt")
    prompts: Sequence[Any] = prompt if isinstance(prompt, list) else [prompt]
    texts = all(isinstance(text, str) for text in prompts)
    content: Any = prompts[0] if texts and len(prompts) == 1 else prompts
    message = {"role": "user", "content": content, "suffix": data.get("suffix"), "echo": data.get("echo")}
    return Conversation(
        messages=[message],
        choices=_count(data.get("n")) * (len(prompts) if texts else 1),
        logprobs_asked=data.get("logprobs") is not None,
    )


CONVERSATIONS: Mapping[Endpoint, Callable[[Mapping[str, Any]], Conversation]] = {
    "chat_completions": read_chat,
    "messages": read_messages,
    "responses": read_responses,
    "completions": read_completions,
}


def _dicts(items: Any) -> list[Mapping[str, Any]]:
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []


def _message(item: Mapping[str, Any]) -> Mapping[str, Any]:
    """Write an item of /v1/responses as a message; what is no message keeps its fields under another role."""
    kind = str(item.get("type") or "message")
    if kind != "message":
        return {**item, "role": "tool" if kind.startswith(_TOOL_ITEMS) else "item", "content": item.get("content")}
    content = item.get("content")
    if isinstance(content, list):
        content = [
            {**part, "type": "text"} if isinstance(part, dict) and part.get("type") in _TEXT_PARTS else part
            for part in content
        ]
    return {**item, "content": content}


def _is_json(wanted: Any) -> bool:
    return isinstance(wanted, Mapping) and wanted.get("type") in _JSON_FORMATS


def _count(number: Any) -> int:
    """Return how many answers were asked for; 0 for what no provider can read as a number."""
    if number is None:
        return 1
    text = str(number)
    return int(text) if text.isascii() and text.isdecimal() else 0
