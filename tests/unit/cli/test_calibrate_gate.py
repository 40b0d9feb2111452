"""Outcomes in, a file out that the policy may name."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from tiergate.adapters.gate_calibration_file import load_gate_calibration
from tiergate.pack import locate_pack
from tiergate.pack_check import check_pack

Tiergate = Callable[..., Result]


@pytest.fixture
def outcomes(tmp_path: Path) -> Path:
    rows = [f"{row},Question {row % 7}?,{int(row % 10 < 7)},1,{0.95 if row % 10 < 7 else 0.6}" for row in range(120)]
    file = tmp_path / "outcomes.csv"
    file.write_text("\n".join(["id,prompt,correct|simple,correct|frontier,confidence|simple", *rows]))
    return file


def test_the_file_is_written_and_a_policy_that_names_it_passes(
    tiergate: Tiergate, outcomes: Path, tmp_path: Path
) -> None:
    pytest.importorskip("sklearn")
    pack = locate_pack("quickstart")
    (tmp_path / "policy.yaml").write_text(
        (pack / "policy.yaml").read_text().replace("trust_from: 0.85", "trust_from: 0.85\n  calibration: gate.json")
    )
    options = ("calibrate", "gate", "--outcomes", str(outcomes), "--policy", "policy.yaml", "--out", "gate.json")
    printed = tiergate(*options, "--json")
    assert printed.exit_code == 0, printed.stderr
    found = json.loads(printed.stdout)
    written = load_gate_calibration(tmp_path / "gate.json")
    assert found["digest"] == written.digest
    assert found["groups"]["tier-simple"]["n"] == 120
    assert written.groups["tier-simple"].score(0.95).probability > written.groups["tier-simple"].score(0.6).probability
    assert "tier-frontier" in tiergate(*options).stdout
    report = check_pack(tmp_path / "policy.yaml", None)
    assert report.errors == ()
    assert report.pack is not None
    assert report.pack.gate_calibration == written


def test_what_is_missing_is_said(tiergate: Tiergate, outcomes: Path) -> None:
    pytest.importorskip("sklearn")
    missing = tiergate("calibrate", "gate", "--outcomes", str(outcomes), "--policy", "none.yaml", "--out", "g.json")
    assert missing.exit_code == 2
    assert "none.yaml" in missing.stderr
    bare = tiergate("calibrate")
    assert bare.exit_code == 2
    assert "`gate`" in bare.stderr
