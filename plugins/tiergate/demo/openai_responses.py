"""OpenAI's responses endpoint.

The stand-in keeps nothing: `previous_response_id` is echoed, not looked up.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

from tiergate.demo.answers import Asked, StandInAnswer, Tool, count_prompt_tokens
from tiergate.demo.openai_chat import render_score, split_pieces
from tiergate.demo.wire import (
    BadRequestError,
    Frame,
    encode_json,
    find_question,
    read_field,
    read_model,
    read_text,
    render_openai_error,
)

_LOGPROBS = "message.output_text.logprobs"
_ECHOED = (
    "instructions",
    "metadata",
    "max_output_tokens",
    "previous_response_id",
    "temperature",
    "top_p",
    "tools",
)


def _read_schema(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    wanted = read_field(body, "text", dict, {}).get("format") or {}
    if wanted.get("type") == "json_object":
        return {}
    return wanted.get("schema", {}) if wanted.get("type") == "json_schema" else None


@dataclass(frozen=True, slots=True)
class Responses:
    """`POST /v1/responses`."""

    endpoint: str = "/v1/responses"

    def parse(self, body: Mapping[str, Any]) -> Asked:
        """Read a request; see `Wire.parse`."""
        given = body.get("input")
        if not given or not isinstance(given, str | list):
            raise BadRequestError("Missing required parameter: 'input'", "input", "missing_required_parameter")
        items = [{"role": "user", "content": given}] if isinstance(given, str) else given
        texts = [read_text(item.get("content") or item.get("output")) for item in items if isinstance(item, Mapping)]
        instructions = read_field(body, "instructions", str, "")
        choice = body.get("tool_choice")
        tools = [tool for tool in read_field(body, "tools", list, []) if tool.get("type") == "function"]
        return Asked(
            model=read_model(body),
            question=find_question(items),
            prompt_tokens=count_prompt_tokens([*texts, *([instructions] if instructions else [])]),
            stream=read_field(body, "stream", bool, default=False),
            logprobs=_LOGPROBS in read_field(body, "include", list, []),
            top_logprobs=read_field(body, "top_logprobs", int, 0),
            max_tokens=body.get("max_output_tokens"),
            schema=_read_schema(body),
            tools=()
            if choice == "none"
            else tuple(Tool(name=str(tool.get("name")), schema=tool.get("parameters") or {}) for tool in tools),
            tool_forced="" if choice == "required" else choice.get("name") if isinstance(choice, Mapping) else None,
            echo={key: body.get(key) for key in _ECHOED} | {"tool_choice": choice or "auto"},
        )

    def render(self, asked: Asked, answers: Sequence[StandInAnswer], serial: str) -> dict[str, Any]:
        """Return the body; see `Wire.render`."""
        answer = answers[0]
        truncated = answer.finish_reason == "length"
        filtered = answer.finish_reason == "content_filter"
        return _render_response(asked, serial, status="incomplete" if truncated or filtered else "completed") | {
            "output": [_render_item(asked, answer, serial)],
            "incomplete_details": {"reason": "max_output_tokens" if truncated else "content_filter"}
            if truncated or filtered
            else None,
            "usage": {
                "input_tokens": asked.prompt_tokens,
                "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
                "output_tokens": answer.completion_tokens,
                "output_tokens_details": {"reasoning_tokens": 0},
                "total_tokens": asked.prompt_tokens + answer.completion_tokens,
            },
        }

    def render_stream(self, asked: Asked, answers: Sequence[StandInAnswer], serial: str) -> Iterator[Frame]:
        """Yield the typed events; see `Wire.render_stream`."""
        numbers = count()

        def event(kind: str, *, paced: bool = False, **fields: Any) -> Frame:
            data = {"type": kind, "sequence_number": next(numbers), **fields}
            return Frame(f"event: {kind}\ndata: {encode_json(data)}\n\n", paced)

        started = _render_response(asked, serial, status="in_progress")
        final = self.render(asked, answers, serial)
        item = final["output"][0]
        opened = item | {"status": "in_progress"}
        emptied: dict[str, Any] = {"arguments": ""} if answers[0].tool_call else {"content": []}
        opened |= emptied
        yield event("response.created", response=started)
        yield event("response.in_progress", response=started)
        yield event("response.output_item.added", output_index=0, item=opened)
        place = {"item_id": item["id"], "output_index": 0}
        if answers[0].tool_call:
            name, arguments = answers[0].tool_call
            for piece in split_pieces(arguments):
                yield event("response.function_call_arguments.delta", paced=True, **place, delta=piece)
            yield event("response.function_call_arguments.done", **place, name=name, arguments=arguments)
        else:
            for kind, paced, fields in _stream_text(answers[0], item["content"][0]):
                yield event(kind, paced=paced, **place, content_index=0, **fields)
        yield event("response.output_item.done", output_index=0, item=item)
        yield event(f"response.{final['status']}", response=final)

    def render_error(self, status: int, message: str, param: str | None, code: str | None) -> dict[str, Any]:
        """Return an error; see `Wire.render_error`."""
        return render_openai_error(status, message, param, code)


def _stream_text(answer: StandInAnswer, part: Mapping[str, Any]) -> Iterator[tuple[str, bool, dict[str, Any]]]:
    """Yield kind, pacing and fields of the events of one content part."""
    empty = {"type": "refusal", "refusal": ""} if answer.refusal else {**part, "text": "", "logprobs": []}
    yield "response.content_part.added", False, {"part": empty}
    for place, token in enumerate(answer.tokens):
        if answer.refusal:
            yield "response.refusal.delta", True, {"delta": token}
        else:
            scores = [render_score(score) for score in answer.scores[place : place + 1]]
            yield "response.output_text.delta", True, {"delta": token, "logprobs": scores}
    if answer.refusal:
        yield "response.refusal.done", False, {"refusal": answer.text}
    else:
        yield "response.output_text.done", False, {"text": answer.text, "logprobs": part["logprobs"]}
    yield "response.content_part.done", False, {"part": part}


def _render_item(asked: Asked, answer: StandInAnswer, serial: str) -> dict[str, Any]:
    if answer.tool_call is not None:
        name, arguments = answer.tool_call
        return {
            "type": "function_call",
            "id": f"fc_{serial}",
            "call_id": f"call_{serial}",
            "name": name,
            "arguments": arguments,
            "status": "completed",
        }
    scores = [render_score(score) for score in answer.scores] if asked.logprobs else []
    part: dict[str, Any] = (
        {"type": "refusal", "refusal": answer.text}
        if answer.refusal
        else {"type": "output_text", "text": answer.text, "annotations": [], "logprobs": scores}
    )
    return {
        "type": "message",
        "id": f"msg_{serial}",
        "status": "incomplete" if answer.finish_reason in {"length", "content_filter"} else "completed",
        "role": "assistant",
        "content": [part],
    }


def _render_response(asked: Asked, serial: str, *, status: str) -> dict[str, Any]:
    return {
        "id": f"resp_{serial}",
        "object": "response",
        "created_at": int(time.time()),
        "status": status,
        "error": None,
        "incomplete_details": None,
        "model": asked.model,
        "output": [],
        "parallel_tool_calls": True,
        "text": {"format": {"type": "text"}},
        "usage": None,
        **asked.echo,
        "tools": asked.echo.get("tools") or [],
        "metadata": asked.echo.get("metadata") or {},
    }
