"""A stream on its way to the client: every chunk passes at once; the gate records when it ends."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

from litellm import stream_chunk_builder

from tiergate.hooks.answer_parser import parse_answer, parse_logprobs, parse_usage, strip_logprobs, strip_provider_fields
from tiergate.hooks.in_flight import InFlight
from tiergate.hooks.pipeline import Pipeline
from tiergate.hooks.post_call import keep_answer
from tiergate.hooks.record_builder import finish_record
from tiergate.stages.failopen import suppressed
from tiergate.telemetry.record import DecisionStatus


async def watch_stream(pipeline: Pipeline, data: dict[str, Any], stream: AsyncIterator[Any]) -> AsyncIterator[Any]:
    """Yield every chunk unchanged but for log-probabilities that the client did not ask for.

    Judging and storing happen when the last chunk has left: once bytes have left, the gate may record
    but not replace.
    """
    entry = pipeline.registry.find(data)
    if entry is None:
        async for chunk in stream:
            yield chunk
        return
    chunks: list[Any] = []
    complete = False
    try:
        async for chunk in stream:
            with suppressed("stream"):
                chunks.append(chunk.model_copy(deep=True))
                if not entry.request.logprobs_asked:
                    strip_logprobs(chunk)
                if entry.served is not None:
                    strip_provider_fields(chunk)
            yield chunk
        complete = True
    except Exception:
        entry.status = DecisionStatus.FAILED
        raise
    finally:
        if not complete and entry.status is DecisionStatus.OK:
            entry.status = DecisionStatus.DISCONNECTED
        with suppressed("stream"):
            pipeline.spawn(_end(pipeline, entry, chunks, complete=complete))


async def _end(pipeline: Pipeline, entry: InFlight, chunks: list[Any], *, complete: bool) -> None:
    """Judge what was streamed, keep it if trusted, and finish the record once LiteLLM has told the cost."""
    with suppressed("stream"):
        response = stream_chunk_builder(chunks, messages=entry.body.get("messages")) if complete else None
        if response is not None:
            entry.usage = parse_usage(response)
            await _judge(pipeline, entry, response, chunks)
    entry.stream_done = True
    finish_stream(pipeline, entry)


async def _judge(pipeline: Pipeline, entry: InFlight, response: Any, chunks: list[Any]) -> None:
    if entry.served is not None:
        entry.tier, entry.gate = entry.served.tier, pipeline.confidence_gate.skipped_for_hit(entry.served.confidence)
        return
    if entry.tier is None:
        return
    logprobs = [
        token
        for chunk in chunks
        for choice in chunk.choices
        for token in parse_logprobs(getattr(choice, "logprobs", None))
    ]
    answer = parse_answer(response, logprobs=tuple(logprobs))
    gate = pipeline.confidence_gate.judge(
        entry.request, answer, entry.route, tier=entry.tier, escalations=0, stream_begun=True
    )
    entry.gate = replace(gate, final_confidence=gate.confidence)
    if not entry.request.logprobs_asked:
        strip_logprobs(response)
    await keep_answer(pipeline, entry, response, answer)


def finish_stream(pipeline: Pipeline, entry: InFlight) -> None:
    """Write the final record when the stream has ended and its cost is known, whichever comes last."""
    if entry.stream_done and entry.call_logged and pipeline.registry.get(entry.request.call_id, entry.host) is entry:
        pipeline.registry.remove(entry)
        with suppressed("decision_record"):
            finish_record(pipeline, entry)
