"""The one callback: every entry of LiteLLM that tiergate uses, each handed on to its own file.

LiteLLM looks for hooks in the class itself, not in its bases, so they all stand here.
"""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from typing import Any

from litellm.integrations.custom_logger import CustomLogger
from typing_extensions import override

from tiergate.hooks.attempts import after_failed_attempt, before_attempt
from tiergate.hooks.call_log import after_logged_call
from tiergate.hooks.failure import after_failure
from tiergate.hooks.hedge import start_hedge
from tiergate.hooks.pipeline import Pipeline
from tiergate.hooks.post_call import after_call
from tiergate.hooks.pre_call import before_call
from tiergate.hooks.response_headers import headers_for
from tiergate.hooks.stream import watch_stream
from tiergate.stages.failopen import suppressed


class TiergateCallback(CustomLogger):
    """What `callbacks: [tiergate.callbacks.tiergate]` names."""

    def __init__(self, pipeline: Callable[[], Pipeline]) -> None:
        super().__init__()
        self._pipeline = pipeline

    def _began_with(self, data: Any) -> Pipeline:
        """Return the pipeline that a request began with; after a reload the one in force is another."""
        current = self._pipeline()
        entry = current.registry.find(data)
        return current if entry is None or entry.pipeline is None else entry.pipeline

    @override
    async def async_pre_call_hook(self, user_api_key_dict: Any, cache: Any, data: Any, call_type: Any) -> Any:
        return await before_call(self._pipeline(), user_api_key_dict, data, str(call_type))

    @override
    async def async_pre_call_deployment_hook(self, kwargs: Any, call_type: Any) -> Any:
        with suppressed("hedge"):
            start_hedge(self._began_with(kwargs), kwargs)
        with suppressed("attempts"):
            return before_attempt(self._began_with(kwargs), kwargs, call_type)
        return None

    @override
    async def async_post_call_failure_deployment_hook(
        self, request_data: Any, exception: Exception, call_type: Any, fallback_depth: int | None = None
    ) -> None:
        with suppressed("attempts"):
            after_failed_attempt(self._began_with(request_data), request_data, exception)

    @override
    async def async_post_call_success_hook(self, data: Any, user_api_key_dict: Any, response: Any) -> Any:
        return await after_call(self._began_with(data), data, response)

    @override
    async def async_post_call_streaming_iterator_hook(
        self, user_api_key_dict: Any, response: Any, request_data: Any
    ) -> AsyncGenerator[Any, None]:
        # Closed here and not by the garbage collector: a disconnect ends its record at once.
        async with aclosing(watch_stream(self._began_with(request_data), request_data, response)) as chunks:
            async for chunk in chunks:
                yield chunk

    @override
    async def async_post_call_failure_hook(
        self,
        request_data: Any,
        original_exception: Exception,
        user_api_key_dict: Any,
        traceback_str: str | None = None,
    ) -> None:
        with suppressed("failure"):
            after_failure(self._began_with(request_data), request_data)

    @override
    async def async_post_call_response_headers_hook(
        self,
        data: Any,
        user_api_key_dict: Any,
        response: object,
        request_headers: dict[str, str] | None = None,
        litellm_call_info: dict[str, object] | None = None,
    ) -> dict[str, str] | None:
        return headers_for(self._began_with(data), data, response)

    @override
    async def async_log_success_event(self, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any) -> None:
        with suppressed("call_log"):
            after_logged_call(self._began_with(kwargs), kwargs)

    @override
    async def async_filter_listed_models(self, user_api_key_dict: Any, model_names: Sequence[str]) -> list[str]:
        """Hide the cache's model group from /v1/models."""
        hidden = self._pipeline().cache_group
        return [name for name in model_names if name != hidden]
