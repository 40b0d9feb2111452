"""gate_calibration.json on disk, and whether it fits the policy that names it."""

import os
import tempfile
from pathlib import Path

from tiergate.defects import Defect, error, from_error, warning
from tiergate.errors import ArtifactError
from tiergate.policy.gate_calibration import GateCalibration, dump_gate_calibration, parse_gate_calibration
from tiergate.settings import Policy

_REBUILD = "calibrate again with `tiergate calibrate gate`, or remove the file to use the documented prior"


def load_gate_calibration(file: Path) -> GateCalibration:
    """Read and check the calibration of the gate.

    Raises:
        ArtifactError: The file is missing, not readable, not UTF-8, of another format version, or not whole.
    """
    try:
        text = file.read_bytes().decode()
    except FileNotFoundError as exc:
        raise ArtifactError(file, "", "the file is missing", _REBUILD) from exc
    except OSError as exc:
        raise ArtifactError(file, "", f"cannot be read ({exc.strerror})", "make the file readable") from exc
    except UnicodeDecodeError as exc:
        raise ArtifactError(file, "", f"not UTF-8 ({exc})", _REBUILD) from exc
    return parse_gate_calibration(text, file)


def write_gate_calibration(file: Path, calibration: GateCalibration) -> None:
    """Write the calibration whole or not at all; a reader sees the old file or the new one, never a torn one.

    Raises:
        ArtifactError: The file cannot be written.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", dir=file.parent, prefix=f".{file.name}-", delete=False
        ) as new:
            new.write(dump_gate_calibration(calibration))
            new.flush()
            os.fsync(new.fileno())
        Path(new.name).replace(file)
    except OSError as exc:
        raise ArtifactError(file, "", f"cannot be written ({exc})", "make its folder writable") from exc


def read_gate_calibration(policy: Policy, policy_path: Path) -> tuple[GateCalibration | None, list[Defect]]:
    """Return the calibration that policy names, and what is wrong with it; None where there is none to use.

    Args:
        policy: The whole policy.
        policy_path: policy.yaml, for messages.
    """
    file = policy.confidence_gate.calibration
    if file is None:
        return None, []
    try:
        calibration = load_gate_calibration(file)
    except ArtifactError as exc:
        return None, [from_error(exc)]
    found = []
    for name, group in calibration.groups.items():
        if group.scale != "probability":
            problem = (
                "was calibrated on a confidence that is no probability; the gate measures the mean token probability"
            )
            fix = "write exp(mean log-probability) into `confidence|TIER` and calibrate again"
            found.append(error(file, f"groups.{name}.scale", problem, fix))
    served = {tier.model_group for tier in policy.tiers}
    for name in sorted(set(calibration.groups) - served):
        fix = f"calibrate for one of: {', '.join(sorted(served))}"
        found.append(warning(file, f"groups.{name}", "is the model group of no tier, so it is not used", fix))
    for name in sorted(served - set(calibration.groups)):
        problem = f"has no calibration of {name!r}, so the documented prior speaks for it"
        fix = f"calibrate {name} too, or leave it so"
        found.append(warning(policy_path, "confidence_gate.calibration", problem, fix))
    return (None if any(one.severity == "error" for one in found) else calibration), found
