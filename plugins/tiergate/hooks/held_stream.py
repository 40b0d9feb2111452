"""A stream whose beginning is held back: released when it looks good, swapped for a stronger tier's when weak."""

import asyncio
import uuid
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from tiergate.decisions import GateDecision, GateOutcome
from tiergate.errors import EscalationError
from tiergate.exchange import Answer, Call, TokenLogprob
from tiergate.hooks.answer_format import FORMATS, AnswerFormat
from tiergate.hooks.attempts import ask_tier
from tiergate.hooks.given_up_stream import can_log, log_given_up
from tiergate.hooks.in_flight import CANCELLED, InFlight
from tiergate.hooks.pipeline import Pipeline
from tiergate.hooks.plan import hindrance
from tiergate.hooks.stream_feed import END, StreamFeed
from tiergate.policy.confidence_gate import bypasses_gate
from tiergate.policy.expected_cost import is_straight
from tiergate.policy.held_stream import Hold, decide_hold, decide_hold_end
from tiergate.stages.confidence_gate import escalation_failed, escalation_skipped

RELEASE_S = 0.15
"""Held chunks leave within this time, evenly, and not all at once."""
MAX_PAUSE_S = 0.008
JUDGE_EVERY = 8
"""Held chunks between two looks at the running confidence."""


def can_hold(pipeline: Pipeline, entry: InFlight) -> bool:
    """Tell whether a stream is to be held: only where the gate could act on what it sees."""
    gate = pipeline.policy.confidence_gate
    return (
        gate.enabled
        and gate.stream.mode == "hold"
        and gate.max_escalations > 0
        and entry.request.choices == 1
        and entry.served is None
        and entry.tier is not None
        and pipeline.policy.stronger_tier(entry.tier) is not None
        and not bypasses_gate(entry.route, pipeline.policy)
        and not is_straight(entry.route, pipeline.policy)
    )


@dataclass(slots=True)
class _Held:
    """What is held back, and what it says so far."""

    reader: AnswerFormat
    chunks: list[Any] = field(default_factory=list)
    text: str = ""
    logprobs: list[TokenLogprob] = field(default_factory=list)
    ended: bool = False

    def add(self, chunk: Any) -> None:
        """Hold a chunk."""
        self.chunks.append(chunk)
        text, logprobs = self.reader.read_piece(chunk)
        self.text += text
        self.logprobs += logprobs

    def answer(self, messages: Any) -> Answer:
        """Return the answer so far; the whole one when the stream has ended."""
        if self.ended:
            whole = self.reader.assemble(self.chunks, messages)
            if whole is not None:
                return self.reader.parse(whole, logprobs=tuple(self.logprobs))
        return Answer(text=self.text, logprobs=tuple(self.logprobs))


async def hold_stream(pipeline: Pipeline, entry: InFlight, stream: AsyncIterator[Any]) -> AsyncGenerator[Any, None]:
    """Yield the chunks of the stream that the client gets.

    A stream is swapped only before its first chunk has left. Until the stronger tier's first chunk is there
    the weak stream is kept, and goes to the client if the stronger tier fails.

    Args:
        pipeline: The stages.
        entry: The request.
        stream: The stream of the first tier.

    Raises:
        Exception: What the stream that the client gets raised.
    """
    feeds = [StreamFeed(stream)]
    held = _Held(FORMATS[entry.request.endpoint])
    try:
        decision = await _hold(pipeline, entry, feeds[0], held)
        first = await _swap(pipeline, entry, decision, feeds, held) if decision is not None else None
        if first is not None:
            yield first
        else:
            for chunk in held.chunks:
                yield chunk
                await asyncio.sleep(min(MAX_PAUSE_S, RELEASE_S / len(held.chunks)))
        while (chunk := await feeds[-1].get()) is not END:
            yield chunk
        feeds[-1].raise_if_broken()
    finally:
        for feed in feeds:
            await feed.aclose()


