"""A request that fails: its record says so, the client gets LiteLLM's own error."""

from collections.abc import Mapping
from typing import Any

from tiergate.hooks.pipeline import Pipeline


def after_failure(pipeline: Pipeline, request_data: Mapping[str, Any], exception: BaseException) -> None:
    """Note the error; the headers hook that follows writes the record."""
    entry = pipeline.registry.get(request_data.get("litellm_call_id"))
    if entry is not None:
        entry.status = type(exception).__name__
