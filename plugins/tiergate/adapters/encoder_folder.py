"""Reads an encoder folder: `model.onnx`, `tokenizer.json` and `manifest.json`."""

import hashlib
import json
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, cast, get_args

from tiergate.errors import ArtifactError

Pooling = Literal["graph", "mean", "cls"]

MODEL_FILE = "model.onnx"
TOKENIZER_FILE = "tokenizer.json"
MANIFEST_FILE = "manifest.json"

_SMALLEST_WINDOW = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderFolder:
    """What an encoder folder says of itself.

    Attributes:
        path: The folder.
        dimensions: Length of the vectors.
        window_tokens: How many tokens of a text are embedded, special tokens included.
        pooling: Who turns token vectors into one: the graph itself, or the embedder by "mean" or "cls".
        digest: SHA-256 over the model file, then the tokenizer file.
    """

    path: Path
    dimensions: int
    window_tokens: int
    pooling: Pooling
    digest: str


def builtin_encoder() -> Path:
    """The folder of the encoder that ships with tiergate."""
    return Path(str(files("tiergate") / "models" / "encoder"))


def load_encoder_folder(path: Path) -> EncoderFolder:
    """Read and check an encoder folder.

    `manifest.json` must hold `dimensions`, `window_tokens` and `pooling`; with `files` (name to SHA-256) the
    files are checked too.

    Raises:
        ArtifactError: A file is missing or torn, or the manifest has a wrong value.
    """
    manifest = _read_manifest(path / MANIFEST_FILE)
    dimensions = _positive(path, manifest, "dimensions", 1)
    window_tokens = _positive(path, manifest, "window_tokens", _SMALLEST_WINDOW)
    pooling = manifest.get("pooling")
    if pooling not in get_args(Pooling):
        choices = ", ".join(get_args(Pooling))
        raise ArtifactError(path / MANIFEST_FILE, "pooling", f"{pooling!r} is not known", f"use one of {choices}")
    whole = hashlib.sha256()
    for name in (MODEL_FILE, TOKENIZER_FILE):
        content = _read(path / name)
        _check_digest(path, name, content, manifest.get("files", {}))
        whole.update(content)
    return EncoderFolder(
        path=path,
        dimensions=dimensions,
        window_tokens=window_tokens,
        pooling=cast("Pooling", pooling),
        digest=whole.hexdigest(),
    )


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as exc:
        fix = "give the folder of an encoder, or build the default one with `make encoder`"
        raise ArtifactError(file, "", f"cannot be read ({exc.strerror})", fix) from exc


def _read_manifest(file: Path) -> dict[str, Any]:
    try:
        manifest = json.loads(_read(file))
    except ValueError as exc:
        raise ArtifactError(file, "", f"is not JSON ({exc})", "restore the file") from exc
    if not isinstance(manifest, dict):
        raise ArtifactError(file, "", "is not a JSON object", "restore the file")
    return manifest


def _positive(path: Path, manifest: dict[str, Any], key: str, least: int) -> int:
    value = manifest.get(key)
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        fix = f"write an integer of at least {least}"
        raise ArtifactError(path / MANIFEST_FILE, key, f"{value!r} is not a valid value", fix)
    return value


def _check_digest(path: Path, name: str, content: bytes, digests: Any) -> None:
    expected = digests.get(name) if isinstance(digests, dict) else None
    if expected is None:
        return
    found = hashlib.sha256(content).hexdigest()
    if found != expected:
        problem = f"the file's SHA-256 is {found[:12]}…, the manifest says {str(expected)[:12]}…"
        raise ArtifactError(path / MANIFEST_FILE, f"files.{name}", problem, "copy the folder again as a whole")
