"""`tiergate report` and `rollout status` on a decision log."""

import json
from collections.abc import Callable
from pathlib import Path

from tests.unit.cli.conftest import START, log_row
from typer.testing import Result

from tiergate.adapters.decision_database import DecisionDatabase, parse_url
from tiergate.adapters.decision_tables import build_values


def test_the_report_is_one_file_that_loads_nothing(tiergate: Callable[..., Result], log: str, tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    assert tiergate("report", "--decisions", log, "--out", str(out)).exit_code == 0
    page = out.read_text()
    assert "400 decisions" in page
    assert "70.0%" in page
    for loader in ("<script", "<link", "src=", "@import", "url("):
        assert loader not in page


def test_the_figures_are_written_as_png_where_asked(tiergate: Callable[..., Result], log: str, tmp_path: Path) -> None:
    result = tiergate("report", "--decisions", log, "--plots", str(tmp_path / "plots"))
    assert result.exit_code == 0, result.stderr
    assert sorted(file.name for file in (tmp_path / "plots").iterdir()) == [
        "cost.png",
        "distribution.png",
        "quality.png",
    ]


def test_names_in_the_log_never_become_markup(tiergate: Callable[..., Result], tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'evil.db'}"
    database = DecisionDatabase(parse_url(url))
    database.open_schema()
    route = log_row(1, START)["route"] | {"tier": "<script>alert(1)</script>"}
    database.upsert([build_values(log_row(1, START, route=route, experiment="<b>x</b>"), 1)])
    database.close()
    tiergate("report", "--decisions", url, "--out", str(tmp_path / "r.html"))
    page = (tmp_path / "r.html").read_text()
    assert "<script>" not in page
    assert "<b>x" not in page
    assert "&lt;script&gt;" in page


def test_an_empty_log_gives_no_report(tiergate: Callable[..., Result], tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'empty.db'}"
    database = DecisionDatabase(parse_url(url))
    database.open_schema()
    database.close()
    result = tiergate("report", "--decisions", url)
    assert result.exit_code == 2
    assert "has no decisions" in result.stderr


def test_rollout_status_names_what_is_open(tiergate: Callable[..., Result], log: str) -> None:
    result = tiergate("rollout", "status", "--decisions", log, "--json")
    assert result.exit_code == 1  # 200 decisions are too few for the end of a week
    found = json.loads(result.stdout)
    assert found["week"] == 2
    open_items = [item["text"] for item in found["criteria"]["2"] if not item["met"]]
    assert open_items == ["at least 1000 decisions"]
    assert "holds" in tiergate("rollout", "status", "--decisions", log).stdout


def test_a_file_in_place_of_the_folder_of_plots_is_told(
    tiergate: Callable[..., Result], log: str, tmp_path: Path
) -> None:
    (tmp_path / "plots").write_text("", encoding="utf-8")
    result = tiergate("report", "--decisions", log, "--plots", "plots")
    assert result.exit_code == 2
    assert "plots: file exists. Fix: name a folder" in result.stderr
