"""Held streams: released, swapped, timed out, broken and left."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from tests.unit.hooks.conftest import KEY, SURE, UNSURE, Bench, build_bench, chunks_of, request_data

from tiergate.errors import EscalationError
from tiergate.hooks.call_log import after_logged_call
from tiergate.hooks.pre_call import before_call
from tiergate.hooks.stream import watch_stream
from tiergate.policy.money import Price

LONG = " ".join(f"word{place}" for place in range(40))
STRONG = "The strong answer stands here."


class Upstream:
    """A provider's stream that notes whether it was closed; an exception among the chunks is raised."""

    def __init__(self, chunks: Sequence[Any], *, pause_s: float = 0.0) -> None:
        self._chunks, self._pause_s = list(chunks), pause_s
        self.given = 0
        self.closed = False

    def __aiter__(self) -> AsyncIterator[Any]:
        return self._give()

    async def _give(self) -> AsyncIterator[Any]:
        for chunk in self._chunks:
            await asyncio.sleep(self._pause_s)
            if isinstance(chunk, Exception):
                raise chunk
            self.given += 1
            yield chunk

    async def aclose(self) -> None:
        self.closed = True


def hold_bench(**gate: Any) -> Bench:
    bench = build_bench(confidence_gate={"stream": {"mode": "hold", "max_hold_ms": 400}, **gate})
    bench.models.prices = {"tier-simple": Price(input_usd=0.001, output_usd=0.002)}
    return bench


def text_of(chunks: Sequence[Any]) -> str:
    return "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)


def log_call(bench: Bench, data: dict[str, Any], call_id: str, cost_usd: float) -> None:
    payload = {"response_cost": cost_usd, "model": "m", "prompt_tokens": 10, "completion_tokens": 5, "endTime": 0}
    metadata = {"metadata": data["metadata"]}
    after_logged_call(bench.pipeline, {"litellm_call_id": call_id, "standard_logging_object": payload, **metadata})


async def begin(bench: Bench, upstream: Upstream) -> tuple[dict[str, Any], Any]:
    data = request_data(stream=True)
    await before_call(bench.pipeline, KEY, data, "acompletion")
    return data, watch_stream(bench.pipeline, data, upstream)


async def take_all(stream: Any, got: list[Any]) -> None:
    """Keep what came before an error."""
    async for chunk in stream:
        got.append(chunk)  # noqa: PERF401


async def strong_stream(bench: Bench, upstream: Upstream) -> None:
    async def answer(_call_id: str) -> Upstream:
        return upstream

    bench.models.answers["tier-medium"] = answer


async def test_a_sure_stream_is_released_before_its_end() -> None:
    bench, cheap = hold_bench(), Upstream(chunks_of(LONG))
    data, stream = await begin(bench, cheap)
    got = [chunk async for chunk in stream]
    log_call(bench, data, "call-1", 0.5)
    await bench.settle()
    assert text_of(got) == LONG
    assert cheap.closed
    assert not bench.models.asked
    assert bench.row["gate"]["outcome"] == "trusted"
    assert [call["cost_usd"] for call in bench.row["calls"]] == [0.5]


async def test_an_unsure_stream_is_swapped_and_cancelled_before_its_first_byte() -> None:
    bench = hold_bench()
    cheap, strong = Upstream(chunks_of(LONG, logprob=UNSURE), pause_s=0.002), Upstream(chunks_of(STRONG))
    await strong_stream(bench, strong)
    data, stream = await begin(bench, cheap)
    got = [chunk async for chunk in stream]
    call_id = bench.models.asked[0]["call_id"]
    log_call(bench, data, call_id, 0.25)
    await bench.settle()
    assert text_of(got) == STRONG
    assert got[-1].usage is not None
    assert cheap.closed
    assert strong.closed
    assert cheap.given < len(chunks_of(LONG))
    assert bench.models.asked[0]["stream"] is True
    assert bench.row["gate"]["outcome"] == "escalated"
    assert bench.row["gate"]["confidence"] < 0.7 < bench.row["gate"]["final_confidence"]
    assert bench.row["final_tier"] == "medium"
    weak, asked = bench.row["calls"]
    assert (weak["tier"], weak["status"], asked["tier"]) == ("simple", "cancelled", "medium")
    assert weak["cost_usd"] == pytest.approx(10 * 0.001 + weak["completion_tokens"] * 0.002)
    assert weak["completion_tokens"] >= 16
    assert asked["cost_usd"] == 0.25
    assert bench.row["cost_usd"] == pytest.approx(0.25 + weak["cost_usd"])


