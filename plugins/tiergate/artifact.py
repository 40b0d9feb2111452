"""Reader and writer of the classifier artifact: what the toolkit exports and the runtime loads.

A folder of four files, or six with a reference, none of them a pickle:

    manifest.json      what the artifact is, the digest of every other file, data, metrics
    head.safetensors   weights of the heads, float32
    calibration.json   maps from a head's output to probabilities and lower confidence bounds
    card.md            the same for people
    reference.*        optional: training prompts as float16 vectors, with ids and labels

The folder is read once. `Artifact.digest` is the SHA-256 of manifest.json, which holds the digests of the
rest, so it names the whole.
"""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from pydantic import BaseModel, ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from tiergate.artifact_format import (
    CALIBRATION,
    CARD,
    FORMAT_VERSION,
    HEAD,
    MANIFEST,
    PAYLOAD,
    REFERENCE_LABELS,
    REFERENCE_VECTORS,
    Calibration,
    DomainCalibration,
    Head,
    Manifest,
    Reference,
    ReferenceLabels,
    labels_of,
)
from tiergate.errors import ArtifactError

_REBUILD = "rebuild the artifact with `make classifier`, or name another folder in intent_router.classifier.artifact"

Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Artifact:
    """A loaded classifier artifact, checked.

    Attributes:
        digest: "sha256:" and the SHA-256 of manifest.json.
        manifest: What it is.
        head: The weights.
        calibration: The calibration.
        card: card.md.
        reference: Training prompts as vectors; None without.
    """

    digest: str
    manifest: Manifest
    head: Head
    calibration: Calibration
    card: str
    reference: Reference | None = None

    @property
    def tiers(self) -> tuple[str, ...]:
        """Tiers, cheapest first."""
        return self.manifest.tiers

    @property
    def domains(self) -> tuple[str, ...]:
        """Domains."""
        return self.manifest.domains


