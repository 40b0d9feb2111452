"""How the answers of each endpoint are read: one format for each, in a table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from litellm import stream_chunk_builder

from tiergate.exchange import Answer, Endpoint, TokenLogprob
from tiergate.hooks.answer_parser import parse_answer, parse_logprobs, strip_logprobs
from tiergate.hooks.completions_endpoint import CompletionsFormat
from tiergate.hooks.messages_endpoint import MessagesFormat
from tiergate.hooks.responses_endpoint import ResponsesFormat


class AnswerFormat(Protocol):
    """Reads the answers of one endpoint."""

    @property
    def call_type(self) -> str:
        """LiteLLM's call type."""
        ...

    def parse(self, response: Any, *, logprobs: tuple[TokenLogprob, ...] | None = None) -> Answer:
        """Parse LiteLLM's response; `logprobs` gathered elsewhere count instead of its own."""
        ...

    def ask_logprobs(self, kwargs: Mapping[str, Any], model: str, top: int) -> dict[str, Any] | None:
        """Return a call's arguments with a request for log-probabilities; None where there is no way to ask.

        Args:
            kwargs: The arguments of the call.
            model: Model of the deployment, with its provider.
            top: Number of alternatives wanted.
        """
        ...

    def strip(self, response: Any) -> None:
        """Remove log-probabilities that the client did not ask for, from an answer or a stream's chunk."""
        ...

    def copy(self, chunk: Any) -> Any:
        """Return a copy of a stream's chunk that later changes do not reach."""
        ...

    def read_piece(self, chunk: Any) -> tuple[str, tuple[TokenLogprob, ...]]:
        """Return the text and the log-probabilities in a stream's chunk."""
        ...

    def assemble(self, chunks: Sequence[Any], messages: Any) -> Any:
        """Build the response that a stream amounts to; None when it did not end."""
        ...

    def stored_body(self, response: Any, answer: Answer) -> Mapping[str, Any] | None:
        """Return the response in chat-completions shape for the store; None when that would lose something."""
        ...


@dataclass(frozen=True, slots=True)
class ChatFormat:
    """Reads answers of /v1/chat/completions."""

    call_type: str = "acompletion"

    def parse(self, response: Any, *, logprobs: tuple[TokenLogprob, ...] | None = None) -> Answer:
        """Parse a chat completion; see `AnswerFormat.parse`."""
        return parse_answer(response, logprobs=logprobs)

    def ask_logprobs(self, kwargs: Mapping[str, Any], model: str, top: int) -> dict[str, Any] | None:
        """Ask by flag; see `AnswerFormat.ask_logprobs`."""
        del model
        return {**kwargs, "logprobs": True, **({"top_logprobs": top} if top else {})}

    def strip(self, response: Any) -> None:
        """Remove log-probabilities; see `AnswerFormat.strip`."""
        strip_logprobs(response)

    def copy(self, chunk: Any) -> Any:
        """Return a deep copy of a chunk."""
        return chunk.model_copy(deep=True)

    def read_piece(self, chunk: Any) -> tuple[str, tuple[TokenLogprob, ...]]:
        """Return text and log-probabilities of a chunk's first choice; see `AnswerFormat.read_piece`."""
        choices = [choice for choice in chunk.choices if not choice.index]
        text = "".join(getattr(choice.delta, "content", None) or "" for choice in choices)
        return text, tuple(token for choice in choices for token in parse_logprobs(getattr(choice, "logprobs", None)))

    def assemble(self, chunks: Sequence[Any], messages: Any) -> Any:
        """Build the chat completion that a stream amounts to; see `AnswerFormat.assemble`."""
        return stream_chunk_builder(list(chunks), messages=messages) if chunks else None

    def stored_body(self, response: Any, answer: Answer) -> Mapping[str, Any] | None:
        """Return the response as it is but for its cost; see `AnswerFormat.stored_body`.

        LiteLLM writes a stream's cost into its usage, and would charge it again for each hit.
        """
        del answer
        body: dict[str, Any] = response.model_dump()
        usage = body.get("usage") or {}
        return body | {"usage": {name: value for name, value in usage.items() if name != "cost"}}


FORMATS: Mapping[Endpoint, AnswerFormat] = {
    "chat_completions": ChatFormat(),
    "messages": MessagesFormat(),
    "responses": ResponsesFormat(),
    "completions": CompletionsFormat(),
}
