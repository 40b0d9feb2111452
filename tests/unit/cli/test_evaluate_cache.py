"""`tiergate evaluate cache` without the toolkit installed says what to install."""

import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from tiergate.cli.evaluate_cache import evaluate_cache


def test_without_the_toolkit_the_command_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delattr("tiergate_classifier.pair_evaluate", raising=False)
    monkeypatch.setitem(sys.modules, "tiergate_classifier.pair_evaluate", None)
    app = typer.Typer()
    app.command("cache")(evaluate_cache)
    result = CliRunner().invoke(app, ["--pairs", str(tmp_path / "pairs.csv")])
    assert result.exit_code == 2
    assert "tiergate[train]" in result.stderr