async def _hold(pipeline: Pipeline, entry: InFlight, feed: StreamFeed, held: _Held) -> GateDecision | None:
    """Hold chunks until the decision is clear or the time is up; return the decision to escalate, or None."""
    hold = Hold.WAIT
    with suppress(TimeoutError):
        async with asyncio.timeout(pipeline.policy.confidence_gate.stream.max_hold_ms / 1000):
            while hold is Hold.WAIT and not held.ended:
                hold = await _take(pipeline, entry, feed, held)
    decision = _judge(pipeline, entry, held)
    if hold is Hold.WAIT:
        hold = decide_hold_end(decision, known=held.ended or bool(held.text))
    return decision if hold is Hold.SWAP else None


async def _take(pipeline: Pipeline, entry: InFlight, feed: StreamFeed, held: _Held) -> Hold:
    chunk = await feed.get()
    if chunk is END:
        held.ended = not feed.broken
        return Hold.WAIT if held.ended else Hold.RELEASE
    held.add(chunk)
    if len(held.chunks) % JUDGE_EVERY or not held.text:
        return Hold.WAIT
    return decide_hold(_judge(pipeline, entry, held), tokens=len(held.logprobs), chars=len(held.text))


def _judge(pipeline: Pipeline, entry: InFlight, held: _Held) -> GateDecision:
    """Judge what is held; JSON is checked only when it is all there."""
    request = entry.request if held.ended else replace(entry.request, json_asked=False)
    answer = held.answer(entry.body.get("messages"))
    gate = pipeline.confidence_gate
    return gate.judge(request, answer, entry.route, tier=entry.tier or "", escalations=0, whole=held.ended)


async def _swap(
    pipeline: Pipeline, entry: InFlight, decision: GateDecision, feeds: list[StreamFeed], held: _Held
) -> Any:
    """Start the stronger tier's stream and return its first chunk; None when it gave none."""
    name, call_id = decision.escalate_to or "", str(uuid.uuid4())
    if (hindered := hindrance(pipeline, entry, name, weakness=decision.reason)) is not None:
        entry.gate = escalation_skipped(decision, hindered)
        return None
    pipeline.registry.alias(call_id, entry, name)

    async def ask(tier: str) -> Any:
        feeds.append(StreamFeed(await ask_tier(pipeline, entry, tier, call_id, stream=True)))
        first = await feeds[-1].get()
        if first is END:
            feeds[-1].raise_if_broken()
            raise EscalationError(f"{tier} gave an empty stream")
        return first

    asked = await pipeline.confidence_gate.escalate(decision, ask)
    if asked.response is None:
        entry.gate = escalation_failed(decision, asked.error)
        for feed in feeds[1:]:
            await feed.aclose()
        del feeds[1:]
        return None
    await feeds[0].aclose()
    if not held.ended:
        entry.cancelled = _describe_given_up(pipeline, entry, held)
    entry.gate, entry.tier, entry.answering = decision, name, call_id
    logged = entry.cancelled is not None and can_log(entry)
    entry.await_log_of(call_id, also_first=held.ended or logged)
    if logged:
        pipeline.spawn(log_given_up(entry, list(held.chunks)))
    return asked.response


def _describe_given_up(pipeline: Pipeline, entry: InFlight, held: _Held) -> Call:
    """Return the first call, whose stream was given up, without its cost."""
    started = entry.attempts.get(entry.request.call_id, entry.started)
    return Call(
        tier=entry.tier,
        model_group=pipeline.model_group(entry.tier, entry.request.entry_model),
        completion_tokens=max(len(held.logprobs), len(held.chunks)),
        start_ms=entry.since_start_ms(started),
        ms=1000 * (pipeline.clock.monotonic() - started),
        status=CANCELLED,
    )


def was_escalated(gate: GateDecision | None) -> bool:
    """Tell whether a held stream was swapped."""
    return gate is not None and gate.outcome is GateOutcome.ESCALATED
