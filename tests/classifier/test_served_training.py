"""From labels to a folder that vLLM serves, with manifest, calibration and the check of the tail."""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs `make .venv/.torch`")
pytest.importorskip("peft", reason="needs `make .venv/.train`")

from tests.classifier.labels import BASE, hidden_rule_rows, policy_of
from tests.classifier.tiny_qwen2 import TIERS, made_up_prompts, write_tiny_model

from tiergate.adapters.embedded_classifier import EmbeddedClassifier
from tiergate.adapters.vllm_classifier import VllmClassifier
from tiergate.classifier_settings import VllmClassifierSettings
from tiergate.errors import ConfigurationError
from tiergate_classifier.label_rows import HELD_OUT, LabelRow
from tiergate_classifier.served_model import Tuning
from tiergate_classifier.served_training import ServedManifest, train_served
from tiergate_classifier.tail_check import TailError

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

POLICY = policy_of(intent_router={"min_quality": 0.8, "max_slice_error": 0.1})
TUNING = Tuning(epochs=6, learning_rate=5e-3)


def prompt_rows(n: int = 360) -> list[LabelRow]:
    prompts, classes = made_up_prompts(n, seed=3)
    return [
        replace(row, prompt=prompt, quality={tier: float(place >= least) for place, tier in enumerate(TIERS)})
        for row, prompt, least in zip(hidden_rule_rows(n), prompts, classes.tolist(), strict=True)
    ]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("base") / "tiny"
    write_tiny_model(folder)
    return folder


def test_the_folder_holds_model_calibration_manifest_and_card(model: Path, tmp_path: Path) -> None:
    rows, out = prompt_rows(), tmp_path / "served"
    built = train_served(str(model), BASE, rows, POLICY, out, min_slice_rows=100, tuning=TUNING)

    names = {file.name for file in out.iterdir()}
    assert names >= {"config.json", "model.safetensors", "tokenizer.json", "calibration.json", "card.md"}
    assert [file.name for file in out.glob("*.safetensors")] == ["model.safetensors"]  # vLLM reads every one
    manifest = ServedManifest.model_validate_json((out / "manifest.json").read_bytes())
    assert manifest == built.manifest
    assert set(manifest.files) == names - {"manifest.json"}
    digest = hashlib.sha256((out / "model.safetensors").read_bytes()).hexdigest()
    assert manifest.files["model.safetensors"] == f"sha256:{digest}"

    figures = {metric.name: metric for metric in manifest.metrics}
    held_out = sum(row.split == HELD_OUT for row in rows)
    assert figures["quality"].n == held_out
    assert figures["quality"].value > 0.85
    assert figures["cost_share"].value < 0.9
    assert figures["worst_slice_calibration_error"].value <= 0.1
    assert "calibration_error/length/low" not in figures  # 40 rows
    settings = VllmClassifierSettings(
        kind="vllm", base_url="http://localhost:1", model="intent", calibration=out / "calibration.json"
    )
    assert VllmClassifier(settings, EmbeddedClassifier(BASE), BASE).tiers == TIERS


def test_a_badly_calibrated_tail_leaves_nothing_and_an_override_lands_in_the_card(model: Path, tmp_path: Path) -> None:
    strict = policy_of(intent_router={"max_slice_error": 0.0})
    random = np.random.default_rng(0)
    noisy = [
        replace(row, quality=dict.fromkeys(TIERS, 1.0)) if row.split == HELD_OUT and random.random() < 0.8 else row
        for row in prompt_rows(150)
    ]
    once, out = Tuning(epochs=1), tmp_path / "served"
    with pytest.raises(TailError, match="above the limit"):
        train_served(str(model), BASE, noisy, strict, out, min_slice_rows=20, tuning=once)
    assert list(tmp_path.iterdir()) == []
    built = train_served(
        str(model), BASE, noisy, strict, out, min_slice_rows=20, tuning=once, override="only for its shape"
    )
    assert "only for its shape" in built.card
    assert (out / "card.md").read_text(encoding="utf-8") == built.card


def test_rows_without_text_and_folders_of_others_are_refused(model: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="without --no-text"):
        train_served(str(model), BASE, hidden_rule_rows(150), POLICY, tmp_path / "out", min_slice_rows=20)
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ConfigurationError, match="name another folder"):
        train_served(str(model), BASE, prompt_rows(), POLICY, tmp_path, min_slice_rows=20)
    assert (tmp_path / "notes.txt").read_text() == "mine"
