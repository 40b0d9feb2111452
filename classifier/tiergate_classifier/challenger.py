"""From labels to an artifact: train or recalibrate, measure on held-out rows, write; and the check before export."""

import hashlib
import math
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from tiergate.artifact import Artifact, load_artifact, write_artifact
from tiergate.artifact_format import Calibration, Head, Metric
from tiergate.settings import Policy
from tiergate_classifier.label_metrics import measure_labels
from tiergate_classifier.label_rows import HELD_OUT, TRAIN, LabelArrays, LabelRow, stack_labels
from tiergate_classifier.retrain import recalibrate, retrain
from tiergate_classifier.risk_control import describe_cut
from tiergate_classifier.tail_check import check_tail

MIN_SLICE_ROWS: Final = 200
METHOD_TRAINED: Final = (
    "tier heads refitted on a team's labels as base score plus an L2 residual; Platt, grouped bootstrap"
)
METHOD_CALIBRATED: Final = "heads of the base; tier calibration refitted on a team's labels; Platt, grouped bootstrap"


def train_challenger(
    base: Artifact,
    rows: Sequence[LabelRow],
    policy: Policy,
    out: Path,
    *,
    min_slice_rows: int = MIN_SLICE_ROWS,
    override: str | None = None,
) -> Artifact:
    """Train on the `train` rows, measure on the `held_out` rows, and write an artifact if its tail is calibrated.

    Args:
        base: The artifact in force.
        rows: Labelled rows.
        policy: The tiers, how to route, and the limit of the worst slice's calibration error.
        out: Folder to write; it stays as it is when the check refuses.
        min_slice_rows: Slices with fewer rows are not reported.
        override: Reason to pass the limit; it lands in the card. None refuses.

    Raises:
        ValueError: There are too few rows.
        ArtifactError: The worst slice is calibrated badly or was not measured, or the folder cannot be written.
    """
    labels, held_out = _sides(base, rows)
    found = retrain(base, labels, min_quality=policy.intent_router.min_quality)
    draft = _Draft(base=base, head=found.head, calibration=found.calibration, method=METHOD_TRAINED, policy=policy)
    return _write(draft, (labels, held_out), out, min_slice_rows, override)


def calibrate_challenger(
    base: Artifact,
    rows: Sequence[LabelRow],
    policy: Policy,
    out: Path,
    *,
    min_slice_rows: int = MIN_SLICE_ROWS,
    override: str | None = None,
) -> Artifact:
    """Refit the tiers' calibration on the `train` rows and keep the heads; else as `train_challenger`.

    Raises:
        ValueError: There are too few rows.
        ArtifactError: As `train_challenger`.
    """
    labels, held_out = _sides(base, rows)
    calibration = recalibrate(base, labels, min_quality=policy.intent_router.min_quality)
    draft = _Draft(base=base, head=base.head, calibration=calibration, method=METHOD_CALIBRATED, policy=policy)
    return _write(draft, (labels, held_out), out, min_slice_rows, override)


def export_challenger(source: Path, store: Path, *, max_slice_error: float, override: str | None) -> Path:
    """Copy an artifact into a store if its worst slice is calibrated well enough; return its new folder.

    Args:
        source: The artifact.
        store: Folder of artifacts; each stands there under the first digits of its digest.
        max_slice_error: Limit of `worst_slice_calibration_error`; without that figure, of the overall one.
        override: Reason to export all the same; it lands in the card. None refuses.

    Raises:
        ArtifactError: The artifact is torn; `TailError`: its error is above the limit, or it was never measured.
    """
    artifact = load_artifact(source)
    told = check_tail(artifact.manifest.metrics, file=source, max_slice_error=max_slice_error, override=override)
    written = {
        key: value
        for key, value in artifact.manifest.model_dump().items()
        if key not in ("format_version", "labels", "files")
    }
    digits = artifact.digest.removeprefix("sha256:")[:12]
    write_artifact(
        store / digits,
        manifest=written,
        head=artifact.head,
        calibration=artifact.calibration,
        card=artifact.card + told,
        reference=artifact.reference,
    )
    return store / digits


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Draft:
    """What was fitted, before it is measured."""

    base: Artifact
    head: Head
    calibration: Calibration
    method: str
    policy: Policy


