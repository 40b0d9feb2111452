"""The public fakes keep the laws of the ports they stand in for."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiergate.errors import ClassifierError, DecisionLogError, EmbedderError, StoreError
from tiergate.ports import StoredAnswer
from tiergate.testing import FakeClassifier, FakeClock, FakeEmbedder, MemoryDecisionLog, MemoryStore


def answer(
    entry_id: str, *, tenant: str = "t", prompt: str = "p", axis: int = 0, expires_at: float = 10
) -> StoredAnswer:
    vector = np.zeros(4, dtype=np.float32)
    vector[axis] = 1
    return StoredAnswer(
        entry_id=entry_id,
        tenant=tenant,
        context_key="k",
        prompt=prompt,
        vector=vector,
        body={},
        tier="simple",
        confidence=None,
        cost_usd=0.0,
        stored_at=0.0,
        expires_at=expires_at,
    )


def test_the_clock_moves_only_when_told() -> None:
    clock = FakeClock(5.0)
    assert clock.now() == clock.monotonic() == 5.0
    clock.advance(1.5)
    assert clock.now() == clock.monotonic() == 6.5


@given(st.text())
async def test_vectors_are_units_and_repeat(text: str) -> None:
    embedder = FakeEmbedder()
    one, two = await embedder.embed(text), await embedder.embed(text)
    assert np.array_equal(one, two)
    assert one.dtype == np.float32
    assert np.linalg.norm(one) == pytest.approx(1, abs=1e-5)


async def test_the_store_filters_by_tenant_context_and_life_and_sorts_by_similarity() -> None:
    store, query = MemoryStore(), np.array([1, 0.5, 0, 0], dtype=np.float32)
    for stored in (answer("a"), answer("b", prompt="q", axis=1), answer("c", tenant="u"), answer("d", expires_at=1)):
        await store.store(stored)
    found = await store.look_up("t", "k", query, now=1, limit=5)
    assert [neighbour.answer.entry_id for neighbour in found] == ["a", "b"]
    exact = await store.look_up_exact("t", "k", "q", now=1)
    assert exact is not None
    assert (exact.answer.entry_id, exact.exact, exact.similarity) == ("b", True, 1.0)
    assert await store.look_up_exact("u", "other", "p", now=1) is None
    await store.aclose()


async def test_each_fake_fails_as_it_is_told() -> None:
    with pytest.raises(EmbedderError):
        await FakeEmbedder(failure=EmbedderError()).embed("x")
    with pytest.raises(ClassifierError):
        await FakeClassifier({}, failure=ClassifierError()).classify(np.zeros(1, dtype=np.float32), {}, "x")
    store = MemoryStore(failure=StoreError())
    with pytest.raises(StoreError):
        await store.store(answer("a"))
    with pytest.raises(StoreError):
        await store.look_up_exact("t", "k", "p", now=0)
    with pytest.raises(DecisionLogError):
        MemoryDecisionLog(failure=DecisionLogError()).record({})


async def test_the_classifier_says_what_it_was_built_with() -> None:
    fake = FakeClassifier({"simple": 0.5, "frontier": 0.9}, {"finance": 0.2})
    said = await fake.classify(np.zeros(1, dtype=np.float32), {}, "x")
    assert (said.scores, said.lower_bounds, said.domains) == (fake.scores, fake.scores, fake.domain_scores)
    assert (fake.tiers, fake.domains) == (("simple", "frontier"), ("finance",))
    for part in (fake, FakeEmbedder(), MemoryDecisionLog()):
        await part.aclose()
