"""Reader and writer of the classifier artifact: what the toolkit exports and the runtime loads.

A folder of four files, none of them a pickle:

    manifest.json      what the artifact is, the digest of every other file, data, metrics
    head.safetensors   weights of the heads, float32
    calibration.json   maps from a head's output to probabilities and lower confidence bounds
    card.md            the same for people

The folder is read once. `Artifact.digest` is the SHA-256 of manifest.json, which holds the digests of the rest, so it
names the whole.
"""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from tiergate.errors import ArtifactError

FORMAT_VERSION = 1
MANIFEST = "manifest.json"
HEAD = "head.safetensors"
CALIBRATION = "calibration.json"
CARD = "card.md"
PAYLOAD = (HEAD, CALIBRATION, CARD)

_REBUILD = "rebuild the artifact with `make classifier`, or name another folder in intent_router.classifier.artifact"

Array = NDArray[np.float32]
Probability = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Name = Annotated[str, Field(min_length=1)]
Digest = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
Model = TypeVar("Model", bound=BaseModel)


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Encoder(_Frozen):
    """The encoder whose vectors the heads were trained on.

    Attributes:
        digest: `Embedder.digest` of it. Another encoder's vectors mean nothing to the heads.
        dimensions: Length of its vectors.
    """

    digest: Name
    dimensions: Annotated[int, Field(gt=0)]


class TrainingData(_Frozen):
    """One data set that the artifact was trained from.

    Attributes:
        name: What it is called.
        digest: SHA-256 over its files.
        licence: SPDX identifier.
        rows: Number of its rows.
    """

    name: Name
    digest: Digest
    licence: Name
    rows: Annotated[int, Field(gt=0)]


class Metric(_Frozen):
    """One figure, measured on rows that took no part in training or calibration.

    Attributes:
        name: What was measured.
        value: The figure.
        n: Rows behind it.
        low: Lower end of its 95 % interval.
        high: Upper end of its 95 % interval.
    """

    name: Name
    value: Finite
    n: Annotated[int, Field(ge=0)]
    low: Finite
    high: Finite


class Manifest(_Frozen):
    """manifest.json.

    Attributes:
        format_version: Version of this layout.
        created_at: ISO 8601 time in UTC.
        method: How the heads were trained and calibrated, in a sentence.
        labels: What each row of the heads predicts, in order: `good_enough/TIER` and then `domain/DOMAIN`.
        tiers: Tiers, cheapest first.
        domains: Domains.
        features: Surface features after the vector, in order.
        encoder: The encoder.
        training_data: Data sets.
        metrics: Figures on held-out rows.
        files: SHA-256 of every other file, by name.
    """

    format_version: Literal[1]
    created_at: Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")]
    method: Name
    labels: tuple[Name, ...]
    tiers: Annotated[tuple[Name, ...], Field(min_length=2)]
    domains: Annotated[tuple[Name, ...], Field(min_length=1)]
    features: tuple[Name, ...]
    encoder: Encoder
    training_data: tuple[TrainingData, ...]
    metrics: tuple[Metric, ...]
    files: Mapping[str, Digest]

    @model_validator(mode="after")
    def _names_agree(self) -> Self:
        if self.labels != labels_of(self.tiers, self.domains):
            message = "labels are not good_enough/TIER and domain/DOMAIN in the order of tiers and domains"
            raise ValueError(message)
        for names in (self.labels, self.features):
            if len(set(names)) != len(names):
                message = f"{names!r} holds a name twice"
                raise ValueError(message)
        if set(self.files) != set(PAYLOAD):
            message = f"files must name exactly {PAYLOAD!r}"
            raise ValueError(message)
        return self


