"""LiteLLM's custom provider that serves stored answers: the call of a request that the cache answers."""

import uuid
from collections.abc import AsyncIterator, Callable
from typing import Any

from litellm import CustomLLM, ModelResponse
from litellm.llms.custom_llm import CustomLLMError
from litellm.types.utils import GenericStreamingChunk
from typing_extensions import override

from tiergate.hooks.pipeline import Pipeline
from tiergate.ports import StoredAnswer

CHUNK_CHARS = 64


class CacheProvider(CustomLLM):
    """Serves the answer that the pre-call hook put aside for this very call, and nothing else.

    The answer is found by the call id, in this process's memory. Nothing a client writes can name one:
    without an entry, or with one that did not hit, the call fails.
    """

    def __init__(self, pipeline: Callable[[], Pipeline]) -> None:
        super().__init__()
        self._pipeline = pipeline

    @override
    async def acompletion(self, *_args: Any, model_response: ModelResponse, **kwargs: Any) -> ModelResponse:
        """Return the stored answer with a fresh id, and the usage of the original call."""
        stored = self._served(kwargs.get("logging_obj"))
        body = {key: value for key, value in stored.body.items() if key not in {"id", "created"}}
        fresh = ModelResponse(**body)
        fresh.id = _fresh_id()
        fresh._hidden_params = model_response._hidden_params  # noqa: SLF001  LiteLLM's own place for them
        return fresh

    @override
    async def astreaming(self, *_args: Any, **kwargs: Any) -> AsyncIterator[GenericStreamingChunk]:
        """Yield the stored answer in pieces, the last one with finish reason and usage."""
        stored = self._served(kwargs.get("logging_obj"))
        choice = stored.body["choices"][0]
        text = choice["message"].get("content") or ""
        for start in range(0, len(text), CHUNK_CHARS):
            yield GenericStreamingChunk(
                text=text[start : start + CHUNK_CHARS],
                is_finished=False,
                finish_reason="",
                usage=None,
                index=0,
                tool_use=None,
            )
        yield GenericStreamingChunk(
            text="",
            is_finished=True,
            finish_reason=choice.get("finish_reason") or "stop",
            usage=stored.body.get("usage"),
            index=0,
            tool_use=None,
        )

    def _served(self, logging: Any) -> StoredAnswer:
        entry = self._pipeline().registry.get(getattr(logging, "litellm_call_id", None), logging)
        if entry is None or entry.served is None:
            raise CustomLLMError(status_code=403, message="this model group serves stored answers and cannot be called")
        return entry.served


def _fresh_id() -> str:
    return f"chatcmpl-{uuid.uuid4()}"
