"""`tiergate demo`: a scenario with its report, or the quickstart's walk. tests/proxy walks the walk."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.unit.cli.conftest import START, log_row
from tests.unit.demo.test_simulation_figures import pair
from typer.testing import Result

from tiergate.adapters.decision_database import DecisionDatabase, parse_url
from tiergate.adapters.decision_tables import build_values
from tiergate.cli import demo
from tiergate.demo import quickstart, simulation


@pytest.mark.parametrize("code", [0, 1, 2])
def test_the_walk_gets_its_options_and_gives_its_exit_code(
    tiergate: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    seen: list[Sequence[str]] = []

    def main(arguments: Sequence[str]) -> int:
        seen.append(arguments)
        return code

    monkeypatch.setattr(quickstart, "main", main)
    assert tiergate("demo", "--once", "--port", "4010").exit_code == code
    assert tiergate("demo", "--walk").exit_code == code
    assert seen == [["--once", "--port", "4010"], ["--port", "0"]]


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let a scenario leave a log of twenty decisions; return what a browser was asked to open."""

    def run(*_: object, folder: Path, **__: object) -> list[Any]:
        database = DecisionDatabase(parse_url(f"sqlite:///{folder}/data/decisions.db"))
        database.open_schema()
        database.upsert([build_values(log_row(n, START + n), n) for n in range(20)])
        database.close()
        return [pair(task, cost=1.0) for task in range(3)]

    addresses: list[str] = []
    monkeypatch.setattr(simulation, "run_simulation", run)
    monkeypatch.setattr(simulation, "keep_grades", lambda *_: None)
    monkeypatch.setattr(demo.webbrowser, "open", addresses.append)
    return addresses


def test_the_scenario_s_report_is_written_and_opened(
    tiergate: Callable[..., Result], tmp_path: Path, opened: list[str]
) -> None:
    result = tiergate("demo", "--tasks", "3")
    assert result.exit_code == 0, result.stderr
    page = tmp_path / "tiergate-demo" / "report.html"
    assert result.stdout.splitlines()[-1] == f"report {page}"
    assert opened == [page.as_uri()]
    text = page.read_text()
    assert "20 decisions of scenario agent-stack" in text
    assert "published" in text
    figures = json.loads((page.parent / "figures.json").read_text())
    assert f"{figures['figures'][0]['value']:.4g}" in text


def test_no_browser_opens_none_and_a_second_run_starts_anew(
    tiergate: Callable[..., Result], tmp_path: Path, opened: list[str]
) -> None:
    for _ in range(2):
        assert tiergate("demo", "--tasks", "3", "--no-browser", "--out", "here").exit_code == 0
    assert "20 decisions" in (tmp_path / "here" / "report.html").read_text()
    assert opened == []
