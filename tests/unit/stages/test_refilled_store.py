"""A change of the encoder: nothing is lost, nothing is mixed."""

import asyncio
from typing import Any

import numpy as np

from tiergate.errors import EmbedderError
from tiergate.ports import Selection, StoredAnswer
from tiergate.stages.refilled_store import RefilledStore
from tiergate.testing import FakeClock, FakeEmbedder, MemoryStore


def entry(number: int, **changes: Any) -> StoredAnswer:
    fields: dict[str, Any] = {
        "entry_id": f"{number:03}", "tenant": "t", "context_key": "c", "prompt": f"prompt {number}",
        "vector": np.ones(3, np.float32), "body": {"n": number}, "tier": "simple", "confidence": None, "cost_usd": 0.0,
        "stored_at": 1.0, "expires_at": 2e9,
    }  # fmt: skip
    return StoredAnswer(**{**fields, **changes})


async def make(count: int, **changes: Any) -> tuple[RefilledStore, MemoryStore, MemoryStore, FakeEmbedder]:
    fresh, old, embedder = MemoryStore(), MemoryStore(), FakeEmbedder()
    for number in range(count):
        await old.store(entry(number, **changes))
    return RefilledStore(fresh, old, embedder, FakeClock(), pause_s=0.0), fresh, old, embedder


async def test_the_old_collection_serves_exact_repeats_until_the_new_one_is_filled() -> None:
    store, fresh, old, embedder = await make(120)
    assert (await store.look_up_exact("t", "c", "prompt 7", now=2.0)) is not None
    assert list(await store.look_up("t", "c", await embedder.embed("prompt 7"), now=2.0)) == []
    assert store._filling is not None
    await store._filling
    assert (len(fresh.entries), len(old.entries)) == (120, 0)
    (near,) = await store.look_up("t", "c", await embedder.embed("prompt 7"), now=2.0)
    assert near.answer.body == {"n": 7}
    assert near.answer.vector.shape == (embedder.dimensions,)
    await store.aclose()


async def test_what_is_newer_stays_and_what_expired_is_left_behind() -> None:
    store, fresh, _, _ = await make(2)
    await fresh.store(entry(0, body={"n": "newer"}))
    await store.fill()
    assert [each.body["n"] for each in fresh.entries.values()] == ["newer", 1]
    store, fresh, _, _ = await make(2, expires_at=5.0)
    await store.fill()
    assert fresh.entries == {}


async def test_what_is_removed_is_removed_from_both() -> None:
    store, fresh, old, _ = await make(3)
    await fresh.store(entry(9))
    assert await store.remove(Selection(prompt="prompt 1")) == 1
    await store.fill()
    assert {each.prompt for each in fresh.entries.values()} == {"prompt 0", "prompt 2", "prompt 9"}
    assert old.entries == {}


async def test_an_encoder_that_fails_leaves_the_old_one_serving() -> None:
    store, _, old, embedder = await make(3)
    embedder.failure = EmbedderError("down")
    for _ in range(5):
        assert await store.look_up_exact("t", "c", "prompt 1", now=2.0) is not None
        await asyncio.sleep(0)
    assert len(old.entries) == 3
    await store.aclose()
