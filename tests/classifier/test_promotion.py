"""A challenger is promoted only when the interval says so, and one command goes back."""

import json
from pathlib import Path

import pytest
from tests.classifier.labels import BASE, hidden_rule_rows, label_row, policy_of

from tiergate.artifact import Artifact, load_artifact, write_artifact
from tiergate.errors import ArtifactError
from tiergate_classifier.challenger import train_challenger
from tiergate_classifier.label_rows import stack_labels
from tiergate_classifier.promotion import compare, current_of, switch_back, switch_to

POLICY = policy_of(intent_router={"min_quality": 0.8})


def copy_base(folder: Path, method: str) -> Artifact:
    kept = {k: v for k, v in BASE.manifest.model_dump().items() if k not in ("format_version", "labels", "files")}
    return write_artifact(
        folder,
        manifest=kept | {"method": method},
        head=BASE.head,
        calibration=BASE.calibration,
        reference=BASE.reference,
        card="c",
    )


def test_the_interval_decides(tmp_path: Path) -> None:
    learnt = train_challenger(BASE, hidden_rule_rows(150), POLICY, tmp_path / "learnt")
    labels = stack_labels(hidden_rule_rows(90, seed=5), BASE.tiers)
    strict = policy_of(intent_router={"min_quality": 0.8})
    same = compare(learnt, learnt, labels, strict, max_quality_loss=0.02)
    assert (same.verdict, same.quality_difference) == ("not_better", (0.0, 0.0))
    wrong = train_challenger(BASE, hidden_rule_rows(150, flip=True), POLICY, tmp_path / "wrong")
    assert compare(wrong, learnt, labels, strict, max_quality_loss=0.02).verdict == "better"
    assert compare(learnt, wrong, labels, strict, max_quality_loss=0.02).verdict == "not_better"
    few = stack_labels([label_row("x", quality=dict.fromkeys(BASE.tiers, 1.0))], BASE.tiers)
    with pytest.raises(ValueError, match="no cost"):
        compare(learnt, wrong, few, strict, max_quality_loss=0.02)


def test_current_is_switched_and_goes_back(tmp_path: Path) -> None:
    for name in ("one", "two"):
        copy_base(tmp_path / name, name)
    switch_to(tmp_path, tmp_path / "one")
    with pytest.raises(ArtifactError, match="no earlier"):
        switch_back(tmp_path)
    switch_to(tmp_path, tmp_path / "two", note="better")
    assert load_artifact(tmp_path / "current").manifest.method == "two"
    assert switch_back(tmp_path).name == "one"
    assert switch_back(tmp_path).name == "two"
    events = [json.loads(line)["event"] for line in (tmp_path / "history.jsonl").read_text().splitlines()]
    assert events == ["promoted", "promoted", "returned", "returned"]


def test_what_cannot_be_current_is_refused_and_nothing_changes(tmp_path: Path) -> None:
    store = tmp_path / "store"
    copy_base(store / "one", "one")
    copy_base(tmp_path / "elsewhere", "x")
    switch_to(store, store / "one")
    with pytest.raises(ArtifactError, match="export it there"):
        switch_to(store, tmp_path / "elsewhere")
    (store / "torn").mkdir()
    with pytest.raises(ArtifactError):
        switch_to(store, store / "torn")
    assert current_of(store) == store / "one"
    other = tmp_path / "other"
    copy_base(other / "current", "x")
    with pytest.raises(ArtifactError, match="no link"):
        current_of(other)
