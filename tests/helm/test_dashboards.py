import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from helm.chartgen.places import CHART, PACK
from helm.chartgen.rendering import render_chart
from tests.helm.conftest import ONE_POD, Chart, merge

TEMPLATE = "dashboards.yaml"
BOARDS = sorted((CHART / "files" / "dashboards").glob("*.json"))
MADE = sorted((PACK / "observability" / "dashboards").glob("*.json"))


@pytest.fixture
def with_board(tmp_path: Path) -> tuple[Path, dict[str, Any]]:
    copy = tmp_path / "tiergate"
    shutil.copytree(CHART, copy)
    (copy / "files" / "dashboards").mkdir(exist_ok=True)
    board = {"title": "A board", "panels": [{"expr": 'rate(x{a="{{ b }}"}[5m])'}]}
    (copy / "files" / "dashboards" / "board.json").write_text(json.dumps(board, indent=2), encoding="utf-8")
    return copy, board


def test_it_is_off_by_default(chart: Chart) -> None:
    assert chart.find(TEMPLATE) is None


def test_every_board_of_the_chart_is_in_it(chart: Chart) -> None:
    document = chart.find(TEMPLATE, {"dashboards.enabled": True})
    assert BOARDS
    assert document is not None
    assert document["data"].keys() == {board.name for board in BOARDS}


def test_the_boards_are_those_of_the_pack(chart: Chart) -> None:
    document = chart.document(TEMPLATE, {"dashboards.enabled": True})
    made = {board.name: json.loads(board.read_text(encoding="utf-8")) for board in MADE}
    assert made
    assert {name: json.loads(text) for name, text in document["data"].items()} == made


def test_a_board_is_carried_as_it_is(with_board: tuple[Path, dict[str, Any]]) -> None:
    folder, board = with_board
    rendered = render_chart(merge(ONE_POD, {"dashboards.enabled": True}), folder)
    document = yaml.safe_load(rendered[TEMPLATE])
    assert json.loads(document["data"]["board.json"]) == board
    assert document["metadata"]["labels"]["grafana_dashboard"] == "1"
