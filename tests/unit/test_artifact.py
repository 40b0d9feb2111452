import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save

from tiergate.adapters.encoder_folder import builtin_encoder, load_encoder_folder
from tiergate.artifact import Artifact, builtin_artifact_path, digest_of, load_artifact, write_artifact
from tiergate.artifact_format import Calibration, DomainCalibration, Head, TierCalibration
from tiergate.errors import ArtifactError
from tiergate.policy.features import FEATURES

TIERS, DOMAINS = ("small", "big"), ("general", "finance", "legal")
NAMES = ("log_words", "questions")
DIMENSIONS = 4


def a_head(**changes: Any) -> Head:
    random = np.random.default_rng(7)
    width = DIMENSIONS + len(NAMES)
    tensors = {
        "tier_weight": random.normal(size=(len(TIERS), width)),
        "tier_bias": np.zeros(len(TIERS)),
        "domain_weight": random.normal(size=(len(DOMAINS), width)),
        "domain_bias": random.normal(size=len(DOMAINS)),
        "feature_mean": np.zeros(len(NAMES)),
        "feature_scale": np.ones(len(NAMES)),
    }
    return Head(**{name: np.asarray(value, np.float32) for name, value in tensors.items()} | changes)


def a_calibration(**changes: Any) -> Calibration:
    curve = TierCalibration(knots=(-1.0, 1.0), probability=(0.2, 0.9), lower_bound=(0.1, 0.8))
    fields: dict[str, Any] = {
        "confidence": 0.95,
        "tiers": dict.fromkeys(TIERS, curve),
        "domains": DomainCalibration(temperature=1.5, min_scores={"finance": 0.25}),
    }
    return Calibration(**fields | changes)


def a_manifest(**changes: Any) -> Mapping[str, Any]:
    data = {"name": "rows", "digest": digest_of(b"rows"), "licence": "Apache-2.0", "rows": 3}
    return {
        "created_at": "2026-01-01T00:00:00Z",
        "method": "by hand",
        "tiers": TIERS,
        "domains": DOMAINS,
        "features": NAMES,
        "encoder": {"digest": "abc", "dimensions": DIMENSIONS},
        "training_data": (data,),
        "metrics": ({"name": "accuracy", "value": 0.5, "n": 4, "low": 0.2, "high": 0.8},),
    } | changes


def write(path: Path, **parts: Any) -> Artifact:
    given = {"manifest": a_manifest(), "head": a_head(), "calibration": a_calibration(), "card": "# Card\n"}
    return write_artifact(path, **given | parts)


def edit_manifest(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    change(manifest)
    (folder / "manifest.json").write_text(json.dumps(manifest))


def replace_file(folder: Path, name: str, data: bytes) -> None:
    """Replace a file and state its digest, so that only its content is wrong."""
    (folder / name).write_bytes(data)
    edit_manifest(folder, lambda manifest: manifest["files"].update({name: digest_of(data)}))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path / "intent")
    return tmp_path / "intent"


def test_what_was_written_is_read_back(tmp_path: Path) -> None:
    written = write(tmp_path / "a" / "intent")
    read = load_artifact(tmp_path / "a" / "intent")

    assert read.digest == written.digest
    assert read.digest == digest_of((tmp_path / "a" / "intent" / "manifest.json").read_bytes())
    assert read.manifest == written.manifest
    assert read.calibration == a_calibration()
    assert read.card == "# Card\n"
    assert (read.tiers, read.domains) == (TIERS, DOMAINS)
    for name, tensor in a_head().tensors().items():
        np.testing.assert_array_equal(read.head.tensors()[name], tensor)


def test_an_array_in_column_order_is_read_back_as_it_was(tmp_path: Path) -> None:
    weight = np.asfortranarray(a_head().domain_weight)

    read = write(tmp_path / "intent", head=a_head(domain_weight=weight))

    np.testing.assert_array_equal(read.head.domain_weight, weight)


