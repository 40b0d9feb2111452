"""OpenAI's chat completions and text completions."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tiergate.demo.answers import Asked, StandInAnswer, TokenScore, Tool, count_prompt_tokens
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

_DONE = Frame("data: [DONE]\n\n")
_MAX_CHOICES = 128


def render_usage(asked: Asked, answers: Sequence[StandInAnswer]) -> dict[str, Any]:
    """Return the usage of a request, with all its answers."""
    completion = sum(answer.completion_tokens for answer in answers)
    return {
        "prompt_tokens": asked.prompt_tokens,
        "completion_tokens": completion,
        "total_tokens": asked.prompt_tokens + completion,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": 0,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def render_score(score: TokenScore) -> dict[str, Any]:
    """Return one token's log-probabilities in the shape of chat completions and responses."""
    return {
        "token": score.token,
        "logprob": score.logprob,
        "bytes": list(score.token.encode()),
        "top_logprobs": [
            {"token": token, "logprob": logprob, "bytes": list(token.encode())} for token, logprob in score.top
        ],
    }


def read_stop(body: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the stop texts: one, several or none."""
    stop = body.get("stop")
    return (stop,) if isinstance(stop, str) else tuple(map(str, stop or ()))


def read_choices(body: Mapping[str, Any]) -> int:
    """Return `n`.

    Raises:
        BadRequestError: It is out of range.
    """
    choices = read_field(body, "n", int, 1)
    if not 1 <= choices <= _MAX_CHOICES:
        raise BadRequestError(f"'n' must be between 1 and {_MAX_CHOICES}", "n", "integer_out_of_range")
    return choices


def _read_include_usage(body: Mapping[str, Any]) -> bool:
    return bool(read_field(body, "stream_options", dict, {}).get("include_usage"))


def _read_schema(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    wanted = read_field(body, "response_format", dict, {})
    if wanted.get("type") == "json_object":
        return {}
    return wanted["json_schema"].get("schema", {}) if wanted.get("type") == "json_schema" else None


def _read_tool_choice(choice: Any) -> str | None:
    if choice == "required":
        return ""
    return str(choice["function"]["name"]) if isinstance(choice, Mapping) and "function" in choice else None


def _read_tools(body: Mapping[str, Any]) -> tuple[Tool, ...]:
    if body.get("tool_choice") == "none":
        return ()
    functions = [tool.get("function", {}) for tool in read_field(body, "tools", list, []) if isinstance(tool, Mapping)]
    return tuple(
        Tool(name=str(function.get("name")), schema=function.get("parameters") or {}) for function in functions
    )


@dataclass(frozen=True, slots=True)
class ChatCompletions:
    """`POST /v1/chat/completions`."""

    endpoint: str = "/v1/chat/completions"

    def parse(self, body: Mapping[str, Any]) -> Asked:
        """Read a request; see `Wire.parse`."""
        messages = read_field(body, "messages", list, [])
        if not messages:
            raise BadRequestError("'messages' must hold at least one message", "messages", "empty_array")
        top = read_field(body, "top_logprobs", int, 0)
        if top and not body.get("logprobs"):
            raise BadRequestError("'top_logprobs' needs 'logprobs' to be true", "top_logprobs", "invalid_value")
        return Asked(
            model=read_model(body),
            question=find_question(messages),
            prompt_tokens=count_prompt_tokens(
                [read_text(message.get("content")) for message in messages if isinstance(message, Mapping)]
            ),
            stream=read_field(body, "stream", bool, default=False),
            include_usage=_read_include_usage(body),
            logprobs=read_field(body, "logprobs", bool, default=False),
            top_logprobs=top,
            choices=read_choices(body),
            max_tokens=body.get("max_completion_tokens") or body.get("max_tokens"),
            stop=read_stop(body),
            schema=_read_schema(body),
            tools=_read_tools(body),
            tool_forced=_read_tool_choice(body.get("tool_choice")),
        )

    def render(self, asked: Asked, answers: Sequence[StandInAnswer], serial: str) -> dict[str, Any]:
        """Return the body; see `Wire.render`."""
        return {
            "id": f"chatcmpl-{serial}",
            "object": "chat.completion",
            "created": int(time.time()),
            "model": asked.model,
            "choices": [_render_choice(asked, answer, index, serial) for index, answer in enumerate(answers)],
            "usage": render_usage(asked, answers),
            "service_tier": "default",
            "system_fingerprint": "fp_standin",
        }

    def render_stream(self, asked: Asked, answers: Sequence[StandInAnswer], serial: str) -> Iterator[Frame]:
        """Yield the chunks; see `Wire.render_stream`."""
        head: dict[str, Any] = {
            "id": f"chatcmpl-{serial}",
            "object": "chat.completion.chunk",
            "created": int(time.time()),
            "model": asked.model,
            "service_tier": "default",
            "system_fingerprint": "fp_standin",
        }
        tail: dict[str, Any] = {"usage": None} if asked.include_usage else {}
        for index, answer in enumerate(answers):
            for choice, paced in _stream_choice(asked, answer, index, serial):
                yield Frame(f"data: {encode_json({**head, 'choices': [choice], **tail})}\n\n", paced)
        if asked.include_usage:
            yield Frame(f"data: {encode_json({**head, 'choices': [], 'usage': render_usage(asked, answers)})}\n\n")
        yield _DONE

    def render_error(self, status: int, message: str, param: str | None, code: str | None) -> dict[str, Any]:
        """Return an error; see `Wire.render_error`."""
        return render_openai_error(status, message, param, code)


def _render_logprobs(asked: Asked, answer: StandInAnswer, scores: Sequence[TokenScore]) -> dict[str, Any] | None:
    if not asked.logprobs or answer.tool_call is not None:
        return None
    rendered = [render_score(score) for score in scores]
    return {"content": None, "refusal": rendered} if answer.refusal else {"content": rendered, "refusal": None}


def _render_choice(asked: Asked, answer: StandInAnswer, index: int, serial: str) -> dict[str, Any]:
    message: dict[str, Any] = {
        "role": "assistant",
        "content": None if answer.refusal or answer.tool_call else answer.text,
        "refusal": answer.text if answer.refusal else None,
        "annotations": [],
    }
    if answer.tool_call is not None:
        name, arguments = answer.tool_call
        message["tool_calls"] = [
            {
                "id": f"call_{serial}_{index}",
                "type": "function",
                "function": {"name": name, "arguments": arguments},
            }
        ]
    return {
        "index": index,
        "message": message,
        "logprobs": _render_logprobs(asked, answer, answer.scores),
        "finish_reason": answer.finish_reason,
    }


def _stream_choice(
    asked: Asked, answer: StandInAnswer, index: int, serial: str
) -> Iterator[tuple[dict[str, Any], bool]]:
    def chunk(delta: dict[str, Any], logprobs: Any = None, finish_reason: str | None = None) -> dict[str, Any]:
        return {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": finish_reason}

    if answer.tool_call is not None:
        name, arguments = answer.tool_call
        call = {
            "index": 0,
            "id": f"call_{serial}_{index}",
            "type": "function",
            "function": {"name": name, "arguments": ""},
        }
        yield chunk({"role": "assistant", "content": None, "tool_calls": [call]}), False
        for piece in split_pieces(arguments):
            yield chunk({"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}), True
    else:
        field = "refusal" if answer.refusal else "content"
        yield chunk({"role": "assistant", field: ""}), False
        for place, token in enumerate(answer.tokens):
            logprobs = _render_logprobs(asked, answer, answer.scores[place : place + 1])
            yield chunk({field: token}, logprobs), True
    yield chunk({}, None, answer.finish_reason), False


def split_pieces(text: str, size: int = 12) -> list[str]:
    """Cut the arguments of a tool call into the pieces that a stream sends."""
    return [text[start : start + size] for start in range(0, len(text), size)]


@dataclass(frozen=True, slots=True)
class TextCompletions:
    """`POST /v1/completions`."""

    endpoint: str = "/v1/completions"

    def parse(self, body: Mapping[str, Any]) -> Asked:
        """Read a request; see `Wire.parse`. Of a list of prompts, the first is answered."""
        prompt = body.get("prompt")
        text = prompt if isinstance(prompt, str) else read_text((prompt or [""])[:1])
        top = read_field(body, "logprobs", int, -1)
        return Asked(
            model=read_model(body),
            question=text,
            prompt_tokens=count_prompt_tokens([text]),
            stream=read_field(body, "stream", bool, default=False),
            include_usage=_read_include_usage(body),
            logprobs=top >= 0,
            top_logprobs=max(0, top),
            choices=read_choices(body),
            max_tokens=read_field(body, "max_tokens", int, 16),
            stop=read_stop(body),
        )

    def render(self, asked: Asked, answers: Sequence[StandInAnswer], serial: str) -> dict[str, Any]:
        """Return the body; see `Wire.render`."""
        choices = [
            {
                "text": answer.text,
                "index": index,
                "logprobs": _render_text_logprobs(asked, answer.scores, 0),
                "finish_reason": answer.finish_reason,
            }
            for index, answer in enumerate(answers)
        ]
        return self._head(asked, serial) | {"choices": choices, "usage": render_usage(asked, answers)}

    def render_stream(self, asked: Asked, answers: Sequence[StandInAnswer], serial: str) -> Iterator[Frame]:
        """Yield the chunks; see `Wire.render_stream`."""
        head = self._head(asked, serial)
        tail: dict[str, Any] = {"usage": None} if asked.include_usage else {}
        for index, answer in enumerate(answers):
            offset = 0
            for place, token in enumerate(answer.tokens):
                logprobs = _render_text_logprobs(asked, answer.scores[place : place + 1], offset)
                choice = {"text": token, "index": index, "logprobs": logprobs, "finish_reason": None}
                yield Frame(f"data: {encode_json({**head, 'choices': [choice], **tail})}\n\n", paced=True)
                offset += len(token)
            choice = {"text": "", "index": index, "logprobs": None, "finish_reason": answer.finish_reason}
            yield Frame(f"data: {encode_json({**head, 'choices': [choice], **tail})}\n\n")
        if asked.include_usage:
            yield Frame(f"data: {encode_json({**head, 'choices': [], 'usage': render_usage(asked, answers)})}\n\n")
        yield _DONE

    def render_error(self, status: int, message: str, param: str | None, code: str | None) -> dict[str, Any]:
        """Return an error; see `Wire.render_error`."""
        return render_openai_error(status, message, param, code)

    @staticmethod
    def _head(asked: Asked, serial: str) -> dict[str, Any]:
        return {
            "id": f"cmpl-{serial}",
            "object": "text_completion",
            "created": int(time.time()),
            "model": asked.model,
        }


def _render_text_logprobs(asked: Asked, scores: Sequence[TokenScore], offset: int) -> dict[str, Any] | None:
    if not asked.logprobs:
        return None
    offsets = []
    for score in scores:
        offsets.append(offset)
        offset += len(score.token)
    return {
        "tokens": [score.token for score in scores],
        "token_logprobs": [score.logprob for score in scores],
        "top_logprobs": [dict(score.top) for score in scores],
        "text_offset": offsets,
    }
