"""`classifier: {kind: vllm}` against a real vLLM server: classify, generate, and the head that steps in."""

from pathlib import Path

import numpy as np
import pytest
from tests.vllm.served import PYTHON, make_models, vllm_server

from tiergate.adapters.embedded_classifier import EmbeddedClassifier
from tiergate.adapters.vllm_classifier import VllmClassifier
from tiergate.artifact import builtin_artifact_path, load_artifact
from tiergate.classifier_settings import VllmClassifierSettings
from tiergate.policy.features import features_of
from tiergate.ports import Classification

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not PYTHON.is_file(), reason="needs the venv of `make test-vllm`"),
]

ARTIFACT = load_artifact(builtin_artifact_path())
PROMPTS = ("What is the capital of France?", "Prove that the square root of two is irrational.")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("vllm")
    make_models(folder)
    return folder


async def classify(url: str, prompt: str, *, mode: str, budget_ms: float = 20_000) -> Classification:
    settings = VllmClassifierSettings.model_validate(
        {"kind": "vllm", "base_url": url, "model": "intent", "mode": mode, "budget_ms": budget_ms}
    )
    classifier = VllmClassifier(settings, EmbeddedClassifier(ARTIFACT), ARTIFACT)
    vector = np.zeros(ARTIFACT.manifest.encoder.dimensions, dtype=np.float32)
    try:
        return await classifier.classify(vector, features_of(prompt), prompt)
    finally:
        await classifier.aclose()


def assert_served(said: Classification) -> None:
    assert (said.kind, said.fallback) == ("vllm", None)
    scores = [said.scores[tier] for tier in ARTIFACT.tiers]
    assert scores == sorted(scores)
    assert scores[-1] == 1.0
    assert 0.0 < scores[0] < 1.0
    assert said.lower_bounds["simple"] == 0.0  # nothing is calibrated, so nothing is trusted


async def test_a_served_sequence_classifier_scores_the_tiers_and_a_stopped_one_is_stepped_in_for(
    models: Path, tmp_path: Path
) -> None:
    with vllm_server(models / "classify", tmp_path / "log", "--runner", "pooling") as url:
        said = [await classify(url, prompt, mode="classify") for prompt in PROMPTS]
        hurried = await classify(url, PROMPTS[0], mode="classify", budget_ms=1)
    for one in said:
        assert_served(one)
    assert said[0].scores != said[1].scores
    assert (hurried.kind, hurried.fallback) == ("embedded", "TimeoutError")
    after = await classify(url, PROMPTS[0], mode="classify")
    assert (after.kind, after.fallback) == ("embedded", "ClassifierError")


async def test_a_plain_chat_model_is_asked_for_one_token(models: Path, tmp_path: Path) -> None:
    with vllm_server(models / "generate", tmp_path / "log") as url:
        said = await classify(url, PROMPTS[0], mode="generate")
    assert_served(said)
