"""The pair model's folder: what is written is read, what is changed is refused."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save as save_tensors

from tiergate import pair_artifact
from tiergate.artifact import digest_of
from tiergate.errors import ArtifactError
from tiergate.pair_artifact import builtin_pair_model_path, load_pair_manifest, load_pair_model, write_pair_model
from tiergate.policy.error_bound import ErrorCut
from tiergate.policy.pair_features import FEATURES
from tiergate.policy.pair_model import PairModel

MANIFEST: Mapping[str, Any] = {
    "created_at": "2025-01-02T03:04:05Z",
    "method": "made up",
    "encoder": {"digest": "abc", "dimensions": 4},
    "training_data": (),
    "metrics": (),
}


def model() -> PairModel:
    cut = ErrorCut(
        max_error=0.05,
        confidence=0.95,
        min_score=1.5,
        labelled=100,
        hits=70,
        errors=0,
        error_bound=0.042,
        horizon=0,
    )
    return PairModel(
        feature_weight=np.arange(len(FEATURES), dtype=np.float32),
        vector_weight=np.arange(8, dtype=np.float32),
        bias=-0.5,
        cuts={0.05: cut},
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_pair_model(tmp_path / "pairs", model=model(), manifest=MANIFEST, card="# Card\n")
    return tmp_path / "pairs"


def test_what_is_written_is_read(folder: Path) -> None:
    read = load_pair_model(folder, encoder_digest="abc")
    assert read.cuts == model().cuts
    assert read.bias == -0.5
    np.testing.assert_array_equal(read.feature_weight, model().feature_weight)
    assert read.digest == digest_of((folder / "manifest.json").read_bytes())


def test_a_folder_is_replaced_whole(folder: Path) -> None:
    before = load_pair_model(folder).digest
    write_pair_model(folder, model=model(), manifest=dict(MANIFEST) | {"method": "anew"}, card="")
    assert load_pair_model(folder).digest != before
    assert [path.name for path in folder.parent.iterdir()] == ["pairs"]


def test_another_encoder_is_refused(folder: Path) -> None:
    with pytest.raises(ArtifactError, match=r"encoder\.digest"):
        load_pair_model(folder, encoder_digest="other")


@pytest.mark.parametrize("name", ["weights.safetensors", "cuts.json", "card.md"])
def test_a_changed_file_is_refused(folder: Path, name: str) -> None:
    (folder / name).write_bytes((folder / name).read_bytes() + b" ")
    with pytest.raises(ArtifactError, match="changed or torn"):
        load_pair_model(folder)


@pytest.mark.parametrize("name", ["manifest.json", "weights.safetensors"])
def test_a_missing_file_is_refused(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(ArtifactError, match="missing"):
        load_pair_model(folder)


def test_a_file_that_cannot_be_read_is_refused(folder: Path) -> None:
    (folder / "card.md").unlink()
    (folder / "card.md").mkdir()
    with pytest.raises(ArtifactError, match="cannot be read"):
        load_pair_model(folder)


@pytest.mark.parametrize("text", ["[]", "{}", "not json", '{"format_version": 2}'])
def test_a_manifest_of_another_kind_is_refused(folder: Path, text: str) -> None:
    (folder / "manifest.json").write_text(text)
    with pytest.raises(ArtifactError, match="format_version"):
        load_pair_manifest(folder)


def replace(folder: Path, name: str, data: bytes) -> None:
    """Change a file and the manifest's digest of it."""
    (folder / name).write_bytes(data)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"][name] = digest_of(data)
    (folder / "manifest.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    ("tensors", "problem"),
    [
        ({"bias": np.zeros(1, dtype=np.float32)}, "holds the tensors"),
        ({"bias": np.zeros(2, dtype=np.float32)}, "bias"),
        ({"bias": np.zeros(1)}, "bias"),
        ({"bias": np.array([np.nan], dtype=np.float32)}, "not finite"),
    ],
)
def test_weights_that_do_not_fit_are_refused(folder: Path, tensors: dict[str, Any], problem: str) -> None:
    whole = {"feature_weight": model().feature_weight, "vector_weight": model().vector_weight}
    replace(folder, "weights.safetensors", save_tensors(tensors if "tensors" in problem else whole | tensors))
    with pytest.raises(ArtifactError, match=problem):
        load_pair_model(folder)


def test_what_is_no_tensor_file_is_refused(folder: Path) -> None:
    replace(folder, "weights.safetensors", b"nothing")
    with pytest.raises(ArtifactError, match="not a safetensors file"):
        load_pair_model(folder)


def test_cuts_out_of_range_are_refused(folder: Path) -> None:
    cuts = json.loads((folder / "cuts.json").read_text())
    cuts["cuts"][0]["max_error"] = 2
    replace(folder, "cuts.json", json.dumps(cuts).encode())
    with pytest.raises(ArtifactError, match=r"cuts\.0\.max_error"):
        load_pair_model(folder)


def test_a_manifest_that_does_not_fit_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="created_at"):
        write_pair_model(tmp_path / "pairs", model=model(), manifest=dict(MANIFEST) | {"created_at": "today"}, card="")
    assert not (tmp_path / "pairs").exists()


@pytest.mark.parametrize(("key", "value"), [("features", ["a"]), ("files", {})])
def test_a_manifest_of_other_features_or_files_is_refused(folder: Path, key: str, value: object) -> None:
    manifest = json.loads((folder / "manifest.json").read_text()) | {key: value}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ArtifactError, match=key):
        load_pair_model(folder)


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ArtifactError, match="cannot be written"):
        write_pair_model(tmp_path / "file" / "pairs", model=model(), manifest=MANIFEST, card="")


def test_when_the_new_folder_cannot_take_its_place_the_old_one_stays(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, rename = load_pair_model(folder).digest, Path.rename

    def fail_new(self: Path, target: Path) -> Path:
        if self.name == "new":
            raise OSError(28, "No space left on device")
        return rename(self, target)

    monkeypatch.setattr(pair_artifact.Path, "rename", fail_new)
    with pytest.raises(ArtifactError, match="cannot be written"):
        write_pair_model(folder, model=model(), manifest=dict(MANIFEST) | {"method": "anew"}, card="")
    assert load_pair_model(folder).digest == before


def test_the_shipped_model_loads_and_has_a_card() -> None:
    shipped = load_pair_model(builtin_pair_model_path())
    assert shipped.dimensions == 384
    assert "make pairs" in (builtin_pair_model_path() / "card.md").read_text(encoding="utf-8")
