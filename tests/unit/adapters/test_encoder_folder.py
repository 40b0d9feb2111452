import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tiergate.adapters.encoder_folder import builtin_encoder, load_encoder_folder
from tiergate.errors import ArtifactError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(builtin_encoder(), tmp_path / "encoder"))


def test_the_builtin_folder_is_whole() -> None:
    loaded = load_encoder_folder(builtin_encoder())
    assert (loaded.dimensions, loaded.window_tokens, loaded.pooling) == (384, 128, "graph")
    content = (loaded.path / "model.onnx").read_bytes() + (loaded.path / "tokenizer.json").read_bytes()
    assert loaded.digest == hashlib.sha256(content).hexdigest()


def test_the_builtin_card_names_licence_and_digest() -> None:
    card = (builtin_encoder() / "card.md").read_text()
    model = (builtin_encoder() / "model.onnx").read_bytes()
    assert "Apache-2.0" in card
    assert hashlib.sha256(model).hexdigest() in card


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json", "manifest.json"])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(ArtifactError) as caught:
        load_encoder_folder(folder)
    assert caught.value.file == str(folder / name)
    assert "make encoder" in caught.value.fix


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json"])
def test_a_torn_file_is_named(folder: Path, name: str) -> None:
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[:-1])
    with pytest.raises(ArtifactError) as caught:
        load_encoder_folder(folder)
    assert caught.value.key == f"files.{name}"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("dimensions", 0),
        ("dimensions", "384"),
        ("window_tokens", True),
        ("window_tokens", 3),
        ("pooling", "max"),
    ],
)
def test_a_wrong_value_is_named(folder: Path, key: str, value: Any) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({**manifest, key: value}))
    with pytest.raises(ArtifactError) as caught:
        load_encoder_folder(folder)
    assert caught.value.key == key


@pytest.mark.parametrize("text", ["{", "[]"])
def test_a_manifest_that_is_no_object_is_refused(folder: Path, text: str) -> None:
    (folder / "manifest.json").write_text(text)
    with pytest.raises(ArtifactError, match="JSON"):
        load_encoder_folder(folder)
