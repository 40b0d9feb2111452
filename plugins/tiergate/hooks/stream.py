"""A stream on its way to the client: its chunks pass, at once or after being held; the gate records when it ends."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, suppress
from dataclasses import replace
from typing import Any

from tiergate.exchange import Call
from tiergate.hooks.answer_format import FORMATS
from tiergate.hooks.answer_parser import name_fields, parse_usage
from tiergate.hooks.conversation import CHAT
from tiergate.hooks.held_stream import can_hold, hold_stream, was_escalated
from tiergate.hooks.in_flight import InFlight
from tiergate.hooks.pipeline import Pipeline
from tiergate.hooks.post_call import keep_answer
from tiergate.hooks.record_builder import finish_record
from tiergate.policy.money import Usage, estimate_baseline
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
    reader = FORMATS[entry.request.endpoint]
    source = hold_stream(pipeline, entry, stream) if can_hold(pipeline, entry) else _pass_on(stream)
    passed, complete = 0, False
    try:
        async with aclosing(source) as passing:
            async for chunk in passing:
                passed += 1
                if passed == 1:
                    _note_first(pipeline, entry)
                with suppressed("stream"):
                    chunks.append(reader.copy(chunk))
                    if not entry.request.logprobs_asked:
                        reader.strip(chunk)
                    if entry.served is not None and entry.request.endpoint == CHAT:
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


async def _pass_on(stream: AsyncIterator[Any]) -> AsyncGenerator[Any, None]:
    async for chunk in stream:
        yield chunk


def _note_first(pipeline: Pipeline, entry: InFlight) -> None:
    """Count the time to the first token of the stream that the client gets."""
    started = entry.attempts.get(entry.answering or entry.request.call_id)
    if started is not None and entry.tier is not None and entry.served is None:
        now = pipeline.clock.monotonic()
        pipeline.latency.add_first_token(entry.tier, 1000 * (now - started), now)


def _note_failure(pipeline: Pipeline, entry: InFlight, exc: Exception) -> None:
    """Add the call whose stream broke: LiteLLM logs no cost for it."""
    started = entry.attempts.get(entry.answering or entry.request.call_id, entry.started)
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
        reader = FORMATS[entry.request.endpoint]
        response = reader.assemble(chunks, entry.body.get("messages")) if complete and chunks else None
        if response is not None:
            entry.usage = parse_usage(response) or entry.usage
            await _judge(pipeline, entry, response, chunks)
    if entry.status is not DecisionStatus.FAILED:
        with suppress(TimeoutError):
            async with asyncio.timeout(LOG_WAIT_S):
                await entry.call_logged.wait()
    _note_cancelled(pipeline, entry)
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
    reader = FORMATS[entry.request.endpoint]
    logprobs = [token for chunk in chunks for token in reader.read_piece(chunk)[1]]
    answer = reader.parse(response, logprobs=tuple(logprobs))
    gate = pipeline.confidence_gate.judge(
        entry.request, answer, entry.route, tier=entry.tier, escalations=0, stream_begun=True
    )
    if entry.gate is None:
        entry.gate = replace(gate, final_confidence=gate.confidence)
    elif was_escalated(entry.gate):
        entry.gate = replace(entry.gate, final_confidence=gate.confidence)
    else:  # the stronger tier gave no stream: the weak answer went out
        entry.gate = replace(entry.gate, confidence=gate.confidence, final_confidence=gate.confidence)
    entry.answer_text = answer.text or None
    if not entry.request.logprobs_asked:
        reader.strip(response)
    await keep_answer(pipeline, entry, response, answer)


def _note_cancelled(pipeline: Pipeline, entry: InFlight) -> None:
    """Add a stream that was given up, its cost estimated: LiteLLM prices a stream at its end and it had none.

    Counted are the tokens that had come, and as many prompt tokens as the stronger tier read.
    """
    given_up = entry.cancelled
    if given_up is None or entry.request.call_id in entry.logged:
        return
    prompt_tokens = entry.usage.prompt_tokens if entry.usage is not None else 0
    used = Usage(prompt_tokens=prompt_tokens, completion_tokens=given_up.completion_tokens)
    cost_usd = estimate_baseline(used, pipeline.catalogue.price(given_up.model_group)) or 0.0
    entry.calls.insert(0, replace(given_up, prompt_tokens=prompt_tokens, cost_usd=cost_usd))
