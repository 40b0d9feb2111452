"""From labels to an artifact that loads, and the check before it is exported."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.classifier.labels import BASE, hidden_rule_rows, policy_of

from tiergate.artifact import load_artifact
from tiergate.errors import ArtifactError
from tiergate_classifier.challenger import calibrate_challenger, export_challenger, train_challenger
from tiergate_classifier.tail_check import TailError

POLICY = policy_of(intent_router={"min_quality": 0.8})


def test_training_needs_no_text_and_measures_on_held_out_rows(tmp_path: Path) -> None:
    rows = hidden_rule_rows(150)
    assert all(row.prompt is None for row in rows)
    built = train_challenger(BASE, rows, POLICY, tmp_path / "new", min_slice_rows=20)
    assert load_artifact(tmp_path / "new").digest == built.digest
    figures = {metric.name: metric for metric in built.manifest.metrics}
    assert figures["quality"].value > 0.9
    assert figures["quality"].n == 50
    assert figures["cost_share"].value < 0.8
    assert built.manifest.training_data[-1].rows == 100
    assert BASE.digest in built.card


def test_calibration_keeps_the_heads(tmp_path: Path) -> None:
    built = calibrate_challenger(BASE, hidden_rule_rows(90), POLICY, tmp_path / "new", min_slice_rows=20)
    assert (built.head.tier_weight == BASE.head.tier_weight).all()


def test_the_worst_slice_decides_the_export_and_an_override_lands_in_the_card(tmp_path: Path) -> None:
    train_challenger(BASE, hidden_rule_rows(150), POLICY, tmp_path / "new", min_slice_rows=20)
    store = tmp_path / "store"
    with pytest.raises(ArtifactError, match="above the limit"):
        export_challenger(tmp_path / "new", store, max_slice_error=-1, override=None)
    assert not store.exists()
    folder = export_challenger(tmp_path / "new", store, max_slice_error=-1, override="first try")
    assert "first try" in load_artifact(folder).card
    passed = export_challenger(tmp_path / "new", store, max_slice_error=1.0, override=None)
    assert load_artifact(passed).digest == load_artifact(tmp_path / "new").digest


@pytest.mark.parametrize("build", [train_challenger, calibrate_challenger])
def test_a_badly_calibrated_tail_is_not_written_without_an_override(build: Any, tmp_path: Path) -> None:
    strict = policy_of(intent_router={"min_quality": 0.8, "max_slice_error": 0.0})
    rows = hidden_rule_rows(150) + hidden_rule_rows(60, seed=5, flip=True)
    with pytest.raises(TailError, match=r"above the limit 0\.0"):
        build(BASE, rows, strict, tmp_path / "new", min_slice_rows=20)
    assert not (tmp_path / "new").exists()
    assert (
        "known to be rough"
        in build(BASE, rows, strict, tmp_path / "new", min_slice_rows=20, override="known to be rough").card
    )


def test_an_artifact_that_was_never_measured_is_refused(tmp_path: Path) -> None:
    rows = [replace(row, split="train") for row in hidden_rule_rows(60)]
    with pytest.raises(TailError, match="never measured"):
        train_challenger(BASE, rows, POLICY, tmp_path / "new")
    assert not (tmp_path / "new").exists()
    assert "a trial" in train_challenger(BASE, rows, POLICY, tmp_path / "new", override="a trial").card
    with pytest.raises(ArtifactError, match="never measured"):
        export_challenger(tmp_path / "new", tmp_path / "store", max_slice_error=1.0, override=None)