async def test_a_short_unsure_stream_that_ended_is_swapped_and_both_costs_are_logged() -> None:
    bench = hold_bench()
    cheap = Upstream(chunks_of("Not sure", logprob=UNSURE))
    await strong_stream(bench, Upstream(chunks_of(STRONG)))
    data, stream = await begin(bench, cheap)
    log_call(bench, data, "call-1", 0.1)
    got = [chunk async for chunk in stream]
    log_call(bench, data, bench.models.asked[0]["call_id"], 0.25)
    await bench.settle()
    assert text_of(got) == STRONG
    assert [(call["tier"], call["cost_usd"]) for call in bench.row["calls"]] == [("simple", 0.1), ("medium", 0.25)]


async def test_a_slow_stream_is_judged_when_its_time_is_up() -> None:
    bench = hold_bench(stream={"mode": "hold", "max_hold_ms": 60})
    await strong_stream(bench, Upstream(chunks_of(STRONG)))
    unsure = Upstream(chunks_of(LONG, logprob=UNSURE), pause_s=0.02)
    _, stream = await begin(bench, unsure)
    assert text_of([chunk async for chunk in stream]) == STRONG


async def test_a_stream_that_has_not_begun_when_the_time_is_up_is_let_through() -> None:
    bench = hold_bench(stream={"mode": "hold", "max_hold_ms": 20})
    _, stream = await begin(bench, Upstream(chunks_of("Late but fine", logprob=UNSURE), pause_s=0.05))
    assert text_of([chunk async for chunk in stream]) == "Late but fine"
    assert not bench.models.asked


@pytest.mark.swallows
@pytest.mark.parametrize(
    "strong", [EscalationError("down"), Upstream([]), Upstream([EscalationError("broken at once")])]
)
async def test_the_weak_stream_goes_out_when_the_stronger_tier_fails(strong: Any) -> None:
    bench = hold_bench()
    if isinstance(strong, Upstream):
        await strong_stream(bench, strong)
    else:
        bench.models.answers["tier-medium"] = strong
    data, stream = await begin(bench, Upstream(chunks_of(LONG, logprob=UNSURE)))
    assert text_of([chunk async for chunk in stream]) == LONG
    log_call(bench, data, "call-1", 0.1)
    await bench.settle()
    assert bench.row["gate"]["reason"] == "escalation_failed"
    assert bench.row["final_tier"] == "simple"


async def test_a_stream_that_breaks_while_held_breaks_as_it_would_have() -> None:
    bench = hold_bench()
    chunks = [*chunks_of("Half an", finish_reason=None), ConnectionError("gone")]
    _, stream = await begin(bench, Upstream(chunks))
    got: list[Any] = []
    with pytest.raises(ConnectionError):
        await take_all(stream, got)
    await bench.settle()
    assert text_of(got) == "Half an"
    assert bench.row["status"] == "failed"


async def test_a_strong_stream_that_breaks_is_not_replaced_again() -> None:
    bench = hold_bench()
    strong = Upstream([*chunks_of("Strong and", finish_reason=None), ConnectionError("gone")])
    await strong_stream(bench, strong)
    _, stream = await begin(bench, Upstream(chunks_of(LONG, logprob=UNSURE)))
    got: list[Any] = []
    with pytest.raises(ConnectionError):
        await take_all(stream, got)
    assert text_of(got) == "Strong and"


