"""Streams: every chunk passes, nothing replaces what has begun, and every ending writes one final record."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.hooks.conftest import KEY, SURE, UNSURE, Bench, build_bench, chunks_of, request_data

from tiergate.hooks import stream as stream_module
from tiergate.hooks.call_log import after_logged_call
from tiergate.hooks.callback import TiergateCallback
from tiergate.hooks.pre_call import before_call
from tiergate.hooks.response_headers import headers_for
from tiergate.hooks.stream import watch_stream

LOGGED = {
    "model_group": "tier-simple",
    "model": "model-x",
    "custom_llm_provider": "openai",
    "prompt_tokens": 10,
    "completion_tokens": 3,
    "response_cost": 0.002,
    "endTime": 1_700_000_001.0,
}


@pytest.fixture(autouse=True)
def _short_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_module, "LOG_WAIT_S", 0.05)


async def provider(chunks: list[Any], failure: Exception | None = None) -> AsyncIterator[Any]:
    for chunk in chunks:
        yield chunk
    if failure is not None:
        raise failure


async def begin(bench: Bench, **fields: Any) -> dict[str, Any]:
    data = request_data(stream=True, **fields)
    await before_call(bench.pipeline, KEY, data, "acompletion")
    return data


def log(bench: Bench, data: dict[str, Any], **changes: Any) -> None:
    kwargs = {
        "litellm_call_id": data["litellm_call_id"],
        "litellm_params": {"metadata": data["metadata"]},
        "standard_logging_object": LOGGED | changes,
    }
    after_logged_call(bench.pipeline, kwargs)


def text_of(chunks: list[Any]) -> str:
    return "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)


@pytest.mark.parametrize("log_comes", ["before", "after"])
async def test_the_record_has_the_cost_whenever_the_log_event_comes(bench: Bench, log_comes: str) -> None:
    data = await begin(bench)
    headers = headers_for(bench.pipeline, data, object())
    chunks = [chunk async for chunk in watch_stream(bench.pipeline, data, provider(chunks_of("Paris it is.")))]
    if log_comes == "after":
        await asyncio.sleep(0)
        assert bench.finished == []
    log(bench, data)
    await bench.settle()
    assert text_of(chunks) == "Paris it is."
    assert headers is not None
    assert headers["x-tiergate-gate"] == "pending"
    assert [row["decision_id"] for row in bench.log.rows] == [headers["x-tiergate-decision-id"]] * 2
    assert len(bench.finished) == 1
    assert (bench.row["cost_usd"], bench.row["status"], bench.row["final_tier"]) == (0.002, "ok", "simple")
    assert bench.row["gate"]["outcome"] == "trusted"
    assert [call["fallback_from"] for call in bench.row["calls"]] == [None]
    assert len(bench.pipeline.registry) == 0
    assert len(bench.store.entries) == 1


async def test_a_fallback_is_named(bench: Bench) -> None:
    data = await begin(bench)
    _ = [chunk async for chunk in watch_stream(bench.pipeline, data, provider(chunks_of("Paris.")))]
    log(bench, data, model_group="tier-simple-alt")
    await bench.settle()
    assert [(call["model_group"], call["fallback_from"]) for call in bench.row["calls"]] == [
        ("tier-simple-alt", "tier-simple")
    ]


async def test_a_log_event_that_never_comes_still_gives_a_record(bench: Bench) -> None:
    data = await begin(bench)
    _ = [chunk async for chunk in watch_stream(bench.pipeline, data, provider(chunks_of("Paris.")))]
    await bench.settle()
    assert (bench.row["status"], bench.row["calls"]) == ("ok", [])
    assert len(bench.pipeline.registry) == 0
    log(bench, data)
    assert len(bench.finished) == 1


@pytest.mark.parametrize("asked", [False, True])
async def test_logprobs_pass_only_when_the_client_asked(bench: Bench, asked: bool) -> None:  # noqa: FBT001
    data = await begin(bench, **({"logprobs": True} if asked else {}))
    chunks = [chunk async for chunk in watch_stream(bench.pipeline, data, provider(chunks_of("Paris it is.")))]
    seen = [getattr(choice, "logprobs", None) for chunk in chunks for choice in chunk.choices]
    assert any(seen) is asked
    log(bench, data)
    await bench.settle()
    assert "logprob_mean" in bench.row["gate"]["signals"], "the gate reads them either way"


async def test_a_client_that_leaves_ends_the_record_at_once_and_nothing_is_kept(bench: Bench) -> None:
    data = await begin(bench)
    callback = TiergateCallback(lambda: bench.pipeline)
    stream = callback.async_post_call_streaming_iterator_hook(KEY, provider(chunks_of("Paris it is.")), data)
    assert text_of([await anext(stream)]) == "Paris"
    await stream.aclose()
    assert len(bench.spawned) == 1
    log(bench, data, response_cost=0.0001)
    await bench.settle()
    assert (bench.row["status"], bench.row["cost_usd"], bench.row["final_tier"]) == ("disconnected", 0.0001, None)
    assert bench.store.entries == {}
    assert len(bench.pipeline.registry) == 0


async def test_a_provider_that_breaks_off_reaches_the_client_and_the_record(bench: Bench) -> None:
    data = await begin(bench)
    got = []

    async def read() -> None:
        broken = provider(chunks_of("Paris it is.")[:2], ConnectionError("gone"))
        async for chunk in watch_stream(bench.pipeline, data, broken):
            got.append(chunk)  # noqa: PERF401  the list is wanted although the loop raises

    with pytest.raises(ConnectionError):
        await read()
    await bench.settle()
    assert text_of(got) == "Paris it"
    assert (bench.row["status"], bench.row["gate"]["reason"]) == ("failed", "call_failed")
    assert [(call["tier"], call["status"]) for call in bench.row["calls"]] == [("simple", "ConnectionError")]
    assert bench.store.entries == {}
    assert len(bench.pipeline.registry) == 0


async def test_an_empty_stream_is_recorded_and_not_kept(bench: Bench) -> None:
    data = await begin(bench)
    assert [chunk async for chunk in watch_stream(bench.pipeline, data, provider([]))] == []
    log(bench, data)
    await bench.settle()
    assert bench.row["status"] == "ok"
    assert bench.store.entries == {}


async def test_usage_comes_from_the_streams_own_chunk(bench: Bench) -> None:
    data = await begin(bench)
    entry = bench.entry()
    _ = [chunk async for chunk in watch_stream(bench.pipeline, data, provider(chunks_of("One two three four.")))]
    log(bench, data)
    await bench.settle()
    assert entry is not None
    assert entry.usage is not None
    assert (entry.usage.prompt_tokens, entry.usage.completion_tokens) == (10, 4)


@pytest.mark.swallows
async def test_a_chunk_of_another_kind_passes_and_the_answer_is_not_kept(bench: Bench) -> None:
    data = await begin(bench)
    chunks = [*chunks_of("Paris it is."), b"data: extra"]
    got = [chunk async for chunk in watch_stream(bench.pipeline, data, provider(chunks))]
    log(bench, data)
    await bench.settle()
    assert got[-1] == b"data: extra"
    assert bench.store.entries == {}
    assert bench.row["gate"]["outcome"] == "skipped"


async def test_a_stream_of_another_request_passes_untouched(bench: Bench) -> None:
    chunks = chunks_of("Paris.")
    data = request_data() | {"litellm_call_id": "other"}
    got = [chunk async for chunk in watch_stream(bench.pipeline, data, provider(chunks))]
    assert all(mine is theirs for mine, theirs in zip(got, chunks, strict=True))
    assert bench.spawned == []


async def test_a_streamed_hit_names_the_tier_of_the_stored_answer_in_headers_and_record(bench: Bench) -> None:
    data = await begin(bench)
    _ = [chunk async for chunk in watch_stream(bench.pipeline, data, provider(chunks_of("Paris it is.")))]
    log(bench, data)
    await bench.settle()
    again = await begin(bench)
    assert again["model"] == "tier-cache"
    headers = headers_for(bench.pipeline, again, object())
    _ = [chunk async for chunk in watch_stream(bench.pipeline, again, provider(chunks_of("Paris it is.")))]
    log(bench, again, model_group="tier-cache", response_cost=0.0)
    await bench.settle()
    assert headers is not None
    assert (headers["x-tiergate-cache"], headers["x-tiergate-tier"]) == ("hit", "simple")
    assert (bench.row["final_tier"], bench.row["cost_usd"], bench.row["calls"]) == ("simple", 0.0, [])
    assert bench.row["gate"]["reason"] == "cache_hit"


async def test_an_unrouted_stream_is_recorded_without_a_tier() -> None:
    bench = build_bench(intent_router={"enabled": False})
    data = await begin(bench)
    _ = [chunk async for chunk in watch_stream(bench.pipeline, data, provider(chunks_of("Paris.")))]
    log(bench, data, model_group="auto")
    await bench.settle()
    assert (bench.row["final_tier"], bench.row["calls"][0]["tier"]) == (None, None)
    assert bench.row["calls"][0]["fallback_from"] is None


@given(
    words=st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=6),
    logprob=st.sampled_from([SURE, UNSURE, None]),
    finish_reason=st.sampled_from(["stop", "length", "content_filter"]),
)
def test_a_begun_stream_is_never_replaced(words: list[str], logprob: float | None, finish_reason: str) -> None:
    async def run() -> None:
        bench = build_bench(confidence_gate={"max_escalations": 5})
        data = await begin(bench)
        sent = chunks_of(" ".join(words), logprob=logprob, finish_reason=finish_reason)
        got = [chunk async for chunk in watch_stream(bench.pipeline, data, provider(sent))]
        log(bench, data)
        await bench.settle()
        assert text_of(got) == " ".join(words)
        assert bench.models.asked == []
        assert bench.row["gate"]["outcome"] != "escalated"

    asyncio.run(run())
