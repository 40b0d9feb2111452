"""The command compares the strategies and refuses what it cannot read."""

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from tiergate.cli.evaluate_cascade import evaluate_cascade

pytest.importorskip("sklearn")
RUNNER = CliRunner()


def _app() -> typer.Typer:
    app = typer.Typer()
    app.command()(evaluate_cascade)
    return app


def _write(file: Path) -> Path:
    rows = [
        f"{row},prompt {row % 3},{int(row % 5 > 1)},1,{0.9 if row % 5 > 1 else 0.4 + row / 1000}" for row in range(120)
    ]
    file.write_text("\n".join(["id,prompt,correct|A,correct|B,confidence|A", *rows]))
    return file


def test_areas_are_printed_as_json_and_as_lines(tmp_path: Path) -> None:
    options = ["--outcomes", str(_write(tmp_path / "t.csv")), "--tiers", "A, B", "--costs", "1,4"]
    found = RUNNER.invoke(_app(), [*options, "--json"])
    assert found.exit_code == 0
    figures = json.loads(found.stdout)
    assert set(figures["curves"]) == {"route", "gate", "both", "both_free_start", "A", "B"}
    lines = RUNNER.invoke(_app(), [*options, "--calibration", options[1]])
    assert lines.exit_code == 0
    assert "both" in lines.stdout


@pytest.mark.parametrize("options", [["--tiers", "A,B", "--costs", "one,4"], ["--tiers", "A"]])
def test_wrong_usage_exits_with_2(tmp_path: Path, options: list[str]) -> None:
    found = RUNNER.invoke(_app(), ["--outcomes", str(_write(tmp_path / "t.csv")), *options])
    assert found.exit_code == 2
    assert "Fix: " in found.stderr