async def test_a_client_that_leaves_while_it_waits_cancels_both_calls() -> None:
    bench = hold_bench()
    cheap = Upstream(chunks_of("Not sure", logprob=UNSURE))
    strong = Upstream(chunks_of(STRONG), pause_s=30)
    await strong_stream(bench, strong)
    _, stream = await begin(bench, cheap)
    waiting = asyncio.ensure_future(anext(stream))
    asked = asyncio.Event()
    bench.models.during = lambda _call_id: asked.set()
    await asked.wait()
    await asyncio.sleep(0.01)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert cheap.closed
    assert strong.closed


async def test_a_refusal_is_swapped_early() -> None:
    bench = hold_bench()
    await strong_stream(bench, Upstream(chunks_of(STRONG)))
    refusal = "I'm sorry, but I cannot help with that request because it is not something I do. " + LONG
    _, stream = await begin(bench, Upstream(chunks_of(refusal, logprob=SURE)))
    assert text_of([chunk async for chunk in stream]) == STRONG


@pytest.mark.parametrize("gate", [{"max_escalations": 0}, {"enabled": False}, {"stream": {"mode": "record"}}])
async def test_a_stream_that_nothing_could_come_of_is_not_held(gate: dict[str, Any]) -> None:
    bench, upstream = hold_bench(**gate), Upstream(chunks_of(LONG, logprob=UNSURE), pause_s=0.001)
    _, stream = await begin(bench, upstream)
    await anext(stream)
    assert upstream.given == 1
    await stream.aclose()


def planned_bench(simple: float) -> Bench:
    """A bench that holds streams under `strategy: auto`; the first tier alone is good enough from .85 on."""
    bench = build_bench(
        {"simple": simple, "medium": 0.95, "frontier": 0.99},
        strategy="auto",
        semantic_cache={"enabled": False},
        intent_router={"min_quality": 0.85},
        confidence_gate={"stream": {"mode": "hold", "max_hold_ms": 400}},
    )
    for tier, usd in (("simple", 0.001), ("medium", 0.01), ("frontier", 0.1)):
        bench.models.prices[f"tier-{tier}"] = Price(input_usd=usd, output_usd=usd)
    return bench


async def test_the_stream_of_a_planned_cascade_is_held_and_swapped() -> None:
    bench = planned_bench(0.75)
    await strong_stream(bench, Upstream(chunks_of(STRONG)))
    data, stream = await begin(bench, Upstream(chunks_of(LONG, logprob=UNSURE), pause_s=0.002))
    got = [chunk async for chunk in stream]
    log_call(bench, data, bench.models.asked[0]["call_id"], 0.25)
    await bench.settle()
    assert text_of(got) == STRONG
    assert (bench.row["route"]["plan"], bench.row["strategy"]) == (["simple", "medium"], "cascade")
    assert [call["tier"] for call in bench.row["calls"]] == ["simple", "medium"]


async def test_the_stream_of_a_plan_of_one_tier_is_not_held() -> None:
    bench, cheap = planned_bench(0.9), Upstream(chunks_of(LONG, logprob=UNSURE))
    data, stream = await begin(bench, cheap)
    await anext(stream)
    assert cheap.given < 4, "the first chunk leaves as it comes"
    got = [chunk async for chunk in stream]
    log_call(bench, data, "call-1", 0.5)
    await bench.settle()
    assert not bench.models.asked
    assert (bench.row["route"]["plan"], bench.row["strategy"]) == (["simple"], "route")
    assert got


async def test_a_stream_that_is_not_held_is_planned_without_a_cascade() -> None:
    bench = planned_bench(0.75)
    gate = bench.pipeline.policy.confidence_gate
    recording = gate.model_copy(update={"stream": gate.stream.model_copy(update={"mode": "record"})})
    policy = bench.pipeline.policy.model_copy(update={"confidence_gate": recording})
    bench.pipeline = bench.pipeline.with_policy(policy)
    data, stream = await begin(bench, Upstream(chunks_of(LONG, logprob=UNSURE)))
    assert [chunk async for chunk in stream]
    log_call(bench, data, "call-1", 0.5)
    await bench.settle()
    assert (bench.row["route"]["tier"], bench.row["route"]["plan"]) == ("medium", ["medium"])
    assert all(len(plan["tiers"]) == 1 for plan in bench.row["route"]["plans"])
