"""The command prints the contract's figures, and explains what is missing."""

import json
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from tiergate.cli.evaluate_gate import evaluate_gate, import_toolkit, print_figures

RUNNER = CliRunner()


def _app() -> typer.Typer:
    app = typer.Typer()
    app.command()(evaluate_gate)
    return app


def _write(file: Path) -> Path:
    rows = [f"{row},p,{row % 2},1,{0.9 if row % 2 else 0.4}" for row in range(60)]
    file.write_text("\n".join(["id,prompt,correct|A,correct|B,confidence|A", *rows]))
    return file


def test_figures_are_printed_as_json_and_as_lines(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    table = str(_write(tmp_path / "t.csv"))
    options = ["--outcomes", table, "--weak", "A", "--strong", "B"]
    found = RUNNER.invoke(_app(), [*options, "--json"])
    assert found.exit_code == 0
    assert json.loads(found.stdout)["auroc"] == 1.0
    lines = RUNNER.invoke(_app(), [*options, "--calibration", table])
    assert lines.exit_code == 0
    assert "escalate_below" in lines.stdout


def test_bad_input_exits_with_2_and_says_where(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    found = RUNNER.invoke(_app(), ["--outcomes", str(tmp_path / "none.csv"), "--weak", "A", "--strong", "B"])
    assert found.exit_code == 2
    assert "none.csv" in found.stderr


def test_a_gate_needs_two_tiers(tmp_path: Path) -> None:
    found = RUNNER.invoke(_app(), ["--outcomes", str(_write(tmp_path / "t.csv")), "--weak", "A", "--strong", "A"])
    assert found.exit_code == 2
    assert "--weak and --strong are both 'A'" in found.stderr


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "tiergate_classifier.outcomes", None)
    with pytest.raises(typer.Exit) as caught:
        import_toolkit("outcomes")
    assert caught.value.exit_code == 2
    assert "tiergate[train]" in capsys.readouterr().err


def test_nothing_is_printed_as_a_dash(capsys: pytest.CaptureFixture[str]) -> None:
    print_figures({"a": None, "b": 0.123456, "c": 3}, as_json=False)
    assert [line.split() for line in capsys.readouterr().out.splitlines()] == [["a", "-"], ["b", "0.1235"], ["c", "3"]]
