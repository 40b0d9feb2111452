"""The calibration on disk is whole or refused with its name."""

from pathlib import Path

import pytest

from tiergate.adapters.gate_calibration_file import load_gate_calibration, write_gate_calibration
from tiergate.errors import ArtifactError
from tiergate.policy.gate_calibration import GateCalibration

EMPTY = GateCalibration(format_version=1, data_digest="sha256:" + "a" * 64, groups={})


def test_what_is_written_is_read_and_nothing_else_is_left(tmp_path: Path) -> None:
    file = tmp_path / "new" / "gate_calibration.json"
    write_gate_calibration(file, EMPTY)
    write_gate_calibration(file, EMPTY)
    assert load_gate_calibration(file) == EMPTY
    assert list(file.parent.iterdir()) == [file]


@pytest.mark.parametrize("content", [None, b"\xff", b"{"])
def test_a_missing_or_torn_file_is_refused_by_name(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "gate_calibration.json"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ArtifactError, match=r"gate_calibration\.json"):
        load_gate_calibration(file)


def test_what_cannot_be_read_or_written_says_so(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="cannot be read"):
        load_gate_calibration(tmp_path)
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(ArtifactError, match="cannot be written"):
        write_gate_calibration(blocked / "gate_calibration.json", EMPTY)
