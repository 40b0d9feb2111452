"""gate_calibration.json on disk."""

import os
import tempfile
from pathlib import Path

from tiergate.errors import ArtifactError
from tiergate.policy.gate_calibration import GateCalibration, dump_gate_calibration, parse_gate_calibration

_REBUILD = "calibrate again with `tiergate calibrate`, or remove the file to use the documented prior"


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
