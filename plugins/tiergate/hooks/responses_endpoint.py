"""Answers of /v1/responses: ResponsesAPIResponse, and streams of typed events."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tiergate.exchange import Answer, TokenLogprob
from tiergate.hooks.answer_parser import parse_logprobs, parse_usage, read_field
from tiergate.hooks.conversation import RESPONSES_LOGPROBS
from tiergate.hooks.stored_body import write_stored_body

_INCOMPLETE = {"max_output_tokens": "length", "content_filter": "content_filter"}
_FINAL = frozenset({"response.completed", "response.incomplete", "response.failed"})
_TEXT_DELTA = "response.output_text.delta"
_HOLDERS = ("part", "item", "response")
"""Fields of an event that may hold log-probabilities deeper down."""


@dataclass(frozen=True, slots=True)
class ResponsesFormat:
    """Reads answers of /v1/responses. Reasoning items are passed on and never read."""

    call_type: str = "aresponses"

    def parse(self, response: Any, *, logprobs: tuple[TokenLogprob, ...] | None = None) -> Answer:
        """Parse a response; see `AnswerFormat.parse`."""
        items = _items(response)
        parts = [part for item in items for part in _parts(item)]
        texts = [str(read_field(part, "text") or "") for part in parts if _type(part) == "output_text"]
        refusals = [str(read_field(part, "refusal") or "") for part in parts if _type(part) == "refusal"]
        calls = tuple(
            (str(read_field(item, "name") or ""), str(read_field(item, "arguments") or ""))
            for item in items
            if _type(item) == "function_call"
        )
        given = tuple(token for part in parts for token in parse_logprobs({"content": read_field(part, "logprobs")}))
        return Answer(
            text="".join(texts or refusals),
            finish_reason=_finish_reason(response, called=bool(calls)),
            refusal=bool(refusals),
            logprobs=given if logprobs is None else logprobs,
            tool_arguments=calls,
        )

    def ask_logprobs(self, kwargs: Mapping[str, Any], model: str, top: int) -> dict[str, Any] | None:
        """Ask by `include`, OpenAI's own models only; see `AnswerFormat.ask_logprobs`."""
        if not model.startswith("openai/"):
            return None
        asked = {**kwargs, "include": [*(kwargs.get("include") or ()), RESPONSES_LOGPROBS]}
        return asked | ({"top_logprobs": top} if top else {})

    def strip(self, response: Any) -> None:
        """Empty the log-probabilities of a response or an event; see `AnswerFormat.strip`."""
        if read_field(response, "logprobs"):
            _empty(response)
        for name in _HOLDERS:
            inner = read_field(response, name)
            if inner is not None and not isinstance(inner, str):
                self.strip(inner)
        for part in (*_items(response), *_parts(response)):
            self.strip(part)

    def copy(self, chunk: Any) -> Any:
        """Return a deep copy of an event."""
        return chunk.model_copy(deep=True)

    def read_piece(self, chunk: Any) -> tuple[str, tuple[TokenLogprob, ...]]:
        """Return text and log-probabilities of an event; see `AnswerFormat.read_piece`."""
        if _type(chunk) != _TEXT_DELTA:
            return "", ()
        return str(read_field(chunk, "delta") or ""), parse_logprobs({"content": read_field(chunk, "logprobs")})

    def assemble(self, chunks: Sequence[Any], messages: Any) -> Any:
        """Return the response in the last event; None when the stream did not end; see `AnswerFormat.assemble`."""
        del messages
        last = next((chunk for chunk in reversed(chunks) if _type(chunk) in _FINAL), None)
        return None if last is None else read_field(last, "response")

    def stored_body(self, response: Any, answer: Answer) -> Mapping[str, Any] | None:
        """Return the answer as a chat completion where it is text alone; see `AnswerFormat.stored_body`."""
        items = _items(response)
        plain = all(
            _type(item) == "message"
            and all(_type(part) == "output_text" and not read_field(part, "annotations") for part in _parts(item))
            for item in items
        )
        if not plain or read_field(response, "previous_response_id"):
            return None
        return write_stored_body(answer, parse_usage(response), str(read_field(response, "model") or ""))


def _finish_reason(response: Any, *, called: bool) -> str | None:
    details = read_field(response, "incomplete_details")
    if details is not None:
        reason = str(read_field(details, "reason"))
        return _INCOMPLETE.get(reason, reason)
    status = str(read_field(response, "status") or "")
    if status and status != "completed":
        return status
    return "tool_calls" if called else "stop"


def _type(value: Any) -> str:
    kind = read_field(value, "type")
    return str(getattr(kind, "value", kind) or "")


def _items(response: Any) -> Sequence[Any]:
    output = read_field(response, "output")
    return output if isinstance(output, list) else ()


def _parts(item: Any) -> Sequence[Any]:
    content = read_field(item, "content")
    return content if isinstance(content, list) else ()


def _empty(holder: Any) -> None:
    if isinstance(holder, dict):
        holder["logprobs"] = []
    else:
        holder.logprobs = []
