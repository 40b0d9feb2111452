"""What `tiergate train --base` writes is served by a real vLLM server, as training measured it."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs `make .venv/.torch`")
pytest.importorskip("peft", reason="needs `make .venv/.train`")

from tests.classifier.labels import BASE
from tests.classifier.tiny_qwen2 import TIERS, made_up_prompts, write_tiny_model
from tests.vllm.served import PYTHON, vllm_server

from tiergate.adapters.embedded_classifier import EmbeddedClassifier
from tiergate.adapters.vllm_classifier import VllmClassifier
from tiergate.classifier_settings import VllmClassifierSettings
from tiergate.policy.features import features_of
from tiergate_classifier.served_model import Tuning, tune

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not PYTHON.is_file(), reason="needs the venv of `make test-vllm`"),
]


async def test_the_server_says_what_training_measured(tmp_path: Path) -> None:
    write_tiny_model(tmp_path / "base")
    prompts, classes = made_up_prompts(240, seed=1)
    tuning = Tuning(epochs=6, learning_rate=5e-3)
    adapted = tune(str(tmp_path / "base"), prompts, classes, np.ones(240), TIERS, tuning=tuning)
    fresh, right = made_up_prompts(20, seed=2)
    expected = adapted.shares(fresh)
    adapted.write(tmp_path / "out")

    vector = np.zeros(BASE.manifest.encoder.dimensions, dtype=np.float32)
    with vllm_server(tmp_path / "out", tmp_path / "log", "--runner", "pooling") as url:
        settings = VllmClassifierSettings(kind="vllm", base_url=url, model="intent", budget_ms=20_000)
        classifier = VllmClassifier(settings, EmbeddedClassifier(BASE), BASE)
        said = [await classifier.classify(vector, features_of(prompt), prompt) for prompt in fresh]
        await classifier.aclose()

    assert {(one.kind, one.fallback) for one in said} == {("vllm", None)}
    below = np.array([[one.scores[tier] for tier in TIERS] for one in said])
    np.testing.assert_allclose(below, np.cumsum(expected, axis=1), atol=0.05)
    shares = np.diff(below, prepend=0.0, axis=1)
    assert np.mean(shares.argmax(axis=1) == right) > 0.8