def test_the_same_parts_give_the_same_bytes(tmp_path: Path) -> None:
    write(tmp_path / "one")
    write(tmp_path / "two")

    names = sorted(file.name for file in (tmp_path / "one").iterdir())
    assert names == ["calibration.json", "card.md", "head.safetensors", "manifest.json"]
    for name in names:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_writing_replaces_the_folder_and_leaves_nothing_beside_it(folder: Path) -> None:
    (folder / "stray.txt").write_text("old")

    write(folder, card="# Another\n")

    assert load_artifact(folder).card == "# Another\n"
    assert not (folder / "stray.txt").exists()
    assert [entry.name for entry in folder.parent.iterdir()] == ["intent"]


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"head": a_head(tier_bias=np.zeros(5, np.float32))}, "tier_bias"),
        ({"manifest": a_manifest(tiers=("only",))}, "tiers"),
        ({"manifest": a_manifest(created_at="yesterday")}, "created_at"),
        ({"calibration": a_calibration(tiers={"small": a_calibration().tiers["small"]})}, "tiers"),
    ],
)
def test_parts_that_do_not_fit_are_refused_and_the_old_artifact_stays(
    folder: Path, parts: dict[str, Any], message: str
) -> None:
    before = load_artifact(folder).digest

    with pytest.raises(ArtifactError, match=message):
        write(folder, **parts)

    assert load_artifact(folder).digest == before
    assert [entry.name for entry in folder.parent.iterdir()] == ["intent"]


def test_a_failing_rename_puts_the_old_artifact_back(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before, rename = load_artifact(folder).digest, Path.rename

    def fail_for_the_new_one(path: Path, target: Path) -> Path:
        if path.name == "new":
            raise OSError("the disk is gone")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", fail_for_the_new_one)
    with pytest.raises(ArtifactError, match="the disk is gone"):
        write(folder, card="# Another\n")

    assert load_artifact(folder).digest == before


def test_a_parent_that_is_a_file_is_an_artifact_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(ArtifactError, match="cannot be written"):
        write(tmp_path / "file" / "intent")


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="no such folder") as caught:
        load_artifact(tmp_path / "nowhere")

    assert caught.value.file == str(tmp_path / "nowhere")
    assert "make classifier" in caught.value.fix


@pytest.mark.parametrize("name", ["manifest.json", "head.safetensors", "calibration.json", "card.md"])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()

    with pytest.raises(ArtifactError, match="missing") as caught:
        load_artifact(folder)

    assert caught.value.file == str(folder / name)


def test_a_file_that_cannot_be_read_is_named(folder: Path) -> None:
    (folder / "card.md").unlink()
    (folder / "card.md").mkdir()

    with pytest.raises(ArtifactError, match="cannot be read"):
        load_artifact(folder)


@pytest.mark.parametrize("name", ["head.safetensors", "calibration.json", "card.md"])
def test_a_changed_file_is_named_with_its_digest_key(folder: Path, name: str) -> None:
    data = (folder / name).read_bytes()
    (folder / name).write_bytes(data[:-1] + b"?")

    with pytest.raises(ArtifactError, match="digest") as caught:
        load_artifact(folder)

    assert (caught.value.file, caught.value.key) == (str(folder / name), f"files.{name}")


@pytest.mark.parametrize("version", [0, 2, "1", None])
def test_an_unknown_format_version_comes_before_all_else(folder: Path, version: object) -> None:
    edit_manifest(folder, lambda manifest: manifest.update({"format_version": version, "novel": 1}))

    with pytest.raises(ArtifactError, match="unknown") as caught:
        load_artifact(folder)

    assert caught.value.key == "format_version"


@pytest.mark.parametrize("text", ["", '{"format_version": 1', "[]", "{}", "7"])
def test_a_torn_manifest_is_an_artifact_error(folder: Path, text: str) -> None:
    (folder / "manifest.json").write_text(text)

    with pytest.raises(ArtifactError) as caught:
        load_artifact(folder)

    assert (caught.value.file, caught.value.key) == (str(folder / "manifest.json"), "format_version")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m.update(labels=m["labels"][::-1]), "labels"),
        (lambda m: m.update(tiers=m["tiers"][::-1]), "labels"),
        (lambda m: m.update(features=["questions", "questions"]), "twice"),
        (lambda m: m["files"].pop("card.md"), "files must name"),
        (lambda m: m.pop("encoder"), "encoder"),
        (lambda m: m.update(novel=1), "novel"),
        (lambda m: m["encoder"].update(dimensions=0), r"encoder\.dimensions"),
        (lambda m: m["encoder"].update(dimensions="4"), r"encoder\.dimensions"),
        (lambda m: m["encoder"].update(dimensions=5), "shape"),
        (lambda m: m.update(features=["questions"]), "shape"),
    ],
)
def test_a_wrong_manifest_is_an_artifact_error(
    folder: Path, change: Callable[[dict[str, Any]], object], message: str
) -> None:
    edit_manifest(folder, change)

    with pytest.raises(ArtifactError, match=message):
        load_artifact(folder)


