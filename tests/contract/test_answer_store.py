"""The laws of the port `AnswerStore`, for every store there is."""

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tiergate.adapters.qdrant_edge_store import QdrantEdgeStore
from tiergate.errors import StoreError
from tiergate.ports import AnswerStore, StoredAnswer, Vector

DIMENSIONS = 16


class OpenableStore(AnswerStore, Protocol):
    def open(self) -> None: ...


def _edge(folder: Path) -> OpenableStore:
    return QdrantEdgeStore(folder / "cache", DIMENSIONS, "e" * 64)


STORES: dict[str, Callable[[Path], OpenableStore]] = {"edge": _edge}


@pytest.fixture(params=STORES)
def make_store(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], OpenableStore]:
    """Opens the same store again each time it is called."""

    def make() -> OpenableStore:
        store = STORES[request.param](tmp_path)
        store.open()
        return store

    return make


@pytest.fixture
async def store(make_store: Callable[[], OpenableStore]) -> AsyncIterator[OpenableStore]:
    opened = make_store()
    yield opened
    await opened.aclose()


def unit(seed: int) -> Vector:
    vector = np.random.default_rng(seed).normal(size=DIMENSIONS).astype(np.float32)
    return vector / np.linalg.norm(vector)


def answer(**changes: Any) -> StoredAnswer:
    made = StoredAnswer(
        entry_id="entry-1",
        tenant="tenant-a",
        context_key="context-1",
        prompt="What is a tier?",
        vector=unit(1),
        body={"choices": [{"message": {"content": "A level. ü 漢"}}], "n": 1, "x": 0.1, "none": None},
        tier="simple",
        confidence=0.75,
        cost_usd=0.00012,
        stored_at=100.0,
        expires_at=200.0,
    )
    return replace(made, **changes)


async def test_an_exact_repeat_is_found_whole(store: AnswerStore) -> None:
    stored = answer()
    await store.store(stored)
    found = await store.look_up_exact("tenant-a", "context-1", "What is a tier?", now=150.0)
    assert found is not None
    assert (found.exact, found.similarity) == (True, 1.0)
    kept = {name: getattr(found.answer, name) for name in StoredAnswer.__slots__ if name != "vector"}
    assert kept == {name: getattr(stored, name) for name in kept}


async def test_an_exact_look_up_wants_the_same_characters(store: AnswerStore) -> None:
    await store.store(answer())
    assert await store.look_up_exact("tenant-a", "context-1", "what is a tier?", now=150.0) is None


async def test_the_nearest_come_best_first_with_their_cosine(store: AnswerStore) -> None:
    query = unit(0)
    for seed in range(1, 30):
        await store.store(answer(prompt=f"prompt {seed}", vector=unit(seed), entry_id=str(seed)))
    found = await store.look_up("tenant-a", "context-1", query, now=150.0, limit=5)
    cosines = {str(seed): float(query @ unit(seed)) for seed in range(1, 30)}
    best = sorted(cosines, key=cosines.__getitem__, reverse=True)[:5]
    assert [each.answer.entry_id for each in found] == best
    assert [each.similarity for each in found] == pytest.approx([cosines[each] for each in best], abs=1e-5)
    assert not any(each.exact for each in found)


async def test_an_empty_store_finds_nothing(store: AnswerStore) -> None:
    assert await store.look_up_exact("tenant-a", "context-1", "What is a tier?", now=150.0) is None
    assert list(await store.look_up("tenant-a", "context-1", unit(1), now=150.0)) == []


@pytest.mark.parametrize("other", [{"tenant": "tenant-b"}, {"context_key": "context-2"}], ids=["tenant", "context"])
async def test_nothing_of_another_scope_is_seen(store: AnswerStore, other: dict[str, str]) -> None:
    await store.store(answer(**other))
    assert await store.look_up_exact("tenant-a", "context-1", "What is a tier?", now=150.0) is None
    assert list(await store.look_up("tenant-a", "context-1", unit(1), now=150.0, limit=10)) == []


