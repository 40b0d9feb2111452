"""The composition root: packs are checked against each other; a runtime is built, works and closes."""

import asyncio
import shutil
from pathlib import Path

import pytest

from tiergate.adapters.litellm_models import LiteLLMModels
from tiergate.errors import PolicyError
from tiergate.pack import locate_pack
from tiergate.runtime import PIPELINE, Runtime, SystemClock, load_pack
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


def spoil(folder: Path, name: str, old: str, new: str) -> PolicyError:
    file = folder / name
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new))
    with pytest.raises(PolicyError) as caught:
        load_pack(folder / "policy.yaml", folder / "config.yaml")
    return caught.value


def test_the_order_of_the_stages() -> None:
    assert (SemanticCache, IntentRouter, ConfidenceGate, DecisionRecorder) == PIPELINE


def test_the_quickstart_is_a_whole_pack(pack: Path) -> None:
    loaded = load_pack(pack / "policy.yaml", pack / "config.yaml")
    assert loaded.cache_group == "tier-cache"
    assert load_pack(pack / "policy.yaml", None).cache_group is None


@pytest.mark.parametrize(
    ("name", "old", "new", "key"),
    [
        ("config.yaml", "tiergate/cache", "openai/cache", "model_list"),
        ("config.yaml", "model_name: tier-medium\n", "model_name: other\n", "tiers[1].model_group"),
        ("policy.yaml", "legal:", "astrology:", "domains.astrology"),
        ("policy.yaml", "name: medium,", "name: middle,", "tiers[1].name"),
    ],
)
def test_what_does_not_fit_together_is_named(pack: Path, name: str, old: str, new: str, key: str) -> None:
    error = spoil(pack, name, old, new)
    assert (error.key, bool(error.fix)) == (key, True)


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