def digest_of(data: bytes) -> str:
    """Return "sha256:" and the SHA-256 of the bytes in hexadecimal."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


T = TypeVar("T")


def builtin_artifact_path() -> Path:
    """Return the folder of the artifact that ships with tiergate."""
    return Path(str(files("tiergate"))) / "models" / "intent"


def load_artifact(path: Path) -> Artifact:
    """Read and check an artifact.

    Args:
        path: Its folder.

    Raises:
        ArtifactError: The folder or a file is missing, torn, changed since it was written, of another
            format version, or its parts do not fit together.
    """
    if not path.is_dir():
        raise ArtifactError(path, "", "there is no such folder", _REBUILD)
    raw = read_file(path / MANIFEST)
    manifest = _parse_manifest(path / MANIFEST, raw)
    payload: dict[str, bytes] = {}
    for name in (*PAYLOAD, *(name for name in manifest.files if name not in PAYLOAD)):
        payload[name] = read_file(path / name)
        if digest_of(payload[name]) != manifest.files[name]:
            problem = "its digest is not the one in manifest.json, so it was changed or torn"
            raise ArtifactError(path / name, f"files.{name}", problem, _REBUILD)
    calibration = parse_file(path / CALIBRATION, payload[CALIBRATION], Calibration)
    _check_names(path / CALIBRATION, manifest, calibration)
    reference = _parse_reference(path, payload, manifest)
    head = _parse_head(
        path / HEAD,
        payload[HEAD],
        manifest,
        calibration=calibration.domains,
        references=0 if reference is None else len(reference.labels.ids),
    )
    try:
        card = payload[CARD].decode()
    except UnicodeDecodeError as exc:
        raise ArtifactError(path / CARD, "", f"not UTF-8 ({exc})", _REBUILD) from exc
    return Artifact(
        digest=digest_of(raw),
        manifest=manifest,
        head=head,
        calibration=calibration,
        card=card,
        reference=reference,
    )


def write_artifact(
    path: Path,
    *,
    manifest: Mapping[str, Any],
    head: Head,
    calibration: Calibration,
    card: str,
    reference: Reference | None = None,
) -> Artifact:
    """Write an artifact whole or not at all, in place of the one that is there; return what was written.

    The files are written to a folder beside `path`, synced, read back and checked; then the folders
    change places by rename. A reader that comes between the two renames finds no folder, never a mixed
    one.

    Args:
        path: Its folder; the parent is made if it is not there.
        manifest: The fields of `Manifest` without `format_version`, `labels` and `files`, which follow
            from the rest.
        head: The weights.
        calibration: The calibration.
        card: card.md.
        reference: Training prompts as vectors, where the artifact is to have them.

    Raises:
        ArtifactError: The parts do not fit together, or the folder cannot be written. What was at `path`
            stays.
    """
    payload = {
        HEAD: save_tensors(head.tensors()),
        CALIBRATION: to_json(calibration.model_dump(mode="json")),
        CARD: card.encode(),
    }
    if reference is not None:
        payload[REFERENCE_VECTORS] = save_tensors({"vectors": np.ascontiguousarray(reference.vectors)})
        payload[REFERENCE_LABELS] = to_json(reference.labels.model_dump(mode="json"))
    entries = {
        "format_version": FORMAT_VERSION,
        "labels": labels_of(manifest.get("tiers", ()), manifest.get("domains", ())),
        **manifest,
        "files": {name: digest_of(data) for name, data in payload.items()},
    }
    try:
        checked = Manifest.model_validate(entries)
    except ValidationError as exc:
        raise invalid_file(path / MANIFEST, exc) from exc
    payload[MANIFEST] = to_json(checked.model_dump(mode="json"))
    try:
        return replace_folder(path, payload, load_artifact)
    except OSError as exc:
        raise ArtifactError(path, "", f"cannot be written ({exc})", "make its parent folder writable") from exc


def replace_folder(path: Path, payload: Mapping[str, bytes], load: Callable[[Path], T]) -> T:
    """Write files to a folder beside `path`, check them with `load`, then let the folders change places.

    Raises:
        ArtifactError: `load` refuses what was written; what was at `path` stays.
        OSError: The folder cannot be written; what was at `path` stays.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent) as workplace:
        new, old = Path(workplace) / "new", Path(workplace) / "old"
        new.mkdir()
        for name, data in payload.items():
            with (new / name).open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        loaded = load(new)
        if path.exists():
            path.rename(old)
        try:
            new.rename(path)
        except OSError:
            if old.exists():
                old.rename(path)
            raise
        shutil.rmtree(old, ignore_errors=True)
    return loaded


def to_json(entries: Any) -> bytes:
    """Return JSON as the files of an artifact hold it: the same entries, the same bytes."""
    return (json.dumps(entries, indent=1, ensure_ascii=False, sort_keys=True) + "\n").encode()


def read_file(file: Path, *, fix: str = _REBUILD) -> bytes:
    """Read a file of an artifact.

    Raises:
        ArtifactError: It is missing, with this fix, or cannot be read.
    """
    try:
        return file.read_bytes()
    except FileNotFoundError as exc:
        raise ArtifactError(file, "", "the file is missing", fix) from exc
    except OSError as exc:
        raise ArtifactError(file, "", f"cannot be read ({exc.strerror})", "make the file readable") from exc


def _parse_manifest(file: Path, raw: bytes) -> Manifest:
    """Parse manifest.json. The version comes first: another version's other keys mean nothing here."""
    try:
        version = json.loads(raw)["format_version"]
    except (ValueError, KeyError, TypeError) as exc:
        raise ArtifactError(file, "format_version", f"no JSON object with this key ({exc})", _REBUILD) from exc
    if version != FORMAT_VERSION:
        problem = f"{version!r} is unknown; this version of tiergate reads {FORMAT_VERSION}"
        raise ArtifactError(file, "format_version", problem, "export the artifact with this version of tiergate")
    return parse_file(file, raw, Manifest)


def parse_file(file: Path, raw: bytes, model: type[Model], *, fix: str = _REBUILD) -> Model:
    """Parse a JSON file of an artifact.

    Raises:
        ArtifactError: It is no JSON or does not fit the model; names the key, and this fix.
    """
    try:
        return model.model_validate_json(raw)
    except ValidationError as exc:
        raise invalid_file(file, exc, fix=fix) from exc


