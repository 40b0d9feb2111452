"""A request that fails: its record says so, the client gets LiteLLM's own error."""

from collections.abc import Mapping
from typing import Any

from tiergate.hooks.hedge import cut_hedge, stop_waiting
from tiergate.hooks.pipeline import Pipeline
from tiergate.telemetry.record import DecisionStatus


def after_failure(pipeline: Pipeline, request_data: Mapping[str, Any]) -> None:
    """Note that the request failed; the headers hook that follows writes the record."""
    entry = pipeline.registry.find(request_data)
    if entry is not None:
        entry.status = DecisionStatus.FAILED
        stop_waiting(entry)
        cut_hedge(entry)
