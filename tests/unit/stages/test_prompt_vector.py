"""One embedding for each request."""

import asyncio
from typing import Any

import numpy as np
import pytest

from tiergate.errors import EmbedderError, QueueFullError
from tiergate.stages.prompt_vector import PromptVector
from tiergate.testing import FakeEmbedder


async def test_it_embeds_at_most_once_and_only_when_asked() -> None:
    embedder = FakeEmbedder()
    vector = PromptVector(embedder, "hello")
    assert vector.known is None
    first = await vector.get()
    assert np.array_equal(await vector.get(), first)
    assert vector.known is first
    assert embedder.calls == ["hello"]


async def test_a_failure_is_remembered() -> None:
    embedder = FakeEmbedder(failure=EmbedderError("gone"))
    vector = PromptVector(embedder, "hello")
    for _ in range(2):
        with pytest.raises(EmbedderError, match="gone"):
            await vector.get()
    assert embedder.calls == ["hello"]


async def test_a_full_queue_may_be_tried_again() -> None:
    embedder = FakeEmbedder(failure=QueueFullError("full"))
    vector = PromptVector(embedder, "hello")
    with pytest.raises(QueueFullError):
        await vector.get()
    embedder.failure = None
    assert (await vector.get()).shape == (64,)


class SlowEmbedder(FakeEmbedder):
    async def embed(self, text: str) -> Any:
        await asyncio.sleep(0.02)
        return await super().embed(text)


async def test_a_stage_that_gives_up_does_not_stop_the_work_of_the_next() -> None:
    embedder = SlowEmbedder()
    vector = PromptVector(embedder, "hello")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.001):
            await vector.get()
    assert (await vector.get()).shape == (64,)
    assert embedder.calls == ["hello"]


async def test_two_stages_at_once_wait_for_one_vector() -> None:
    embedder = SlowEmbedder()
    vector = PromptVector(embedder, "hello")
    one, two = await asyncio.gather(vector.get(), vector.get())
    assert one is two
    assert embedder.calls == ["hello"]
