"""`tiergate train`, `calibrate`, `export` and `promote`, one after the other."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.classifier.labels import hidden_rule_rows
from typer.testing import Result

from tiergate.artifact import builtin_artifact_path, load_artifact, write_artifact
from tiergate.pack import locate_pack
from tiergate_classifier.label_rows import write_labels
from tiergate_classifier.promotion import switch_to

Tiergate = Callable[..., Result]


@pytest.fixture
def common(tmp_path: Path) -> tuple[str, ...]:
    text = (locate_pack("quickstart") / "policy.yaml").read_text()
    plain = text.replace("min_quality: 0.95", "min_quality: 0.8").partition("domains:")[0]
    (tmp_path / "policy.yaml").write_text(plain)
    write_labels(tmp_path / "labels.jsonl", hidden_rule_rows(150))
    return ("--labels", "labels.jsonl", "--policy", "policy.yaml")


def test_from_labels_to_current_and_back(tiergate: Tiergate, common: tuple[str, ...], tmp_path: Path) -> None:
    rows = ("--min-slice-rows", "20")
    trained = tiergate("train", *common, "--out", "new", *rows)
    assert trained.exit_code == 0, trained.stderr
    assert "# Intent classifier of your own traffic" in trained.stdout
    exported = json.loads(tiergate("export", "new", "--store", "store", "--override", "test", "--json").stdout)
    write_labels(tmp_path / "wrong.jsonl", hidden_rule_rows(150, flip=True))
    tiergate("train", "--labels", "wrong.jsonl", "--policy", "policy.yaml", "--out", "bad", *rows)
    bad = json.loads(tiergate("export", "bad", "--store", "store", "--override", "test", "--json").stdout)
    switch_to(tmp_path / "store", tmp_path / bad["folder"])
    promote = ("promote", "--store", "store", *common, "--challenger", exported["folder"])
    good = tiergate(*promote, "--json")
    assert (good.exit_code, json.loads(good.stdout)["verdict"]) == (0, "better")
    again = tiergate(*promote)
    assert again.exit_code == 1
    assert "nothing changed" in again.stdout
    assert tiergate("promote", "--store", "store", "--back").stdout == f"current is {Path(bad['folder']).name}\n"


def test_an_artifact_whose_slices_were_never_measured_is_not_exported(tiergate: Tiergate, tmp_path: Path) -> None:
    shipped = load_artifact(builtin_artifact_path())
    manifest = shipped.manifest.model_dump(exclude={"format_version", "labels", "files"}) | {"metrics": ()}
    parts: dict[str, Any] = {"head": shipped.head, "calibration": shipped.calibration, "reference": shipped.reference}
    write_artifact(tmp_path / "bare", manifest=manifest, card="", **parts)

    refused = tiergate("export", "bare", "--store", "store")

    assert refused.exit_code == 1
    assert "never measured" in refused.stderr


def test_the_artifact_that_ships_was_measured_slice_by_slice(tiergate: Tiergate) -> None:
    exported = tiergate("export", str(builtin_artifact_path()), "--store", "store")

    assert exported.exit_code == 0, exported.stderr


def test_calibration_alone_is_a_command(tiergate: Tiergate, common: tuple[str, ...]) -> None:
    # slices of 50 rows: their error is mostly luck
    done = tiergate("calibrate", *common, "--out", "new", "--max-slice-error", "0.2", "--json")
    assert done.exit_code == 0, done.stderr
    told = json.loads(done.stdout)
    assert {metric["name"] for metric in told["metrics"]} >= {"calibration_error", "quality", "cost_share"}


@pytest.mark.parametrize("command", ["train", "calibrate"])
def test_too_few_rows_are_told(tiergate: Tiergate, common: tuple[str, ...], tmp_path: Path, command: str) -> None:
    write_labels(tmp_path / "labels.jsonl", hidden_rule_rows(6))
    result = tiergate(command, *common, "--out", "new")
    assert result.exit_code == 2
    assert "too few" in result.stderr


@pytest.mark.parametrize(("more", "told"), [((), "--challenger"), (("--back",), "no earlier")])
def test_promote_says_what_it_needs(tiergate: Tiergate, more: tuple[str, ...], told: str) -> None:
    result = tiergate("promote", "--store", "s", *more)
    assert result.exit_code == 2
    assert told in result.stderr


@pytest.mark.parametrize("command", ["train", "calibrate"])
def test_a_badly_calibrated_tail_is_refused_and_not_written(
    tiergate: Tiergate, common: tuple[str, ...], tmp_path: Path, command: str
) -> None:
    write_labels(tmp_path / "labels.jsonl", (*hidden_rule_rows(150), *hidden_rule_rows(60, seed=5, flip=True)))
    options = (command, *common, "--out", "new", "--min-slice-rows", "20", "--max-slice-error", "0")
    refused = tiergate(*options)
    assert refused.exit_code == 1
    for part in ("tiergate: new", "metrics.calibration_error/", "above the limit 0.0", "Fix: "):
        assert part in refused.stderr
    assert not (tmp_path / "new").exists()
    passed = tiergate(*options, "--override", "a trial")
    assert passed.exit_code == 0
    assert "Reason given: a trial" in passed.stdout


def test_export_takes_its_limit_from_the_policy(tiergate: Tiergate, common: tuple[str, ...], tmp_path: Path) -> None:
    write_labels(tmp_path / "labels.jsonl", (*hidden_rule_rows(150), *hidden_rule_rows(60, seed=5, flip=True)))
    tiergate("train", *common, "--out", "new", "--min-slice-rows", "20", "--override", "a trial")
    policy = tmp_path / "policy.yaml"
    said = policy.read_text()
    for limit, code in (("1.0", 0), ("0.0", 1)):
        policy.write_text(said.replace("min_quality: 0.8", f"min_quality: 0.8\n  max_slice_error: {limit}"))
        exported = tiergate("export", "new", "--store", "store", "--policy", "policy.yaml")
        assert exported.exit_code == code, exported.stderr


def test_a_base_model_without_the_training_libraries_is_told(
    tiergate: Tiergate, common: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tiergate_classifier.served_model.find_spec", lambda _: None)
    result = tiergate("train", *common, "--out", "served", "--base", "some/model")
    assert result.exit_code == 2
    assert "some/model: needs torch, transformers, peft" in result.stderr
    assert "tiergate[train]" in result.stderr
