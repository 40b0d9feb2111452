"""The headers of a response: where the record of a finished request is written."""

from typing import Any

from tiergate.hooks.pipeline import Pipeline
from tiergate.hooks.record_builder import begin_record, finish_record
from tiergate.stages.failopen import suppressed


def headers_for(pipeline: Pipeline, data: dict[str, Any], response: Any) -> dict[str, str] | None:
    """Return the x-tiergate-* headers and record the decision first, so that a header never lies about a row.

    A stream's headers leave before its answer: the row written now is replaced when the stream ends.

    Args:
        pipeline: The stages.
        data: LiteLLM's request data.
        response: The response; None when the request failed.
    """
    entry = pipeline.registry.find(data)
    if entry is None:
        return None
    with suppressed("decision_record"):
        if entry.request.stream and response is not None:
            return begin_record(pipeline, entry)
        pipeline.registry.remove(entry)
        return finish_record(pipeline, entry)
    return None
