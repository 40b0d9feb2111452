"""A stream on its way to the client: every chunk passes at once; the gate records when it ends."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

from litellm import stream_chunk_builder

from tiergate.exchange import Call
from tiergate.hooks.answer_parser import (
    name_fields,
    parse_answer,
    parse_logprobs,
    parse_usage,
    strip_logprobs,
)
from tiergate.hooks.in_flight import InFlight
from tiergate.hooks.pipeline import Pipeline
from tiergate.hooks.post_call import keep_answer
from tiergate.hooks.record_builder import finish_record
from tiergate.stages.failopen import suppressed
from tiergate.telemetry.record import DecisionStatus

LOG_WAIT_S = 3.0
"""How long the record of a stream that has ended waits for LiteLLM's log event with the cost."""


async def watch_stream(
    pipeline: Pipeline, data: dict[str, Any], stream: AsyncIterator[Any]
) -> AsyncGenerator[Any, None]:
    """Yield every chunk unchanged but for log-probabilities that the client did not ask for.

    Judging and storing happen when the last chunk has left: once bytes have left, the gate may record
    but not replace.
    """
    entry = pipeline.registry.find(data)
    if entry is None:
        async for chunk in stream:
            yield chunk
        return
    pipeline = pipeline.of(entry)
    chunks: list[Any] = []
    passed, complete = 0, False
    try:
        async for chunk in stream:
            passed += 1
            with suppressed("stream"):
                chunks.append(chunk.model_copy(deep=True))
                if not entry.request.logprobs_asked:
                    strip_logprobs(chunk)
                if entry.served is not None:
                    name_fields(chunk, entry.served.body)
            yield chunk
        complete = True
    except Exception as exc:
        entry.status = DecisionStatus.FAILED
        _note_failure(pipeline, entry, exc)
        raise
    finally:
        if not complete and entry.status is DecisionStatus.OK:
            entry.status = DecisionStatus.DISCONNECTED
        with suppressed("stream"):
            # An answer with a chunk missing is never judged or kept.
            pipeline.spawn(_end(pipeline, entry, chunks, complete=complete and passed == len(chunks)))


def _note_failure(pipeline: Pipeline, entry: InFlight, exc: Exception) -> None:
    """Add the call whose stream broke: LiteLLM logs no cost for it."""
    started = entry.attempts.get(entry.request.call_id, entry.started)
    entry.calls.append(
        Call(
            tier=entry.tier,
            model_group=pipeline.model_group(entry.tier, entry.request.entry_model),
            start_ms=entry.since_start_ms(started),
            ms=1000 * (pipeline.clock.monotonic() - started),
            status=type(exc).__name__,
        )
    )


async def _end(pipeline: Pipeline, entry: InFlight, chunks: list[Any], *, complete: bool) -> None:
    """Judge what was streamed, keep it if trusted, and finish the record once LiteLLM has told the cost.

    LiteLLM's log event may come before or after the last chunk. After a disconnect, or when LiteLLM's own
    queue is full, it may never come: then the record is written without the cost.
    """
    with suppressed("stream"):
        response = stream_chunk_builder(chunks, messages=entry.body.get("messages")) if complete and chunks else None
        if response is not None:
            entry.usage = parse_usage(response)
            await _judge(pipeline, entry, response, chunks)
    if entry.status is not DecisionStatus.FAILED:
        with suppress(TimeoutError):
            async with asyncio.timeout(LOG_WAIT_S):
                await entry.call_logged.wait()
    if pipeline.registry.get(entry.request.call_id, entry.host) is entry:
        pipeline.registry.remove(entry)
        with suppressed("decision_record"):
            finish_record(pipeline, entry)


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
    entry.answer_text = answer.text or None
    if not entry.request.logprobs_asked:
        strip_logprobs(response)
    await keep_answer(pipeline, entry, response, answer)
