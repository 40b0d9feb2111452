"""The composition root: packs are checked against each other; a runtime is built, works and closes."""

import asyncio
import shutil
from pathlib import Path

import pytest

from tiergate.adapters.litellm_models import LiteLLMModels
from tiergate.pack import locate_pack
from tiergate.pack_check import load_pack
from tiergate.runtime import PIPELINE, Runtime, SystemClock
from tiergate.stages.confidence_gate import ConfidenceGate
from tiergate.stages.decision_record import DecisionRecorder
from tiergate.stages.intent_router import IntentRouter
from tiergate.stages.semantic_cache import SemanticCache


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
