"""Whether the worst slice is calibrated well enough: one check for all that writes an artifact."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tiergate.artifact_format import Metric
from tiergate.errors import ArtifactError

OVERALL: Final = "calibration_error"
WORST: Final = "worst_slice_calibration_error"
_BY_SLICE: Final = f"{OVERALL}/"


class TailError(ArtifactError):
    """The worst slice of an artifact is calibrated badly, or was never measured."""


def check_tail(metrics: Sequence[Metric], *, file: Path, max_slice_error: float, override: str | None) -> str:
    """Return what the card says of the check: nothing where it passes, else the reason to go on all the same.

    The figure is `worst_slice_calibration_error`; without a slice of enough rows, the overall error.

    Args:
        metrics: Figures of the artifact.
        file: The artifact, for the message.
        max_slice_error: Limit.
        override: Reason to pass the limit; None refuses.

    Raises:
        TailError: The error is above the limit or was never measured, and there is no override.
    """
    by_name = {metric.name: metric for metric in metrics}
    found = by_name.get(WORST) or by_name.get(OVERALL)
    if found is not None and found.value <= max_slice_error:
        return ""
    key = "metrics"
    if found is None:
        told = "was never measured"
        fix = "label rows that are held out"
    else:
        slices = [metric for metric in metrics if metric.name.startswith(_BY_SLICE)]
        worst = max(slices, key=lambda metric: metric.value, default=found)
        key = f"metrics.{worst.name}"
        told = (
            f"is {worst.value:.4f} ({worst.low:.4f} to {worst.high:.4f} on {worst.n} rows), "
            f"above the limit {max_slice_error}"
        )
        fix = "label more rows of that slice, raise intent_router.max_slice_error or --max-slice-error"
    if override is None:
        fix = f"{fix}, or give --override REASON, which lands in the card"
        raise TailError(file, key, f"the worst slice's calibration error {told}", fix)
    return f"\n## Written all the same\n\nThe worst slice's calibration error {told}. Reason given: {override}\n"