def _sides(base: Artifact, rows: Sequence[LabelRow]) -> tuple[LabelArrays, LabelArrays | None]:
    """Return the rows to fit on, and those to measure on where there are any."""
    names = base.manifest.features
    train = stack_labels([row for row in rows if row.split == TRAIN], base.tiers, names)
    try:
        held_out = [row for row in rows if row.split == HELD_OUT]
        return train, stack_labels(held_out, base.tiers, names, max_weight=math.inf)
    except ValueError:
        return train, None


def _write(
    draft: _Draft,
    sides: tuple[LabelArrays, LabelArrays | None],
    out: Path,
    min_slice_rows: int,
    override: str | None,
) -> Artifact:
    """Measure, check the tail, and write; a refused artifact is not written."""
    base, policy = draft.base, draft.policy
    labels, held_out = sides
    digest = hashlib.sha256("\n".join(sorted(row.id for row in labels.rows)).encode()).hexdigest()
    own = {"name": "own labels", "digest": f"sha256:{digest}", "licence": "LicenseRef-own", "rows": len(labels.rows)}
    manifest: dict[str, Any] = {
        "created_at": datetime.now(tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "method": draft.method,
        "tiers": base.tiers,
        "domains": base.domains,
        "features": base.manifest.features,
        "encoder": base.manifest.encoder.model_dump(),
        "training_data": (*(data.model_dump() for data in base.manifest.training_data), own),
        "metrics": (),
    }
    # The reference stays, since the yes-or-no domains weigh its vectors.
    parts: dict[str, Any] = {"head": draft.head, "calibration": draft.calibration, "reference": base.reference}
    metrics: tuple[Metric, ...] = ()
    if held_out is not None:
        with tempfile.TemporaryDirectory() as scratch:
            measured = write_artifact(Path(scratch) / "draft", manifest=manifest, card="", **parts)
            metrics = measure_labels(measured, held_out, policy, min_slice_rows=min_slice_rows)
    limit = policy.intent_router.max_slice_error
    told = check_tail(metrics, file=out, max_slice_error=limit, override=override)
    manifest["metrics"] = tuple(metric.model_dump() for metric in metrics)
    card = _card(base, manifest, metrics, draft.calibration, len(labels.rows)) + told
    return write_artifact(out, manifest=manifest, card=card, **parts)


def _card(
    base: Artifact, manifest: dict[str, Any], metrics: Sequence[Metric], calibration: Calibration, rows: int
) -> str:
    controlled = "\n".join(describe_cut(tier, cut) for tier, cut in calibration.cuts.items())
    figures = "\n".join(f"| {m.name} | {m.value:.4f} | {m.n} | {m.low:.4f} to {m.high:.4f} |" for m in metrics)
    return f"""# Intent classifier of your own traffic

- **Method**: {manifest["method"]}.
- **Base**: `{base.digest}`. Domain heads and their cuts are the base's.
- **Tiers**: {", ".join(manifest["tiers"])}. The last is the baseline: good enough by definition.
- **Rows**: {rows} labelled rows to fit on; the figures are on held-out rows, no near-duplicate of which was fitted on.

| figure | value | n | 95 % interval |
|---|---|---|---|
{figures or "| not measured: no held-out rows | | | |"}

Held-out rows are drawn more often from the tail: rare domains, regions far from the training vectors, long prompts and
expensive mistakes. Overall figures are weighted by 1 / probability, so they speak of all traffic.

## What risk control found

{controlled}

Learn-then-test with exact binomial tests on the rows to fit on, scored by heads of other folds. A tier for which no cut
was found is not used: the request goes to a stronger one.
"""
