"""The composition root: a runtime is built from a pack, works and closes."""

import asyncio
import shutil
from pathlib import Path

import pytest

from tiergate.adapters.inference_pool import InferencePool
from tiergate.adapters.litellm_models import LiteLLMModels
from tiergate.adapters.qdrant_server_store import QdrantServerStore
from tiergate.cache_parts import build_store
from tiergate.pack import locate_pack
from tiergate.pack_check import load_pack
from tiergate.runtime import PIPELINE, Runtime, SystemClock, build_embedder
from tiergate.settings import Encoder, Policy
from tiergate.stages.confidence_gate import ConfidenceGate
from tiergate.stages.decision_record import DecisionRecorder
from tiergate.stages.intent_router import IntentRouter
from tiergate.stages.semantic_cache import SemanticCache
from tiergate.testing import FakeEmbedder


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    """A copy of the quickstart that a test may spoil; its data goes beside it."""
    folder = tmp_path / "pack"
    shutil.copytree(locate_pack("quickstart"), folder)
    policy = (folder / "policy.yaml").read_text().replace("./data", str(tmp_path / "data"))
    (folder / "policy.yaml").write_text(policy)
    return folder


def test_the_order_of_the_stages() -> None:
    assert (SemanticCache, IntentRouter, ConfidenceGate, DecisionRecorder) == PIPELINE


def test_a_server_that_is_down_does_not_stop_start_up(pack: Path) -> None:
    loaded = load_pack(pack / "policy.yaml", pack / "config.yaml")
    named = {"kind": "server", "url": "http://127.0.0.1:1"}
    policy = Policy.model_validate(loaded.policy.model_dump(mode="json") | {"semantic_cache": {"store": named}})
    store = build_store(policy, FakeEmbedder(), pack / "policy.yaml")
    assert isinstance(store, QdrantServerStore)


async def test_an_embeddings_endpoint_may_be_the_encoder() -> None:
    settings = Encoder(kind="openai", base_url="http://127.0.0.1:1", model="m", dimensions=8)
    pool = InferencePool(threads=1, max_queue=1)
    embedder = build_embedder(settings, pool)
    assert embedder.dimensions == 8
    await embedder.aclose()
    await pool.aclose()


async def test_a_runtime_is_built_works_in_the_background_and_closes(pack: Path) -> None:
    loaded = load_pack(pack / "policy.yaml", pack / "config.yaml")
    runtime = Runtime(loaded, policy_path=pack / "policy.yaml", models=LiteLLMModels(lambda: None))
    done = asyncio.Event()

    async def work() -> None:
        await asyncio.sleep(0)
        done.set()

    try:
        runtime.spawn(work())
        assert (await runtime.pipeline.embedder.embed("hello")).shape == (runtime.pipeline.embedder.dimensions,)
    finally:
        await runtime.aclose()
    assert done.is_set()


def test_the_clock_goes_forward() -> None:
    clock = SystemClock()
    assert clock.monotonic() <= clock.monotonic()
    assert clock.now() > 1_700_000_000
