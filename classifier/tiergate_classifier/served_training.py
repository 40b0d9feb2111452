"""From labels to a folder that vLLM serves: tune, calibrate, measure on held-out rows, check the tail, write."""

import hashlib
import json
import math
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from tiergate.adapters.embedded_classifier import EmbeddedClassifier
from tiergate.adapters.vllm_classifier import calibrate_shares
from tiergate.artifact import Artifact
from tiergate.artifact_format import CALIBRATION, CARD, MANIFEST, Calibration, Digest, Metric, Name, TrainingData
from tiergate.errors import ConfigurationError
from tiergate.ports import Classification
from tiergate.settings import Policy
from tiergate_classifier.label_metrics import measure_classified
from tiergate_classifier.label_rows import HELD_OUT, TRAIN, LabelArrays, LabelRow, stack_labels
from tiergate_classifier.retrain import CONFIDENCE, calibrate_scores
from tiergate_classifier.risk_control import control_risk
from tiergate_classifier.selection import group_vectors
from tiergate_classifier.served_model import Adapted, Tuning, check_libraries, tune
from tiergate_classifier.tail_check import check_tail
from tiergate_classifier.validation import is_held_out

MIN_ROWS: Final = 40
CALIBRATION_SHARE: Final = 0.3
_TINY: Final = 1e-9

Floats = NDArray[np.float64]


class ServedManifest(BaseModel):
    """manifest.json beside a served model; the names are those of an artifact's manifest.

    Attributes:
        created_at: ISO 8601 time in UTC.
        method: How it was trained and calibrated.
        base: The model that was tuned, as it was named.
        tiers: Tiers, cheapest first: the classes.
        artifact_digest: The embedded artifact that scores the domains and steps in.
        training_data: The labelled rows.
        metrics: Figures on held-out rows.
        files: SHA-256 of every other file, by name.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    created_at: Name
    method: Name
    base: Name
    tiers: tuple[Name, ...]
    artifact_digest: Digest
    training_data: tuple[TrainingData, ...]
    metrics: tuple[Metric, ...]
    files: dict[str, Digest]


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """What was written.

    Attributes:
        manifest: Its manifest.
        card: Its card.
    """

    manifest: ServedManifest
    card: str


def train_served(
    base: str,
    artifact: Artifact,
    rows: Sequence[LabelRow],
    policy: Policy,
    out: Path,
    *,
    min_slice_rows: int,
    override: str | None = None,
    tuning: Tuning | None = None,
) -> Served:
    """Tune a model on the `train` rows and write it with calibration, manifest and card if its tail is calibrated.

    Args:
        base: Folder of a model, or its name on a hub.
        artifact: The embedded artifact in force.
        rows: Labelled rows with their prompts.
        policy: The tiers, how to route, and the limit of the worst slice's calibration error.
        out: Folder to write: new, empty, or one that this function wrote.
        min_slice_rows: Slices with fewer rows are not reported.
        override: Reason to pass the limit; it lands in the card. None refuses.
        tuning: How to tune; the default without.

    Raises:
        ValueError: There are too few rows, or rows without a prompt.
        ConfigurationError: A library is missing, the model cannot be loaded, or `out` holds something else;
            `TailError`: the worst slice is calibrated badly or was not measured.
    """
    check_libraries(base)
    _check_out(out)
    train, held_out = _sides(rows, artifact)
    fitted, kept = _parts(train)
    classes = train.good.argmax(axis=1)
    prompts = [row.prompt or "" for row in train.rows]
    adapted = tune(
        base,
        [prompts[row] for row in fitted],
        classes[fitted],
        train.weight[fitted],
        artifact.tiers,
        tuning=tuning or Tuning(),
    )
    shares = adapted.shares([prompts[row] for row in kept])
    calibration = _calibrate(artifact, shares, train, kept, policy.intent_router.min_quality)
    metrics: tuple[Metric, ...] = ()
    if held_out is not None:
        metrics = _measure(adapted, artifact, calibration, held_out, policy, min_slice_rows)
    limit = policy.intent_router.max_slice_error
    told = check_tail(metrics, file=out, max_slice_error=limit, override=override)
    return _write(adapted, artifact, base, calibration, metrics, (train, told), out)


def _sides(rows: Sequence[LabelRow], artifact: Artifact) -> tuple[LabelArrays, LabelArrays | None]:
    """Return the rows to train on and those to measure on, all with prompts."""
    written = [row for row in rows if row.prompt]
    sides = {side: [row for row in written if row.split == side] for side in (TRAIN, HELD_OUT)}
    if len(sides[TRAIN]) < MIN_ROWS:
        raise ValueError(
            f"{len(sides[TRAIN])} rows to train on hold a prompt, and --base needs {MIN_ROWS}; label more, "
            "without --no-text"
        )
    names = artifact.manifest.features
    train = stack_labels(sides[TRAIN], artifact.tiers, names)
    graded = any(all(tier in row.quality for tier in artifact.tiers) for row in sides[HELD_OUT])
    if not graded:
        return train, None
    return train, stack_labels(sides[HELD_OUT], artifact.tiers, names, max_weight=math.inf)


def _parts(train: LabelArrays) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the places of rows to tune on and of rows to calibrate on; near-duplicates are together."""
    groups = group_vectors(train.vectors)
    kept = np.array([is_held_out(train.rows[group].id, CALIBRATION_SHARE) for group in groups.tolist()])
    if kept.all() or not kept.any():
        raise ValueError("the rows are near-duplicates of one another; label others")
    return np.flatnonzero(~kept), np.flatnonzero(kept)


