"""From labels to an artifact: train or recalibrate, measure on held-out rows, write; and the check before export."""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from tiergate.artifact import Artifact, load_artifact, write_artifact
from tiergate.artifact_format import Calibration, Head, Metric
from tiergate.errors import ArtifactError
from tiergate.settings import Policy
from tiergate_classifier.label_metrics import find_metric, measure_labels
from tiergate_classifier.label_rows import HELD_OUT, TRAIN, LabelArrays, LabelRow, stack_labels
from tiergate_classifier.retrain import recalibrate, retrain
from tiergate_classifier.risk_control import describe_cut

MIN_SLICE_ROWS: Final = 100
MAX_SLICE_ERROR: Final = 0.06
METHOD_TRAINED: Final = (
    "tier heads refitted on a team's labels as base score plus an L2 residual; Platt, grouped bootstrap"
)
METHOD_CALIBRATED: Final = "heads of the base; tier calibration refitted on a team's labels; Platt, grouped bootstrap"


def train_challenger(
    base: Artifact, rows: Sequence[LabelRow], policy: Policy, out: Path, *, min_slice_rows: int = MIN_SLICE_ROWS
) -> Artifact:
    """Train on the `train` rows, measure on the `held_out` rows, and write an artifact.

    Args:
        base: The artifact in force.
        rows: Labelled rows.
        policy: The tiers, and how to route.
        out: Folder to write.
        min_slice_rows: Slices with fewer rows are not reported.

    Raises:
        ValueError: There are too few rows.
        ArtifactError: The folder cannot be written.
    """
    labels, held_out = _sides(base, rows)
    found = retrain(base, labels, min_quality=policy.intent_router.min_quality)
    return _write(base, found.head, found.calibration, (labels, held_out), policy, out, METHOD_TRAINED, min_slice_rows)


def calibrate_challenger(
    base: Artifact, rows: Sequence[LabelRow], policy: Policy, out: Path, *, min_slice_rows: int = MIN_SLICE_ROWS
) -> Artifact:
    """Refit the tiers' calibration on the `train` rows and keep the heads; else as `train_challenger`.

    Raises:
        ValueError: There are too few rows.
        ArtifactError: The folder cannot be written.
    """
    labels, held_out = _sides(base, rows)
    calibration = recalibrate(base, labels, min_quality=policy.intent_router.min_quality)
    return _write(base, base.head, calibration, (labels, held_out), policy, out, METHOD_CALIBRATED, min_slice_rows)


def export_challenger(source: Path, store: Path, *, max_slice_error: float, override: str | None) -> Path:
    """Copy an artifact into a store if its worst slice is calibrated well enough; return its new folder.

    Args:
        source: The artifact.
        store: Folder of artifacts; each stands there under the first digits of its digest.
        max_slice_error: Limit of `worst_slice_calibration_error`; without that figure, of the overall one.
        override: Reason to export all the same; it lands in the card. None refuses.

    Raises:
        ArtifactError: The artifact is torn, its error is above the limit, or it was never measured.
    """
    artifact = load_artifact(source)
    metric = find_metric(artifact.manifest.metrics, "worst_slice_calibration_error")
    metric = metric or find_metric(artifact.manifest.metrics, "calibration_error")
    card = artifact.card
    if metric is None or metric.value > max_slice_error:
        told = "was never measured" if metric is None else f"is {metric.value:.4f}, above the limit {max_slice_error}"
        if override is None:
            fix = "label more rows of that slice, or give --override REASON, which lands in the card"
            raise ArtifactError(source, "metrics", f"the worst slice's calibration error {told}", fix)
        card += f"\n## Exported all the same\n\nThe worst slice's calibration error {told}. Reason given: {override}\n"
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
        card=card,
        reference=artifact.reference,
    )
    return store / digits


def _sides(base: Artifact, rows: Sequence[LabelRow]) -> tuple[LabelArrays, LabelArrays | None]:
    """Return the rows to fit on, and those to measure on where there are any."""
    names = base.manifest.features
    train = stack_labels([row for row in rows if row.split == TRAIN], base.tiers, names)
    try:
        return train, stack_labels([row for row in rows if row.split == HELD_OUT], base.tiers, names)
    except ValueError:
        return train, None


def _write(
    base: Artifact,
    head: Head,
    calibration: Calibration,
    sides: tuple[LabelArrays, LabelArrays | None],
    policy: Policy,
    out: Path,
    method: str,
    min_slice_rows: int,
) -> Artifact:
    labels, held_out = sides
    digest = hashlib.sha256("\n".join(sorted(row.id for row in labels.rows)).encode()).hexdigest()
    own = {"name": "own labels", "digest": f"sha256:{digest}", "licence": "LicenseRef-own", "rows": len(labels.rows)}
    manifest: dict[str, Any] = {
        "created_at": datetime.now(tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "method": method,
        "tiers": base.tiers,
        "domains": base.domains,
        "features": base.manifest.features,
        "encoder": base.manifest.encoder.model_dump(),
        "training_data": (*(data.model_dump() for data in base.manifest.training_data), own),
        "metrics": (),
    }
    # The reference stays, since the yes-or-no domains weigh its vectors.
    parts: dict[str, Any] = {"head": head, "calibration": calibration, "reference": base.reference}
    draft = write_artifact(out, manifest=manifest, card="", **parts)
    metrics = () if held_out is None else measure_labels(draft, held_out, policy, min_slice_rows=min_slice_rows)
    manifest["metrics"] = tuple(metric.model_dump() for metric in metrics)
    card = _card(base, manifest, metrics, calibration, len(labels.rows))
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

Quality, routed shares and cost are weighted by 1 / probability of selection, so they speak of all traffic.

## What risk control found

{controlled}

Learn-then-test with exact binomial tests on the rows to fit on, scored by heads of other folds. A tier for which no cut
was found is not used: the request goes to a stronger one.
"""
