"""Answers of /v1/messages: Anthropic's dictionaries, and streams of server-sent events as bytes."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tiergate.exchange import Answer, TokenLogprob
from tiergate.hooks.answer_parser import parse_usage
from tiergate.hooks.stored_body import write_stored_body

FINISH_REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}
_DELTAS = {"text_delta": "text", "input_json_delta": "partial_json", "thinking_delta": "thinking"}


@dataclass(frozen=True, slots=True)
class MessagesFormat:
    """Reads answers of /v1/messages. Thinking is passed on and never read."""

    call_type: str = "anthropic_messages"

    def parse(self, response: Any, *, logprobs: tuple[TokenLogprob, ...] | None = None) -> Answer:
        """Parse a message; see `AnswerFormat.parse`."""
        message = response if isinstance(response, Mapping) else {}
        blocks = _blocks(message)
        stop = message.get("stop_reason")
        return Answer(
            text="".join(str(block.get("text") or "") for block in blocks if block.get("type") == "text"),
            finish_reason=FINISH_REASONS.get(str(stop), stop),
            refusal=stop == "refusal",
            logprobs=logprobs or (),
            tool_arguments=tuple(
                (str(block.get("name") or ""), _arguments(block.get("input")))
                for block in blocks
                if block.get("type") == "tool_use"
            ),
        )

    def ask_logprobs(self, kwargs: Mapping[str, Any], model: str, top: int) -> dict[str, Any] | None:
        """Return None: this endpoint has no log-probabilities."""
        del kwargs, model, top
        return None

    def strip(self, response: Any) -> None:
        """Do nothing: this endpoint has no log-probabilities."""

    def copy(self, chunk: Any) -> Any:
        """Return the chunk: bytes do not change."""
        return chunk

    def read_piece(self, chunk: Any) -> tuple[str, tuple[TokenLogprob, ...]]:
        """Return the text in a chunk; see `AnswerFormat.read_piece`."""
        deltas = (event.get("delta") or {} for event in read_events([chunk]))
        return "".join(str(delta.get("text") or "") for delta in deltas if delta.get("type") == "text_delta"), ()

    def assemble(self, chunks: Sequence[Any], messages: Any) -> Any:
        """Build the message that a stream amounts to; None when it did not end; see `AnswerFormat.assemble`."""
        del messages
        message: dict[str, Any] = {}
        parts: dict[int, dict[str, Any]] = {}
        for event in read_events(chunks):
            _apply(message, parts, event)
        if not message.get("stop_reason"):
            return None
        return message | {"content": [_finish(parts[index]) for index in sorted(parts)]}

    def stored_body(self, response: Any, answer: Answer) -> Mapping[str, Any] | None:
        """Return the answer as a chat completion where it is text alone; see `AnswerFormat.stored_body`."""
        blocks = _blocks(response) if isinstance(response, Mapping) else ()
        if any(block.get("type") != "text" or block.get("citations") for block in blocks):
            return None
        return write_stored_body(answer, parse_usage(response), str(response.get("model") or ""))


def read_events(chunks: Sequence[Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the data of server-sent events, which chunks may hold several of or parts of."""
    text = b"".join(chunk if isinstance(chunk, bytes) else str(chunk).encode() for chunk in chunks)
    for line in text.decode("utf-8", "replace").splitlines():
        if line.startswith("data:"):
            try:
                event = json.loads(line.removeprefix("data:"))
            except ValueError:
                continue
            if isinstance(event, dict):
                yield event


def _apply(message: dict[str, Any], parts: dict[int, dict[str, Any]], event: Mapping[str, Any]) -> None:
    kind, index = event.get("type"), event.get("index", 0)
    if kind == "message_start":
        message.update(event.get("message") or {})
    elif kind == "content_block_start":
        parts[index] = dict(event.get("content_block") or {})
    elif kind == "content_block_delta":
        delta = event.get("delta") or {}
        name = _DELTAS.get(str(delta.get("type")))
        if name is not None:
            block = parts.setdefault(index, {"type": "text"})
            block[name] = str(block.get(name) or "") + str(delta.get(name) or "")
    elif kind == "message_delta":
        message.update(event.get("delta") or {})
        usage = message.get("usage") or {}
        message["usage"] = usage | {
            key: value for key, value in (event.get("usage") or {}).items() if value is not None
        }


def _finish(block: dict[str, Any]) -> dict[str, Any]:
    """Give a tool call the arguments that came in pieces: as data, or as they are when they are none."""
    if "partial_json" not in block:
        return block
    pieces = block.pop("partial_json")
    try:
        return block | {"input": json.loads(pieces or "{}")}
    except ValueError:
        return block | {"input": pieces}


def _blocks(message: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    content = message.get("content")
    return [block for block in content if isinstance(block, Mapping)] if isinstance(content, list) else ()


def _arguments(given: Any) -> str:
    return given if isinstance(given, str) else json.dumps(given if given is not None else {})
