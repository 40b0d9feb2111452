"""Reader and writer of the pair model's artifact: what the toolkit exports and the semantic cache loads.

A folder of four files, none of them a pickle:

    manifest.json       what the model is, the digest of every other file, data, metrics
    weights.safetensors weights, float32
    cuts.json           the calibrated cut of each error bound
    card.md             the same for people

`PairModel.digest` is the SHA-256 of manifest.json, which holds the digests of the rest, so it names the whole.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from tiergate.artifact import digest_of, invalid_file, parse_file, read_file, replace_folder, to_json
from tiergate.artifact_format import Encoder, Metric, TrainingData
from tiergate.errors import ArtifactError
from tiergate.policy.error_bound import ErrorCut
from tiergate.policy.pair_features import FEATURES
from tiergate.policy.pair_model import PairModel

FORMAT_VERSION = 1
MANIFEST, WEIGHTS, CUTS, CARD = "manifest.json", "weights.safetensors", "cuts.json", "card.md"
PAYLOAD = (WEIGHTS, CUTS, CARD)

DEPLOYMENT_LABELS = "deployment labels"
"""Name of the training data that `tiergate calibrate cache` adds."""

_REBUILD = "rebuild the pair model with `make pairs` or `tiergate calibrate cache`, or name another folder"

Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0)]
Name = Annotated[str, Field(min_length=1)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class PairManifest(_Frozen):
    """manifest.json.

    Attributes:
        format_version: Version of this layout.
        created_at: ISO 8601 time in UTC.
        method: How the model was trained and calibrated, in a sentence.
        features: Features of a pair before the vectors, in order.
        encoder: The encoder whose vectors the model was trained on.
        training_data: Data sets.
        metrics: Figures on held-out rows.
        files: SHA-256 of every other file, by name.
    """

    format_version: Literal[1]
    created_at: Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")]
    method: Name
    features: tuple[Name, ...]
    encoder: Encoder
    training_data: tuple[TrainingData, ...]
    metrics: tuple[Metric, ...]
    files: Mapping[str, Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]]

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if set(self.files) != set(PAYLOAD):
            message = f"files must name exactly {PAYLOAD!r}"
            raise ValueError(message)
        if self.features != FEATURES:
            message = "features are not those of this version of tiergate"
            raise ValueError(message)
        return self


class _Cut(_Frozen):
    max_error: Annotated[float, Field(gt=0, lt=1)]
    confidence: Annotated[float, Field(gt=0, lt=1)]
    min_score: Annotated[float, Field(allow_inf_nan=False)] | None
    labelled: Count
    hits: Count
    errors: Count
    error_bound: Share
    horizon: Count


class _Cuts(_Frozen):
    cuts: tuple[_Cut, ...]


def builtin_pair_model_path() -> Path:
    """Return the folder of the pair model that ships with tiergate."""
    return Path(str(files("tiergate"))) / "models" / "pairs"


def load_pair_model(path: Path, *, encoder_digest: str | None = None) -> PairModel:
    """Read and check a pair model.

    Args:
        path: Its folder.
        encoder_digest: `Embedder.digest` of the encoder in use; None skips the comparison.

    Raises:
        ArtifactError: The folder or a file is missing, torn, changed since it was written, of another format version or
            encoder, or its parts do not fit together.
    """
    raw, manifest = load_pair_manifest(path)
    payload: dict[str, bytes] = {}
    for name in PAYLOAD:
        payload[name] = read_file(path / name, fix=_REBUILD)
        if digest_of(payload[name]) != manifest.files[name]:
            problem = "its digest is not the one in manifest.json, so it was changed or torn"
            raise ArtifactError(path / name, f"files.{name}", problem, _REBUILD)
    if encoder_digest is not None and encoder_digest != manifest.encoder.digest:
        problem = f"was trained on the encoder {manifest.encoder.digest}, in use is {encoder_digest}"
        raise ArtifactError(path / MANIFEST, "encoder.digest", problem, "calibrate a pair model for this encoder")
    cuts = parse_file(path / CUTS, payload[CUTS], _Cuts, fix=_REBUILD)
    return _model(path / WEIGHTS, payload[WEIGHTS], manifest, cuts, digest_of(raw))


def load_pair_manifest(path: Path) -> tuple[bytes, PairManifest]:
    """Read the manifest of a pair model; returns its bytes too.

    Raises:
        ArtifactError: It is missing, torn, or of another format version.
    """
    file = path / MANIFEST
    raw = read_file(file, fix=_REBUILD)
    try:
        version = json.loads(raw)["format_version"]
    except (ValueError, KeyError, TypeError) as exc:
        raise ArtifactError(file, "format_version", f"no JSON object with this key ({exc})", _REBUILD) from exc
    if version != FORMAT_VERSION:
        problem = f"{version!r} is unknown; this version of tiergate reads {FORMAT_VERSION}"
        raise ArtifactError(file, "format_version", problem, _REBUILD)
    return raw, parse_file(file, raw, PairManifest, fix=_REBUILD)


def write_pair_model(path: Path, *, model: PairModel, manifest: Mapping[str, Any], card: str) -> PairModel:
    """Write a pair model whole or not at all, replace the one that is there, and return what a reader will see.

    Args:
        path: Its folder; the parent is made if it is not there.
        model: Weights and cuts.
        manifest: The fields of `PairManifest` without `format_version`, `features` and `files`.
        card: card.md.

    Raises:
        ArtifactError: The parts do not fit together, or the folder cannot be written. What was at `path` stays.
    """
    tensors = {
        "feature_weight": model.feature_weight,
        "vector_weight": model.vector_weight,
        "bias": np.array([model.bias], dtype=np.float32),
    }
    payload = {
        WEIGHTS: save_tensors(tensors),
        CUTS: to_json({"cuts": [asdict(cut) for _, cut in sorted(model.cuts.items())]}),
        CARD: card.encode(),
    }
    digests = {name: digest_of(data) for name, data in payload.items()}
    fields = {"format_version": FORMAT_VERSION, "features": FEATURES, **manifest, "files": digests}
    try:
        checked = PairManifest.model_validate(fields)
    except ValidationError as exc:
        raise invalid_file(path / MANIFEST, exc, fix=_REBUILD) from exc
    payload[MANIFEST] = to_json(checked.model_dump(mode="json"))
    try:
        return replace_folder(path, payload, load_pair_model)
    except OSError as exc:
        raise ArtifactError(path, "", f"cannot be written ({exc})", "make its parent folder writable") from exc


def _model(file: Path, raw: bytes, manifest: PairManifest, cuts: _Cuts, digest: str) -> PairModel:
    try:
        tensors = load_tensors(raw)
    except SafetensorError as exc:
        raise ArtifactError(file, "", f"not a safetensors file ({exc})", _REBUILD) from exc
    shapes = {
        "feature_weight": (len(FEATURES),),
        "vector_weight": (2 * manifest.encoder.dimensions,),
        "bias": (1,),
    }
    if set(tensors) != set(shapes):
        raise ArtifactError(file, "", f"holds the tensors {sorted(tensors)!r}, not {sorted(shapes)!r}", _REBUILD)
    for name, shape in shapes.items():
        if tensors[name].shape != shape or tensors[name].dtype != np.float32:
            problem = f"is {tensors[name].dtype} of shape {tensors[name].shape}, not float32 of shape {shape}"
            raise ArtifactError(file, name, problem, _REBUILD)
    try:
        return PairModel(
            feature_weight=tensors["feature_weight"],
            vector_weight=tensors["vector_weight"],
            bias=float(tensors["bias"][0]),
            cuts={cut.max_error: ErrorCut(**cut.model_dump()) for cut in cuts.cuts},
            digest=digest,
            fitted_until=_fitted_until(manifest),
        )
    except ValueError as exc:
        raise ArtifactError(file, "", str(exc), _REBUILD) from exc


def _fitted_until(manifest: PairManifest) -> float:
    """Return when a model that saw labels of a deployment was made, Unix time; 0 for one that saw none."""
    if all(data.name != DEPLOYMENT_LABELS for data in manifest.training_data):
        return 0.0
    return datetime.fromisoformat(manifest.created_at).timestamp()
