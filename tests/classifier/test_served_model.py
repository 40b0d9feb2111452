"""LoRA on a tiny random model in Qwen2's shape: it learns a rule of words, and comes back as it was written."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs `make .venv/.torch`")
pytest.importorskip("peft", reason="needs `make .venv/.train`")

from tests.classifier.tiny_qwen2 import TIERS, made_up_prompts, write_tiny_model

from tiergate.errors import ConfigurationError
from tiergate_classifier.served_model import Tuning, tune

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def test_a_rule_is_learnt_and_the_written_folder_says_the_same(tmp_path: Path) -> None:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer  # noqa: PLC0415

    write_tiny_model(tmp_path / "base")
    prompts, classes = made_up_prompts(240, seed=1)
    steps: list[int] = []

    def progress(total: int) -> object:
        steps.append(total)
        return lambda: steps.append(0)

    adapted = tune(
        str(tmp_path / "base"),
        prompts,
        classes,
        np.ones(len(prompts)),
        TIERS,
        tuning=Tuning(epochs=6, learning_rate=5e-3, progress=progress),  # type: ignore[arg-type]
    )

    assert steps == [90] + [0] * 90
    fresh, right = made_up_prompts(90, seed=2)
    shares = adapted.shares(fresh)
    np.testing.assert_allclose(shares.sum(axis=1), 1.0, atol=1e-5)
    assert np.mean(shares.argmax(axis=1) == right) > 0.85

    adapted.write(tmp_path / "out")
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path / "out").float()
    words = AutoTokenizer.from_pretrained(tmp_path / "out")
    assert model.config.architectures == ["Qwen2ForSequenceClassification"]
    assert [model.config.id2label[place] for place in range(3)] == list(TIERS)
    logits = model(**words(fresh[0], return_tensors="pt")).logits[0].detach().numpy()
    np.testing.assert_allclose(np.exp(logits) / np.exp(logits).sum(), shares[0], atol=0.01)
    assert not list((tmp_path / "out").glob("adapter*"))


def test_a_base_that_is_no_model_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="Fix: name a folder with config"):
        tune(str(tmp_path), ["a"], np.zeros(1, dtype=np.int64), np.ones(1), TIERS, tuning=Tuning())