def invalid_file(file: Path, exc: ValidationError, *, fix: str = _REBUILD) -> ArtifactError:
    """Return the error that names the first key that does not fit."""
    first = exc.errors(include_url=False)[0]
    return ArtifactError(file, ".".join(str(part) for part in first["loc"]), first["msg"], fix)


def _check_names(file: Path, manifest: Manifest, calibration: Calibration) -> None:
    if set(calibration.tiers) != set(manifest.tiers):
        problem = f"holds {sorted(calibration.tiers)!r}, the manifest {sorted(manifest.tiers)!r}"
        raise ArtifactError(file, "tiers", problem, _REBUILD)
    strangers = {*calibration.domains.min_scores, *calibration.domains.flags} - set(manifest.domains)
    if strangers:
        problem = f"{sorted(strangers)!r} are no domains of the manifest"
        raise ArtifactError(file, "domains.min_scores", problem, _REBUILD)
    unknown = set(calibration.domains.flag_features) - set(manifest.features)
    if unknown:
        problem = f"{sorted(unknown)!r} are no features of the manifest"
        raise ArtifactError(file, "domains.flag_features", problem, _REBUILD)


def _parse_reference(path: Path, payload: Mapping[str, bytes], manifest: Manifest) -> Reference | None:
    if REFERENCE_VECTORS not in payload:
        return None
    labels = parse_file(path / REFERENCE_LABELS, payload[REFERENCE_LABELS], ReferenceLabels)
    try:
        vectors = load_tensors(payload[REFERENCE_VECTORS])["vectors"]
    except (SafetensorError, KeyError) as exc:
        problem = f"no safetensors file with the tensor vectors ({exc})"
        raise ArtifactError(path / REFERENCE_VECTORS, "", problem, _REBUILD) from exc
    rows = len(labels.ids)
    fits = vectors.shape == (rows, manifest.encoder.dimensions) and vectors.dtype == np.float16
    if not fits or not rows == len(labels.tiers) == len(labels.domains) or not np.isfinite(vectors).all():
        problem = f"is {vectors.dtype} of shape {vectors.shape} for {rows} labels, or holds numbers that are not finite"
        raise ArtifactError(path / REFERENCE_VECTORS, "vectors", problem, _REBUILD)
    return Reference(labels=labels, vectors=vectors)


def _parse_head(file: Path, raw: bytes, manifest: Manifest, *, calibration: DomainCalibration, references: int) -> Head:
    try:
        tensors = load_tensors(raw)
    except SafetensorError as exc:
        raise ArtifactError(file, "", f"not a safetensors file ({exc})", _REBUILD) from exc
    width = manifest.encoder.dimensions + len(manifest.features)
    shapes = {
        "tier_weight": (len(manifest.tiers), width),
        "tier_bias": (len(manifest.tiers),),
        "domain_weight": (len(manifest.domains), width),
        "domain_bias": (len(manifest.domains),),
        "feature_mean": (len(manifest.features),),
        "feature_scale": (len(manifest.features),),
    }
    if flags := len(calibration.flags):
        shapes |= {"flag_weight": (flags, references), "flag_bias": (flags,)}
        if calibration.flag_features:
            shapes["flag_extra"] = (references, len(calibration.flag_features))
    if set(tensors) != set(shapes):
        problem = f"holds the tensors {sorted(tensors)!r}, not {sorted(shapes)!r}"
        raise ArtifactError(file, "", problem, _REBUILD)
    for name, shape in shapes.items():
        tensor = tensors[name]
        if tensor.shape != shape or tensor.dtype != np.float32:
            problem = f"is {tensor.dtype} of shape {tensor.shape}, the manifest asks for float32 of shape {shape}"
            raise ArtifactError(file, name, problem, _REBUILD)
        if not np.isfinite(tensor).all():
            raise ArtifactError(file, name, "holds numbers that are not finite", _REBUILD)
    if np.any(tensors["feature_scale"] <= 0):
        raise ArtifactError(file, "feature_scale", "is not above 0", _REBUILD)
    return Head(**tensors)
