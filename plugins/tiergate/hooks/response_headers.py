"""The headers of a response: where the record of a finished request is written."""

from typing import Any

from tiergate.hooks.hedge import settle_hedge
from tiergate.hooks.in_flight import InFlight
from tiergate.hooks.pipeline import Pipeline
from tiergate.hooks.record_builder import begin_record, finish_record
from tiergate.stages.failopen import suppressed


def headers_for(pipeline: Pipeline, data: dict[str, Any], response: Any) -> dict[str, str] | None:
    """Return the x-tiergate-* headers and record the decision first, so that a header never lies about a row.

    A stream's headers leave before its answer, and those of another answer while a hedge still runs that nobody needs:
    the row written now is replaced when the stream or the hedge ends.

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
        if not settle_hedge(pipeline, entry):
            entry.ended = pipeline.clock.monotonic()
            pipeline.spawn(_finish_after_hedge(pipeline, entry))
            return begin_record(pipeline, entry)
        pipeline.registry.remove(entry)
        return finish_record(pipeline, entry)
    return None


async def _finish_after_hedge(pipeline: Pipeline, entry: InFlight) -> None:
    """Write the final record when the hedge has ended, with what it cost."""
    if entry.hedged is not None:
        await entry.hedged.wait()
    if pipeline.registry.get(entry.request.call_id, entry.host) is entry:
        pipeline.registry.remove(entry)
        with suppressed("decision_record"):
            settle_hedge(pipeline, entry)
            finish_record(pipeline, entry)
