"""Anthropic's messages endpoint."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tiergate.demo.answers import Asked, StandInAnswer, Tool, count_prompt_tokens, split_tokens
from tiergate.demo.openai_chat import split_pieces
from tiergate.demo.wire import (
    BadRequestError,
    Frame,
    encode_json,
    find_question,
    read_field,
    read_model,
    read_text,
)

_STOP_REASONS = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
}
_ERRORS = {
    400: "invalid_request_error",
    401: "authentication_error",
    404: "not_found_error",
    429: "rate_limit_error",
    503: "overloaded_error",
}


def _read_schema(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    wanted = read_field(body, "output_config", dict, {}).get("format") or body.get("output_format") or {}
    return wanted.get("schema", {}) if wanted.get("type") == "json_schema" else None


@dataclass(frozen=True, slots=True)
class Messages:
    """`POST /v1/messages`. Anthropic gives no log-probabilities, whoever asks."""

    endpoint: str = "/v1/messages"

    def parse(self, body: Mapping[str, Any]) -> Asked:
        """Read a request; see `Wire.parse`."""
        messages = read_field(body, "messages", list, [])
        if not messages:
            raise BadRequestError("messages: at least one message is required", "messages")
        limit = read_field(body, "max_tokens", int, 0)
        if limit < 1:
            raise BadRequestError("max_tokens: Field required", "max_tokens")
        texts = [read_text(message.get("content")) for message in messages if isinstance(message, Mapping)]
        system = read_text(body.get("system"))
        choice = read_field(body, "tool_choice", dict, {})
        tools = [] if choice.get("type") == "none" else read_field(body, "tools", list, [])
        forced = {"any": "", "tool": choice.get("name")}
        return Asked(
            model=read_model(body),
            question=find_question(messages),
            prompt_tokens=count_prompt_tokens([*texts, *([system] if system else [])]),
            stream=read_field(body, "stream", bool, default=False),
            max_tokens=limit,
            stop=tuple(map(str, read_field(body, "stop_sequences", list, []))),
            schema=_read_schema(body),
            tools=tuple(Tool(name=str(tool.get("name")), schema=tool.get("input_schema") or {}) for tool in tools),
            tool_forced=forced.get(str(choice.get("type"))),
            thinking=read_field(body, "thinking", dict, {}).get("type") in {"enabled", "adaptive"},
        )

    def render(self, asked: Asked, answers: Sequence[StandInAnswer], serial: str) -> dict[str, Any]:
        """Return the body; see `Wire.render`."""
        answer = answers[0]
        return _render_head(asked, serial) | {
            "content": _render_blocks(answer, serial),
            "stop_reason": _render_stop_reason(answer),
            "usage": _render_usage(asked, answer.completion_tokens),
        }

    def render_stream(self, asked: Asked, answers: Sequence[StandInAnswer], serial: str) -> Iterator[Frame]:
        """Yield the typed events; see `Wire.render_stream`."""
        answer = answers[0]
        started = _render_head(asked, serial) | {"usage": _render_usage(asked, 1)}
        yield _event("message_start", message=started)
        yield _event("ping")
        for index, block in enumerate(_render_blocks(answer, serial)):
            opened, deltas = _stream_block(block, answer)
            yield _event("content_block_start", index=index, content_block=opened)
            for delta in deltas:
                yield _event("content_block_delta", paced=True, index=index, delta=delta)
            yield _event("content_block_stop", index=index)
        yield _event(
            "message_delta",
            delta={"stop_reason": _render_stop_reason(answer), "stop_sequence": None},
            usage={"output_tokens": answer.completion_tokens},
        )
        yield _event("message_stop")

    def render_error(self, status: int, message: str, param: str | None, code: str | None) -> dict[str, Any]:
        """Return an error; see `Wire.render_error`. Anthropic names neither field nor code."""
        del param, code
        return {"type": "error", "error": {"type": _ERRORS.get(status, "api_error"), "message": message}}


def _event(kind: str, *, paced: bool = False, **fields: Any) -> Frame:
    return Frame(f"event: {kind}\ndata: {encode_json({'type': kind, **fields})}\n\n", paced)


def _render_stop_reason(answer: StandInAnswer) -> str:
    return "refusal" if answer.refusal else _STOP_REASONS[answer.finish_reason]


def _render_head(asked: Asked, serial: str) -> dict[str, Any]:
    return {
        "id": f"msg_{serial}",
        "type": "message",
        "role": "assistant",
        "model": asked.model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
    }


def _render_usage(asked: Asked, output_tokens: int) -> dict[str, Any]:
    return {
        "input_tokens": asked.prompt_tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "output_tokens": output_tokens,
        "service_tier": "standard",
    }


def _render_blocks(answer: StandInAnswer, serial: str) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = []
    if answer.thinking:
        blocks.append({"type": "thinking", "thinking": answer.thinking, "signature": f"sig_{serial}"})
    if answer.tool_call is not None:
        name, arguments = answer.tool_call
        blocks.append({"type": "tool_use", "id": f"toolu_{serial}", "name": name, "input": _read_input(arguments)})
    elif answer.tokens:
        blocks.append({"type": "text", "text": answer.text, "citations": None})
    return blocks


def _read_input(arguments: str) -> Any:
    """Parse raw arguments; an object cannot carry broken JSON, so its text goes into one field."""
    try:
        value = json.loads(arguments)
    except ValueError:
        return {"raw": arguments}
    return value if isinstance(value, dict) else {"raw": arguments}


def _stream_block(block: Mapping[str, Any], answer: StandInAnswer) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return a block as it opens, and its deltas."""
    if block["type"] == "thinking":
        deltas = [{"type": "thinking_delta", "thinking": token} for token in split_tokens(block["thinking"])]
        signature = {"type": "signature_delta", "signature": block["signature"]}
        return {"type": "thinking", "thinking": "", "signature": ""}, [*deltas, signature]
    if block["type"] == "tool_use" and answer.tool_call is not None:
        pieces = split_pieces(answer.tool_call[1])
        return {**block, "input": {}}, [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]
    return {**block, "text": ""}, [{"type": "text_delta", "text": token} for token in answer.tokens]
