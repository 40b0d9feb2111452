"""Answers of /v1/completions: TextCompletionResponse, whole or in chunks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tiergate.exchange import Answer, TokenLogprob
from tiergate.hooks.answer_parser import parse_usage, read_field
from tiergate.hooks.stored_body import write_stored_body

MAX_TOP_LOGPROBS = 5
"""What OpenAI's text completions allow at most."""


@dataclass(frozen=True, slots=True)
class CompletionsFormat:
    """Reads answers of /v1/completions."""

    call_type: str = "atext_completion"

    def parse(self, response: Any, *, logprobs: tuple[TokenLogprob, ...] | None = None) -> Answer:
        """Parse a text completion: its first choice counts; see `AnswerFormat.parse`."""
        choices = read_field(response, "choices") or ()
        if not choices:
            return Answer(text="")
        choice = choices[0]
        given = read_text_logprobs(read_field(choice, "logprobs"))
        return Answer(
            text=str(read_field(choice, "text") or ""),
            finish_reason=read_field(choice, "finish_reason"),
            logprobs=given if logprobs is None else logprobs,
        )

    def ask_logprobs(self, kwargs: Mapping[str, Any], model: str, top: int) -> dict[str, Any] | None:
        """Ask by number, OpenAI's own endpoint only; see `AnswerFormat.ask_logprobs`.

        For other providers LiteLLM turns the request into a chat completion, where a number means nothing.
        """
        if not model.startswith(("openai/", "text-completion-openai/")):
            return None
        return {**kwargs, "logprobs": min(top, MAX_TOP_LOGPROBS)}

    def strip(self, response: Any) -> None:
        """Remove the log-probabilities of an answer or a chunk; see `AnswerFormat.strip`."""
        for choice in read_field(response, "choices") or ():
            if isinstance(choice, dict):
                choice["logprobs"] = None
            elif read_field(choice, "logprobs") is not None:
                choice.logprobs = None

    def copy(self, chunk: Any) -> Any:
        """Return a deep copy of a chunk."""
        return chunk.model_copy(deep=True)

    def read_piece(self, chunk: Any) -> tuple[str, tuple[TokenLogprob, ...]]:
        """Return text and log-probabilities of a chunk; see `AnswerFormat.read_piece`."""
        answer = self.parse(chunk)
        return answer.text, tuple(answer.logprobs)

    def assemble(self, chunks: Sequence[Any], messages: Any) -> Any:
        """Build the completion that a stream amounts to, of its first choice; see `AnswerFormat.assemble`."""
        del messages
        choices = [
            choice
            for chunk in chunks
            for choice in read_field(chunk, "choices") or ()
            if (read_field(choice, "index") or 0) == 0
        ]
        finished = next((reason for choice in choices if (reason := read_field(choice, "finish_reason"))), None)
        if finished is None:
            return None
        tokens = [read_field(choice, "logprobs") for choice in choices]
        merged = {
            name: [value for part in tokens for value in read_field(part, name) or ()]
            for name in ("tokens", "token_logprobs", "top_logprobs")
        }
        text = "".join(str(read_field(choice, "text") or "") for choice in choices)
        usages = [usage for chunk in chunks if (usage := parse_usage(chunk)) and usage.completion_tokens]
        usage = usages[-1] if usages else None
        counts = {"prompt_tokens": usage.prompt_tokens, "completion_tokens": usage.completion_tokens} if usage else None
        choice = {"index": 0, "text": text, "finish_reason": finished, "logprobs": merged}
        return {"model": read_field(chunks[0], "model"), "choices": [choice], "usage": counts}

    def stored_body(self, response: Any, answer: Answer) -> Mapping[str, Any] | None:
        """Return the answer as a chat completion; see `AnswerFormat.stored_body`."""
        return write_stored_body(answer, parse_usage(response), str(read_field(response, "model") or ""))


def read_text_logprobs(given: Any) -> tuple[TokenLogprob, ...]:
    """Parse the parallel lists of text completions; anything malformed gives fewer tokens, never an error."""
    tokens, logprobs = read_field(given, "tokens") or (), read_field(given, "token_logprobs") or ()
    tops = read_field(given, "top_logprobs") or ()
    parsed = []
    for place, (token, logprob) in enumerate(zip(tokens, logprobs, strict=False)):
        if isinstance(logprob, int | float):
            top = tops[place] if place < len(tops) else None
            values = top.values() if isinstance(top, Mapping) else ()
            others = tuple(float(value) for value in values if isinstance(value, int | float))
            parsed.append(TokenLogprob(token=str(token), logprob=float(logprob), top=others))
    return tuple(parsed)