def _calibrate(
    artifact: Artifact, shares: Floats, train: LabelArrays, kept: NDArray[np.int64], min_quality: float
) -> Calibration:
    """Fit the tiers' curves on rows that the model was not tuned on; the domains are the embedded artifact's."""
    groups, curves, cuts = group_vectors(train.vectors[kept]), dict(artifact.calibration.tiers), {}
    for place, tier in enumerate(artifact.tiers[:-1]):
        below = np.clip(shares[:, : place + 1].sum(axis=1), _TINY, 1 - _TINY)
        log_odds, good = np.log(below / (1 - below)), train.good[kept, place]
        curves[tier] = calibrate_scores(log_odds, good.astype(np.float64), train.weight[kept], groups)
        bounds = np.interp(log_odds, curves[tier].knots, curves[tier].lower_bound)
        cuts[tier] = control_risk(bounds, good, min_quality=min_quality, confidence=CONFIDENCE)
    return Calibration(confidence=CONFIDENCE, tiers=curves, domains=artifact.calibration.domains, cuts=cuts)


def _measure(
    adapted: Adapted,
    artifact: Artifact,
    calibration: Calibration,
    held_out: LabelArrays,
    policy: Policy,
    min_slice_rows: int,
) -> tuple[Metric, ...]:
    """Return the figures of routing as the proxy would with the served model."""
    embedded = EmbeddedClassifier(artifact)
    shares = adapted.shares([row.prompt or "" for row in held_out.rows])

    def classify(place: int, row: LabelRow) -> Classification:
        scores, bounds = calibrate_shares(shares[place].tolist(), artifact.tiers, calibration.tiers)
        return replace(embedded.score(row.embedding, row.features), scores=scores, lower_bounds=bounds, kind="vllm")

    said = [classify(place, row) for place, row in enumerate(held_out.rows)]
    return measure_classified(said, artifact, held_out, policy, min_slice_rows=min_slice_rows)


def _check_out(out: Path) -> None:
    if out.exists() and any(out.iterdir()) and not (out / MANIFEST).is_file():
        raise ConfigurationError(out, "", "holds something else than a served model", "name another folder")


def _write(
    adapted: Adapted,
    artifact: Artifact,
    base: str,
    calibration: Calibration,
    metrics: tuple[Metric, ...],
    rest: tuple[LabelArrays, str],
    out: Path,
) -> Served:
    """Write the folder whole, beside `out`, and let it take its place."""
    train, told = rest
    ids = hashlib.sha256("\n".join(sorted(row.id for row in train.rows)).encode()).hexdigest()
    data = TrainingData(name="own labels", digest=f"sha256:{ids}", licence="LicenseRef-own", rows=len(train.rows))
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{out.name}-", dir=out.parent) as scratch:
        folder = Path(scratch) / "model"
        adapted.write(folder)
        (folder / CALIBRATION).write_text(json.dumps(calibration.model_dump(mode="json"), indent=1) + "\n")
        card = _card(base, artifact, metrics, len(train.rows)) + told
        (folder / CARD).write_text(card, encoding="utf-8")
        manifest = ServedManifest(
            created_at=datetime.now(tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            method="LoRA merged into the weights; Platt with a grouped bootstrap on rows it was not tuned on",
            base=base,
            tiers=artifact.tiers,
            artifact_digest=artifact.digest,
            training_data=(data,),
            metrics=metrics,
            files={file.name: f"sha256:{_digest(file)}" for file in sorted(folder.iterdir())},
        )
        (folder / MANIFEST).write_text(manifest.model_dump_json(indent=1) + "\n", encoding="utf-8")
        if out.exists():
            shutil.rmtree(out)
        folder.rename(out)
    return Served(manifest=manifest, card=card)


def _digest(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _card(base: str, artifact: Artifact, metrics: Sequence[Metric], rows: int) -> str:
    figures = "\n".join(f"| {m.name} | {m.value:.4f} | {m.n} | {m.low:.4f} to {m.high:.4f} |" for m in metrics)
    return f"""# Served intent classifier of your own traffic

- **Base**: `{base}`, tuned with LoRA of rank 8 and merged.
- **Classes**: {", ".join(artifact.tiers)}: the cheapest tier that was good enough.
- **Domains and fallback**: the embedded artifact `{artifact.digest}`.
- **Rows**: {rows} labelled rows, about {CALIBRATION_SHARE:.0%} of them for calibration; figures are on held-out rows.

| figure | value | n | 95 % interval |
|---|---|---|---|
{figures or "| not measured: no held-out rows | | | |"}

Overall figures are weighted by 1 / probability of being drawn, so they speak of all traffic.

## Serve

    vllm serve FOLDER --served-model-name intent --runner pooling

    classifier: {{kind: vllm, base_url: URL, model: intent, calibration: FOLDER/calibration.json}}
"""