class TierCalibration(_Frozen):
    """Maps a tier head's log-odds to probabilities: linear between knots, constant outside.

    Any monotone calibration fits this shape: Platt's sigmoid on a grid, isotonic steps, a constant.

    Attributes:
        knots: Log-odds, strictly rising.
        probability: P(good enough) at each knot, not falling.
        lower_bound: Lower confidence bound of it at each knot, not falling, never above it.
    """

    knots: Annotated[tuple[Finite, ...], Field(min_length=1)]
    probability: tuple[Probability, ...]
    lower_bound: tuple[Probability, ...]

    @model_validator(mode="after")
    def _is_monotone(self) -> Self:
        if not len(self.knots) == len(self.probability) == len(self.lower_bound):
            message = "knots, probability and lower_bound differ in length"
            raise ValueError(message)
        if np.any(np.diff(self.knots) <= 0):
            message = "knots do not rise"
            raise ValueError(message)
        if np.any(np.diff(self.probability) < 0) or np.any(np.diff(self.lower_bound) < 0):
            message = "probability or lower_bound falls"
            raise ValueError(message)
        if np.any(np.subtract(self.lower_bound, self.probability) > 0):
            message = "lower_bound is above probability"
            raise ValueError(message)
        return self


class DomainCalibration(_Frozen):
    """Calibration of the domain head.

    Attributes:
        temperature: What the head's outputs are divided by before the softmax.
        min_scores: Per domain the cut that kept the recall asked for on the calibration rows: a prompt may belong to the
            domain from this P(domain) on, though another is more probable. Domains without a cut go by the most
            probable one.
    """

    temperature: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    min_scores: Mapping[str, Probability]


class Calibration(_Frozen):
    """calibration.json.

    Attributes:
        confidence: One-sided level of the lower bounds.
        tiers: Calibration of each tier, by name.
        domains: Calibration of the domain head.
    """

    confidence: Annotated[float, Field(gt=0, lt=1)]
    tiers: Mapping[str, TierCalibration]
    domains: DomainCalibration


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Head:
    """Linear heads on [vector, (features - mean) / scale].

    T tiers, K domains, D dimensions of the vector, F features; all float32.

    Attributes:
        tier_weight: Shape (T, D + F).
        tier_bias: Shape (T,).
        domain_weight: Shape (K, D + F).
        domain_bias: Shape (K,).
        feature_mean: Shape (F,).
        feature_scale: Shape (F,), above 0.
    """

    tier_weight: Array
    tier_bias: Array
    domain_weight: Array
    domain_bias: Array
    feature_mean: Array
    feature_scale: Array

    def tensors(self) -> dict[str, Array]:
        """Return the tensors by name."""
        return {name: getattr(self, name) for name in Head.__slots__}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Artifact:
    """A loaded classifier artifact, checked.

    Attributes:
        digest: "sha256:" and the SHA-256 of manifest.json.
        manifest: What it is.
        head: The weights.
        calibration: The calibration.
        card: card.md.
    """

    digest: str
    manifest: Manifest
    head: Head
    calibration: Calibration
    card: str

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


def labels_of(tiers: Sequence[str], domains: Sequence[str]) -> tuple[str, ...]:
    """Return what each row of the heads predicts, in order."""
    return (*(f"good_enough/{tier}" for tier in tiers), *(f"domain/{domain}" for domain in domains))


def builtin_artifact_path() -> Path:
    """Return the folder of the artifact that ships with tiergate."""
    return Path(str(files("tiergate"))) / "models" / "intent"


def load_artifact(path: Path) -> Artifact:
    """Read and check an artifact.

    Args:
        path: Its folder.

    Raises:
        ArtifactError: The folder or a file is missing, torn, changed since it was written, of another format version, or
            its parts do not fit together.
    """
    if not path.is_dir():
        raise ArtifactError(path, "", "there is no such folder", _REBUILD)
    raw = _read(path / MANIFEST)
    manifest = _parse_manifest(path / MANIFEST, raw)
    payload: dict[str, bytes] = {}
    for name in PAYLOAD:
        payload[name] = _read(path / name)
        if digest_of(payload[name]) != manifest.files[name]:
            problem = "its digest is not the one in manifest.json, so it was changed or torn"
            raise ArtifactError(path / name, f"files.{name}", problem, _REBUILD)
    calibration = _parse(path / CALIBRATION, payload[CALIBRATION], Calibration)
    _check_names(path / CALIBRATION, manifest, calibration)
    head = _parse_head(path / HEAD, payload[HEAD], manifest)
    try:
        card = payload[CARD].decode()
    except UnicodeDecodeError as exc:
        raise ArtifactError(path / CARD, "", f"not UTF-8 ({exc})", _REBUILD) from exc
    return Artifact(digest=digest_of(raw), manifest=manifest, head=head, calibration=calibration, card=card)


