"""Building the cache from policy: what a reload keeps, what a restart finds again, who removes answers."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tiergate.adapters.absent_store import AbsentStore
from tiergate.adapters.pair_label_file import PairLabelFile
from tiergate.adapters.qdrant_edge_store import QdrantEdgeStore
from tiergate.adapters.qdrant_server_store import QdrantServerStore
from tiergate.cache_parts import (
    WallClock,
    build_cipher,
    build_invalidator,
    build_labels,
    build_semantic_cache,
    build_store,
    find_pair_model,
)
from tiergate.errors import ArtifactError, PolicyError
from tiergate.policy.deployment_cuts import PairLabel
from tiergate.policy.pair_features import FEATURES
from tiergate.policy.pair_model import PairModel
from tiergate.ports import Invalidation, StoredAnswer
from tiergate.settings import Policy
from tiergate.stages.semantic_cache import SemanticCache
from tiergate.testing import FakeClock, FakeEmbedder, MemoryStore

POLICY_FILE = Path("policy.yaml")


def policy_of(**settings: Any) -> Policy:
    tiers = [{"name": name, "model_group": name} for name in ("simple", "frontier")]
    return Policy.model_validate({"tiers": tiers, "semantic_cache": settings})


def model(digest: str = "d") -> PairModel:
    weight = np.zeros(len(FEATURES), dtype=np.float32)
    return PairModel(
        feature_weight=weight, vector_weight=np.zeros(128, dtype=np.float32), bias=0.0, cuts={}, digest=digest
    )


def build(policy: Policy, **parts: Any) -> SemanticCache:
    return build_semantic_cache(policy, parts.pop("store", MemoryStore()), FakeEmbedder(), FakeClock(), **parts)


def label(**changes: Any) -> PairLabel:
    unit = np.array([1.0, 0.0], dtype=np.float32)
    fields: dict[str, Any] = {
        "ts": 1.0, "tenant": "t", "entry_id": "e", "similarity": 0.97, "same": True, "would_hit": True, "drawn": True,
        "features": np.zeros(len(FEATURES), dtype=np.float32), "asked": unit, "stored": unit,
    }  # fmt: skip
    return PairLabel(**{**fields, **changes})


def test_a_reload_keeps_flights_labels_and_the_limit_of_equal_settings() -> None:
    old = build(policy_of(re_ask_share=0.1))
    same = build(policy_of(re_ask_share=0.2), old=old)
    other = build(policy_of(store_limit={"per_minute": 1}), old=old)
    assert same.flights is other.flights is old.flights
    assert same.grey_zone is old.grey_zone
    assert same.limit is old.limit
    assert other.limit is not old.limit


@pytest.mark.parametrize(
    ("max_error", "digest", "kept"), [(0.05, "d", True), (0.02, "d", False), (0.05, "other", False)]
)
def test_a_reload_keeps_the_cuts_of_the_same_bound_and_model(max_error: float, digest: str, *, kept: bool) -> None:
    old = build(policy_of(max_error=0.05), pair_model=model())
    new = build(policy_of(max_error=max_error), pair_model=model(digest), old=old)
    assert old.judge is not None
    assert new.judge is not None
    assert (new.judge.cuts is old.judge.cuts) is kept


def test_a_restart_finds_slices_recalls_and_anchors_again(tmp_path: Path) -> None:
    file = PairLabelFile(tmp_path / "labels.jsonl")
    before = build(policy_of(max_error=0.05, min_similarity=None), labels=file).grey_zone
    assert before is not None
    for _ in range(4):
        before.add_pair(label(same=False))
    before.add_pair(label(same=False, would_hit=False, similarity=0.5))
    before.recall("gone", tenant="t", pair=(np.ones(2, dtype=np.float32), np.ones(2, dtype=np.float32)))
    before.recall("renewed")
    before.renew("renewed")
    before.renew("never recalled")
    after = build(policy_of(max_error=0.05), labels=PairLabelFile(file.path)).grey_zone
    assert after is not None
    assert after.slices() == before.slices()
    assert list(after._recalled) == ["gone"]
    assert len(after._anchors["t"]) == 1
    assert sum(b"renewal" in line for line in file.path.read_bytes().splitlines()) == 1


def test_labels_are_kept_where_policy_says(tmp_path: Path) -> None:
    file = build_labels(policy_of(labels=str(tmp_path / "x.jsonl")))
    assert file is not None
    assert file.path == tmp_path / "x.jsonl"
    assert build_labels(policy_of(enabled=False)) is None


async def test_each_kind_of_store_is_built(tmp_path: Path) -> None:
    embedder = FakeEmbedder(digest="a" * 64)
    assert isinstance(build_store(policy_of(enabled=False), embedder, POLICY_FILE), AbsentStore)
    edge = build_store(policy_of(store={"kind": "edge", "path": str(tmp_path / "cache")}), embedder, POLICY_FILE)
    assert isinstance(edge, QdrantEdgeStore)
    await edge.aclose()
    server = build_store(policy_of(store={"kind": "server", "url": "http://127.0.0.1:9"}), embedder, POLICY_FILE)
    assert isinstance(server, QdrantServerStore)
    await server.aclose()


async def test_an_entry_is_recalled_by_its_name_and_others_by_what_they_are() -> None:
    store, clock = MemoryStore(), WallClock()
    cache = build(policy_of(min_similarity=0.9), store=store)
    invalidator = build_invalidator(cache)
    assert invalidator is not None
    for number in range(3):
        await store.store(
            StoredAnswer(
                entry_id=f"e{number}", tenant="t", context_key="c", prompt=f"p{number}",
                vector=np.eye(64, dtype=np.float32)[number], body={}, tier="simple", confidence=1.0, cost_usd=0.0,
                stored_at=clock.now() - 3600 * 24 * 365 * 10, expires_at=clock.now() + 60,
            )
        )  # fmt: skip
    assert await invalidator.invalidate(Invalidation(entry_id="e0", asked=np.eye(64, dtype=np.float32)[5])) == 1
    assert cache.grey_zone is not None
    assert list(cache.grey_zone._recalled) == ["e0"]
    assert len(cache.grey_zone._anchors["t"]) == 1
    assert await invalidator.invalidate(Invalidation(prompt="p1", tenant="other")) == 0
    assert await invalidator.invalidate(Invalidation(prompt="p1", tenant="t")) == 1
    assert await invalidator.invalidate(Invalidation(older_than_s=60)) == 1
    assert build_invalidator(build(policy_of(enabled=False))) is None


def test_keys_make_a_cipher_and_what_is_no_key_is_named() -> None:
    assert build_cipher(policy_of(), POLICY_FILE) is None
    with pytest.raises(PolicyError, match="encryption_keys"):
        build_cipher(policy_of(encryption_keys="secret"), POLICY_FILE)


def test_a_pair_model_is_there_for_a_bound_and_its_own_encoder_only(tmp_path: Path) -> None:
    assert find_pair_model(policy_of(), FakeEmbedder()) is None
    assert find_pair_model(policy_of(max_error=0.05), FakeEmbedder()) is None, "built in, of another encoder"
    with pytest.raises(ArtifactError):
        find_pair_model(policy_of(max_error=0.05, pair_model=str(tmp_path)), FakeEmbedder())
