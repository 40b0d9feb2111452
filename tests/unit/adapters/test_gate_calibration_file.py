"""The calibration on disk is whole or refused with its name."""

from pathlib import Path

import pytest

from tiergate.adapters.gate_calibration_file import (
    load_gate_calibration,
    read_gate_calibration,
    write_gate_calibration,
)
from tiergate.errors import ArtifactError
from tiergate.policy.gate_calibration import Evidence, GateCalibration, GroupCalibration
from tiergate.settings import Policy

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


def group(scale: str = "probability") -> GroupCalibration:
    nothing = Evidence(intercept=0.0, prior=0.0, prior_mean=0.0, answer={}, spread=1.0)
    fields = {"method": "m", "n": 9, "n_without_confidence": 0, "scale": scale, "knots": (), "log_odds": ()}
    return GroupCalibration.model_validate(fields | {"with_confidence": nothing, "without_confidence": nothing})


def policy(file: Path | None) -> Policy:
    tiers = [{"name": name, "model_group": f"tier-{name}"} for name in ("simple", "frontier")]
    return Policy.model_validate({"tiers": tiers, "confidence_gate": {"calibration": file}})


def test_a_policy_without_one_is_judged_by_the_prior() -> None:
    assert read_gate_calibration(policy(None), Path("policy.yaml")) == (None, [])


def test_a_missing_file_is_an_error_with_file_and_fix(tmp_path: Path) -> None:
    calibration, found = read_gate_calibration(policy(tmp_path / "gate.json"), Path("policy.yaml"))
    assert calibration is None
    assert [(one.severity, one.file) for one in found] == [("error", str(tmp_path / "gate.json"))]
    assert "tiergate calibrate gate" in found[0].fix


def test_groups_that_do_not_fit_are_named(tmp_path: Path) -> None:
    file = tmp_path / "gate.json"
    whole = EMPTY.model_copy(update={"groups": {"tier-simple": group(), "tier-other": group()}})
    write_gate_calibration(file, whole)
    calibration, found = read_gate_calibration(policy(file), Path("policy.yaml"))
    assert calibration == whole
    assert [(one.severity, one.key) for one in found] == [
        ("warning", "groups.tier-other"),
        ("warning", "confidence_gate.calibration"),
    ]
    write_gate_calibration(file, EMPTY.model_copy(update={"groups": {"tier-simple": group("number")}}))
    calibration, found = read_gate_calibration(policy(file), Path("policy.yaml"))
    assert calibration is None
    assert (found[0].severity, found[0].key) == ("error", "groups.tier-simple.scale")
