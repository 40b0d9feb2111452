import asyncio
from collections.abc import AsyncIterator

import pytest

from tiergate.hooks.stream_feed import END, MAX_AHEAD, StreamFeed


async def numbers(count: int, error: Exception | None = None) -> AsyncIterator[int]:
    for number in range(count):
        yield number
    if error is not None:
        raise error


async def test_every_chunk_comes_in_order_and_then_the_end() -> None:
    feed = StreamFeed(numbers(2 * MAX_AHEAD))
    got = [await feed.get() for _ in range(2 * MAX_AHEAD)]
    assert got == list(range(2 * MAX_AHEAD))
    assert await feed.get() is END
    assert not feed.broken
    feed.raise_if_broken()
    await feed.aclose()


async def test_an_error_comes_after_the_chunks_before_it() -> None:
    feed = StreamFeed(numbers(2, ConnectionError("gone")))
    assert [await feed.get(), await feed.get(), await feed.get()] == [0, 1, END]
    with pytest.raises(ConnectionError):
        feed.raise_if_broken()
    await feed.aclose()


async def test_closing_stops_the_reading_and_a_waiting_reader_loses_nothing() -> None:
    async def endless() -> AsyncIterator[int]:
        while True:
            await asyncio.sleep(0.01)
            yield 1

    feed = StreamFeed(endless())
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.001):
            await feed.get()
    assert await feed.get() == 1
    await feed.aclose()
