"""The composition root: a runtime is built from a pack, works and closes."""

import asyncio
import shutil
from pathlib import Path

import pytest

from tiergate.adapters.gate_calibration_file import write_gate_calibration
from tiergate.adapters.litellm_models import LiteLLMModels
from tiergate.adapters.qdrant_server_store import QdrantServerStore
from tiergate.artifact import builtin_artifact_path, load_artifact, write_artifact
from tiergate.cache_parts import build_store
from tiergate.errors import ArtifactError
from tiergate.pack import locate_pack
from tiergate.pack_check import load_pack
from tiergate.policy.gate_calibration import GateCalibration, GroupCalibration
from tiergate.runtime import (
    PIPELINE,
    Runtime,
    SystemClock,
    build_classifier,
    build_shadow,
)
from tiergate.settings import Policy
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


def tune(pack: Path, old: str, new: str) -> None:
    text = (pack / "policy.yaml").read_text()
    assert old in text
    (pack / "policy.yaml").write_text(text.replace(old, new))


async def test_a_reload_swaps_policy_and_artifact_and_requests_in_flight_keep_theirs(pack: Path) -> None:
    artifact = pack / "artifact"
    shutil.copytree(builtin_artifact_path(), artifact)
    tune(pack, "artifact: builtin", f"artifact: {artifact}")
    files = pack / "policy.yaml", pack / "config.yaml"
    runtime = Runtime(load_pack(*files), policy_path=files[0], config_path=files[1], models=LiteLLMModels(lambda: None))
    try:
        before = runtime.pipeline
        tune(
            pack,
            "min_quality: 0.95",
            f"min_quality: 0.90\n  shadow: {{artifact: {artifact}}}",
        )
        base = load_artifact(artifact)
        kept = {k: v for k, v in base.manifest.model_dump().items() if k not in ("format_version", "labels", "files")}
        write_artifact(
            artifact,
            manifest=kept | {"method": "another"},
            head=base.head,
            calibration=base.calibration,
            card="new",
            reference=base.reference,
        )
        assert runtime.reload()
        after = runtime.pipeline
        assert after.policy.intent_router.min_quality == 0.90
        assert after.intent_router.classifier.digest != before.intent_router.classifier.digest
        assert after.intent_router.shadow is not None
        assert before.policy.intent_router.min_quality == 0.95
        assert before.registry is after.registry
        assert after.embedder is before.embedder
    finally:
        await runtime.aclose()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("min_quality: 0.95", "min_quality: 7"),
        ("artifact: builtin", "artifact: ./nowhere"),
        ("max_escalations: 1", "max_escalations: 1\nencoder: {threads: 2}"),
        ("min_quality: 0.95", "min_quality: 0.95\n  shadow: {artifact: ./nowhere}"),
    ],
)
async def test_a_bad_new_file_is_refused_and_the_old_one_stays(
    pack: Path, old: str, new: str, caplog: pytest.LogCaptureFixture
) -> None:
    files = pack / "policy.yaml", pack / "config.yaml"
    runtime = Runtime(load_pack(*files), policy_path=files[0], config_path=files[1], models=LiteLLMModels(lambda: None))
    try:
        before = runtime.pipeline
        tune(pack, old, new)
        assert not runtime.reload()
        assert runtime.pipeline is before
        assert "refused" in caplog.text
    finally:
        await runtime.aclose()


async def test_a_reload_builds_the_arms_anew_and_keeps_what_was_learnt(pack: Path) -> None:
    files = pack / "policy.yaml", pack / "config.yaml"
    runtime = Runtime(load_pack(*files), policy_path=files[0], config_path=files[1], models=LiteLLMModels(lambda: None))
    try:
        before = runtime.pipeline
        experiment = "experiments: [{name: cut, arms: {a: {}, b: {intent_router.min_quality: 0.8}}}]\n"
        files[0].write_text(files[0].read_text() + experiment)
        tune(pack, "min_quality: 0.95", "min_quality: 0.90")
        assert runtime.reload()
        after = runtime.pipeline
        assert after.arms["cut", "b"].intent_router.policy.intent_router.min_quality == 0.8
        assert after.arms["cut", "a"].policy.intent_router.min_quality == 0.9
        assert after.semantic_cache.grey_zone is before.semantic_cache.grey_zone
        assert after.semantic_cache.flights is before.semantic_cache.flights
        assert after.latency is before.latency
        assert runtime.dashboard.policy is after.policy
    finally:
        await runtime.aclose()


async def test_a_new_calibration_of_the_gate_is_put_in_force_and_a_broken_one_refused(pack: Path) -> None:
    file, nothing = pack / "gate.json", {"intercept": 0.0, "prior": 0.0, "prior_mean": 0.0, "answer": {}, "spread": 1.0}
    fields = {"method": "m", "n": 9, "n_without_confidence": 0, "scale": "probability", "knots": (), "log_odds": ()}
    group = GroupCalibration.model_validate(fields | {"with_confidence": nothing, "without_confidence": nothing})
    whole = GateCalibration(format_version=1, data_digest="sha256:" + "a" * 64, groups={"tier-simple": group})
    write_gate_calibration(file, whole)
    tune(pack, "trust_from: 0.85", f"trust_from: 0.85\n  calibration: {file}")
    files = pack / "policy.yaml", pack / "config.yaml"
    runtime = Runtime(load_pack(*files), policy_path=files[0], config_path=files[1], models=LiteLLMModels(lambda: None))
    try:
        assert runtime.pipeline.confidence_gate.calibration == whole
        assert file in runtime._watched_files()
        newer = whole.model_copy(update={"groups": {"tier-medium": group}})
        write_gate_calibration(file, newer)
        assert runtime.reload()
        assert runtime.pipeline.confidence_gate.calibration == newer
        file.write_text("{")
        assert not runtime.reload()
        assert runtime.pipeline.confidence_gate.calibration == newer
    finally:
        await runtime.aclose()


async def test_a_served_classifier_is_built_where_policy_names_one(pack: Path) -> None:
    tune(pack, "{kind: embedded, artifact: builtin}", "{kind: vllm, base_url: 'http://127.0.0.1:1', model: m}")
    assert build_classifier(load_pack(pack / "policy.yaml", pack / "config.yaml")).kind == "vllm"


def test_a_shadow_must_know_the_tiers(pack: Path) -> None:
    loaded = load_pack(pack / "policy.yaml", pack / "config.yaml")
    changed = loaded.policy.model_dump(mode="json") | {
        "tiers": [{"name": "simple", "model_group": "a"}, {"name": "huge", "model_group": "b"}],
        "baseline_tier": None,
        "domains": {},
        "intent_router": {"shadow": {"artifact": str(builtin_artifact_path())}},
    }
    with pytest.raises(ArtifactError, match="huge"):
        build_shadow(Policy.model_validate(changed))
