"""The laws of the port `AnswerStore`, for every store there is."""

import hashlib
import os
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from qdrant_client import AsyncQdrantClient

from tiergate.adapters.answer_cipher import AnswerCipher
from tiergate.adapters.qdrant_edge_store import QdrantEdgeStore
from tiergate.adapters.qdrant_server_store import QdrantServerStore
from tiergate.cache_settings import ServerStore
from tiergate.errors import StoreError
from tiergate.ports import AnswerStore, Selection, StoredAnswer, Vector

pytestmark = [
    pytest.mark.filterwarnings("ignore:Payload indexes have no effect in the local Qdrant"),
    pytest.mark.filterwarnings("ignore:Local mode performs exact"),
]
DIMENSIONS = 16


class OpenableStore(AnswerStore, Protocol):
    def open(self) -> None: ...


def _edge(folder: Path) -> OpenableStore:
    return QdrantEdgeStore(folder / "cache", DIMENSIONS, "e" * 64)


def _sealed_edge(folder: Path) -> OpenableStore:
    cipher = AnswerCipher.from_keys(KEY, policy_file="policy.yaml")
    return QdrantEdgeStore(folder / "cache", DIMENSIONS, "e" * 64, cipher=cipher)


def _local(folder: Path) -> OpenableStore:
    settings = ServerStore(kind="server", url="http://unused", look_up_budget_ms=5_000, store_budget_ms=5_000)
    return QdrantServerStore(
        settings, DIMENSIONS, "e" * 64, client=lambda _: AsyncQdrantClient(path=str(folder / "local")), wait=True
    )


def _server(folder: Path) -> OpenableStore:
    """A real server, where QDRANT_URL names one; each test has a collection of its own."""
    settings = ServerStore(
        kind="server",
        url=os.environ["QDRANT_URL"],
        api_key=os.environ.get("QDRANT_API_KEY"),
        grpc=bool(os.environ.get("QDRANT_GRPC")),
        collection=f"contract-{hashlib.sha256(str(folder).encode()).hexdigest()[:12]}",
        look_up_budget_ms=2_000,
    )
    return QdrantServerStore(settings, DIMENSIONS, "e" * 64, wait=True)


KEY = "YmFzZTY0LWtleS1mb3ItYS10ZXN0LTMyLWJ5dGVzISE="
STORES: dict[str, Callable[[Path], OpenableStore]] = {"edge": _edge, "edge sealed": _sealed_edge, "local": _local}
if "QDRANT_URL" in os.environ:
    STORES["server"] = _server


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


async def test_neighbours_come_with_their_vectors(store: AnswerStore) -> None:
    await store.store(answer(vector=unit(3)))
    found = await store.look_up("tenant-a", "context-1", unit(1), now=150.0)
    assert found[0].answer.vector == pytest.approx(unit(3), abs=1e-6)


async def test_tags_and_confirmations_make_the_round_trip(store: AnswerStore) -> None:
    await store.store(answer(tags=("doc:3", "x"), confirmed_by=("a", "b")))
    found = await store.look_up_exact("tenant-a", "context-1", "What is a tier?", now=150.0)
    assert found is not None
    assert (found.answer.tags, found.answer.confirmed_by) == (("doc:3", "x"), ("a", "b"))


@pytest.mark.parametrize(
    ("selection", "gone"),
    [
        (Selection(), {"0", "1", "2", "3"}),
        (Selection(tenant="tenant-b"), {"1"}),
        (Selection(prompt="prompt 2"), {"2"}),
        (Selection(entry_ids=("0", "3", "9")), {"0", "3"}),
        (Selection(entry_ids=()), set()),
        (Selection(stored_before=102.0), {"0", "1"}),
        (Selection(tag="v2"), {"2", "3"}),
        (Selection(tag="v2", stored_before=103.0), {"2"}),
        (Selection(tenant="nobody"), set()),
    ],
)
async def test_what_a_selection_removes_is_never_served_again(
    store: AnswerStore, selection: Selection, gone: set[str]
) -> None:
    for number in range(4):
        await store.store(
            answer(
                tenant="tenant-b" if number == 1 else "tenant-a", prompt=f"prompt {number}", entry_id=str(number),
                stored_at=100.0 + number, tags=("v2",) if number > 1 else ("v1",), vector=unit(number),
            )
        )  # fmt: skip
    page = await store.browse(selection)
    assert {entry.entry_id for entry in page.entries} == gone
    assert await store.remove(selection) == len(gone)
    left = {entry.entry_id for entry in (await store.browse(Selection())).entries}
    assert left == {"0", "1", "2", "3"} - gone
    for number in range(4):
        tenant = "tenant-b" if number == 1 else "tenant-a"
        found = await store.look_up_exact(tenant, "context-1", f"prompt {number}", now=150.0)
        assert (found is None) == (str(number) in gone)
    assert (await store.stats()).entries == 4 - len(gone)


async def test_pages_show_every_entry_once(store: AnswerStore) -> None:
    for number in range(7):
        await store.store(answer(prompt=f"prompt {number}", entry_id=str(number), vector=unit(number)))
    seen: list[str] = []
    after: str | None = None
    while True:
        page = await store.browse(Selection(), after=after, limit=3)
        seen += [entry.entry_id for entry in page.entries]
        assert all(entry.vector.shape == (DIMENSIONS,) for entry in page.entries)
        after = page.after
        if after is None:
            break
    assert sorted(seen) == [str(number) for number in range(7)]