def test_a_torn_calibration_is_named(folder: Path) -> None:
    replace_file(folder, "calibration.json", (folder / "calibration.json").read_bytes()[:40])

    with pytest.raises(ArtifactError) as caught:
        load_artifact(folder)

    assert caught.value.file == str(folder / "calibration.json")


def test_a_calibration_of_other_tiers_is_refused(folder: Path) -> None:
    text = (folder / "calibration.json").read_text().replace('"big"', '"huge"')
    replace_file(folder, "calibration.json", text.encode())

    with pytest.raises(ArtifactError, match="huge") as caught:
        load_artifact(folder)

    assert caught.value.key == "tiers"


def test_a_cut_for_an_unknown_domain_is_refused(folder: Path) -> None:
    text = (folder / "calibration.json").read_text().replace('"finance"', '"tax"')
    replace_file(folder, "calibration.json", text.encode())

    with pytest.raises(ArtifactError, match="tax") as caught:
        load_artifact(folder)

    assert caught.value.key == "domains.min_scores"


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("tier_weight", np.zeros((2, 5), np.float32), "shape"),
        ("tier_bias", np.zeros(2, np.float64), "float64"),
        ("domain_bias", np.array([0, np.nan, 0], np.float32), "finite"),
        ("feature_scale", np.array([1, 0], np.float32), "above 0"),
        ("novel", np.zeros(1, np.float32), "tensors"),
    ],
)
def test_a_wrong_tensor_is_named(folder: Path, name: str, value: Any, message: str) -> None:
    tensors = load_file(folder / "head.safetensors")
    replace_file(folder, "head.safetensors", save({**tensors, name: value}))

    with pytest.raises(ArtifactError, match=message) as caught:
        load_artifact(folder)

    assert caught.value.file == str(folder / "head.safetensors")
    assert caught.value.key == ("" if name == "novel" else name)


def test_a_torn_head_is_named(folder: Path) -> None:
    replace_file(folder, "head.safetensors", (folder / "head.safetensors").read_bytes()[:100])

    with pytest.raises(ArtifactError, match="safetensors"):
        load_artifact(folder)


def test_a_pickle_is_not_read(folder: Path) -> None:
    replace_file(folder, "head.safetensors", b"cos\nsystem\n(S'true'\ntR.")

    with pytest.raises(ArtifactError, match="safetensors"):
        load_artifact(folder)


def test_a_card_that_is_no_text_is_named(folder: Path) -> None:
    replace_file(folder, "card.md", b"\xff\xfe\xff")

    with pytest.raises(ArtifactError, match="UTF-8"):
        load_artifact(folder)


def test_the_artifact_that_ships_is_whole_and_made_for_the_encoder_that_ships(tmp_path: Path) -> None:
    shutil.copytree(builtin_artifact_path(), tmp_path / "copy")
    artifact = load_artifact(tmp_path / "copy")

    assert artifact.manifest.encoder.digest == load_encoder_folder(builtin_encoder()).digest
    assert artifact.manifest.encoder.dimensions == load_encoder_folder(builtin_encoder()).dimensions
    assert artifact.tiers == ("simple", "medium", "frontier")
    assert {"finance", "legal", "medical", "code"} <= set(artifact.domains)
    assert artifact.manifest.features == FEATURES
    assert all(data.licence for data in artifact.manifest.training_data)


def test_the_figures_that_ship_reach_what_day_one_needs() -> None:
    artifact = load_artifact(builtin_artifact_path())
    figures = {metric.name: metric for metric in artifact.manifest.metrics}

    assert figures["tier_accuracy"].value >= 0.80
    assert figures["clears/simple"].value >= 0.50
    assert figures["good_when_routed/simple"].value >= 0.95
    assert figures["good_when_routed/medium"].value >= 0.95
    assert figures["domain_flag_recall/finance"].value >= 0.90
    assert figures["domain_flag_recall/legal"].value >= 0.90
    assert all(metric.low <= metric.value <= metric.high for metric in figures.values())
    for name, metric in figures.items():
        assert f"| {name} | {metric.value:.3f} | {metric.n} |" in artifact.card