def write_artifact(
    path: Path, *, manifest: Mapping[str, Any], head: Head, calibration: Calibration, card: str
) -> Artifact:
    """Write an artifact whole or not at all, replace the one that is there, and return what a reader will see.

    The files are written to a folder beside `path`, synced, read back and checked; then the folders change places by
    rename. A reader that comes between the two renames finds no folder, never a mixed one.

    Args:
        path: Its folder; the parent is made if it is not there.
        manifest: The fields of `Manifest` without `format_version`, `labels` and `files`, which follow from the rest.
        head: The weights.
        calibration: The calibration.
        card: card.md.

    Raises:
        ArtifactError: The parts do not fit together, or the folder cannot be written. What was at `path` stays.
    """
    payload = {
        HEAD: save_tensors(head.tensors()),
        CALIBRATION: _to_json(calibration.model_dump(mode="json")),
        CARD: card.encode(),
    }
    fields = {
        "format_version": FORMAT_VERSION,
        "labels": labels_of(manifest.get("tiers", ()), manifest.get("domains", ())),
        **manifest,
        "files": {name: digest_of(data) for name, data in payload.items()},
    }
    try:
        checked = Manifest.model_validate(fields)
    except ValidationError as exc:
        raise _invalid(path / MANIFEST, exc) from exc
    payload[MANIFEST] = _to_json(checked.model_dump(mode="json"))
    try:
        return _replace_folder(path, payload)
    except OSError as exc:
        raise ArtifactError(path, "", f"cannot be written ({exc})", "make its parent folder writable") from exc


def _replace_folder(path: Path, payload: Mapping[str, bytes]) -> Artifact:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent) as workplace:
        new, old = Path(workplace) / "new", Path(workplace) / "old"
        new.mkdir()
        for name, data in payload.items():
            with (new / name).open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        artifact = load_artifact(new)
        if path.exists():
            path.rename(old)
        try:
            new.rename(path)
        except OSError:
            if old.exists():
                old.rename(path)
            raise
        shutil.rmtree(old, ignore_errors=True)
    return artifact


def _to_json(fields: Any) -> bytes:
    return (json.dumps(fields, indent=1, ensure_ascii=False, sort_keys=True) + "\n").encode()


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except FileNotFoundError as exc:
        raise ArtifactError(file, "", "the file is missing", _REBUILD) from exc
    except OSError as exc:
        raise ArtifactError(file, "", f"cannot be read ({exc.strerror})", "make the file readable") from exc


def _parse_manifest(file: Path, raw: bytes) -> Manifest:
    """Parse manifest.json; the version comes first, since another version's other keys mean nothing here."""
    try:
        version = json.loads(raw)["format_version"]
    except (ValueError, KeyError, TypeError) as exc:
        raise ArtifactError(file, "format_version", f"no JSON object with this key ({exc})", _REBUILD) from exc
    if version != FORMAT_VERSION:
        problem = f"{version!r} is unknown; this version of tiergate reads {FORMAT_VERSION}"
        raise ArtifactError(file, "format_version", problem, "export the artifact with this version of tiergate")
    return _parse(file, raw, Manifest)


def _parse(file: Path, raw: bytes, model: type[Model]) -> Model:
    try:
        return model.model_validate_json(raw)
    except ValidationError as exc:
        raise _invalid(file, exc) from exc


def _invalid(file: Path, exc: ValidationError) -> ArtifactError:
    first = exc.errors(include_url=False)[0]
    return ArtifactError(file, ".".join(str(part) for part in first["loc"]), first["msg"], _REBUILD)


def _check_names(file: Path, manifest: Manifest, calibration: Calibration) -> None:
    if set(calibration.tiers) != set(manifest.tiers):
        problem = f"holds {sorted(calibration.tiers)!r}, the manifest {sorted(manifest.tiers)!r}"
        raise ArtifactError(file, "tiers", problem, _REBUILD)
    strangers = set(calibration.domains.min_scores) - set(manifest.domains)
    if strangers:
        problem = f"{sorted(strangers)!r} are no domains of the manifest"
        raise ArtifactError(file, "domains.min_scores", problem, _REBUILD)


def _parse_head(file: Path, raw: bytes, manifest: Manifest) -> Head:
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