async def test_equal_prompts_of_two_scopes_are_two_entries(store: AnswerStore) -> None:
    await store.store(answer(tenant="tenant-a", entry_id="a"))
    await store.store(answer(tenant="tenant-b", entry_id="b"))
    for tenant, entry in (("tenant-a", "a"), ("tenant-b", "b")):
        found = await store.look_up(tenant, "context-1", unit(1), now=150.0, limit=10)
        assert [each.answer.entry_id for each in found] == [entry]


async def test_names_that_join_to_the_same_text_are_different_scopes(store: AnswerStore) -> None:
    await store.store(answer(tenant="ab", context_key="c"))
    assert await store.look_up_exact("a", "bc", "What is a tier?", now=150.0) is None
    assert list(await store.look_up("a", "bc", unit(1), now=150.0)) == []


@pytest.mark.parametrize(("now", "alive"), [(199.9, True), (200.0, False), (250.0, False)])
async def test_an_entry_lives_until_it_expires(store: AnswerStore, now: float, *, alive: bool) -> None:
    await store.store(answer())
    exact = await store.look_up_exact("tenant-a", "context-1", "What is a tier?", now=now)
    near = await store.look_up("tenant-a", "context-1", unit(1), now=now)
    assert (exact is not None, len(near) == 1) == (alive, alive)


async def test_expired_neighbours_do_not_hide_a_live_one(store: AnswerStore) -> None:
    for number in range(20):
        await store.store(answer(prompt=f"old {number}", expires_at=120.0))
    await store.store(answer(prompt="live", vector=unit(2), entry_id="live"))
    found = await store.look_up("tenant-a", "context-1", unit(1), now=150.0)
    assert [each.answer.entry_id for each in found] == ["live"]


async def test_storing_again_replaces(store: AnswerStore) -> None:
    await store.store(answer(body={"v": 1}))
    await store.store(answer(body={"v": 2}, entry_id="entry-2", expires_at=300.0))
    found = await store.look_up("tenant-a", "context-1", unit(1), now=250.0, limit=10)
    assert [(each.answer.entry_id, each.answer.body) for each in found] == [("entry-2", {"v": 2})]


async def test_entries_outlive_the_process_that_stored_them(make_store: Callable[[], OpenableStore]) -> None:
    first = make_store()
    await first.store(answer())
    await first.aclose()
    second = make_store()
    try:
        found = await second.look_up("tenant-a", "context-1", unit(1), now=150.0)
        assert [each.answer.entry_id for each in found] == ["entry-1"]
        assert await second.look_up_exact("tenant-a", "context-1", "What is a tier?", now=150.0)
    finally:
        await second.aclose()


async def test_a_vector_of_another_length_is_refused(store: AnswerStore) -> None:
    wrong = np.ones(DIMENSIONS + 1, dtype=np.float32)
    with pytest.raises(StoreError, match="shape"):
        await store.store(answer(vector=wrong))
    with pytest.raises(StoreError, match="shape"):
        await store.look_up("tenant-a", "context-1", wrong, now=150.0)


async def test_a_closed_store_says_so(make_store: Callable[[], OpenableStore]) -> None:
    closed = make_store()
    await closed.aclose()
    with pytest.raises(Exception, match="closed"):
        await closed.look_up_exact("tenant-a", "context-1", "What is a tier?", now=150.0)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tenant=st.text(), context=st.text(), prompt=st.text(min_size=1))
async def test_any_text_makes_the_round_trip(store: AnswerStore, tenant: str, context: str, prompt: str) -> None:
    await store.store(answer(tenant=tenant, context_key=context, prompt=prompt, body={"text": prompt}))
    found = await store.look_up_exact(tenant, context, prompt, now=150.0)
    assert found is not None
    assert (found.answer.prompt, found.answer.body["text"]) == (prompt, prompt)
