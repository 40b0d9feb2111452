"""Each figure of the tables in docs/proof.md is that of the result file that it names."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
LINES = (ROOT / "docs" / "proof.md").read_text(encoding="utf-8").splitlines()
RESULTS = ("", "_fresh", "_degraded", "_per_request")


def figures(name: str) -> dict[str, dict[str, Any]]:
    text = (ROOT / "benchmarks" / "results" / f"simulate_agent_stack{name}.json").read_text(encoding="utf-8")
    return {figure["name"]: figure for figure in json.loads(text)["figures"]}


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def interval(figure: dict[str, Any]) -> str:
    return f"{figure['low']:.4g} to {figure['high']:.4g}"


def test_the_run_s_table_is_the_run_s() -> None:
    found = figures("")
    rows = [cells(line) for line in LINES if re.match(r"\| [^|`]+ \| `\w+` \|", line)]
    assert len(rows) >= 14
    for _, name, value, between, published, reproduced in rows:
        figure = found[name.strip("`")]
        assert (value, between) == (f"{figure['value']:.4g}", interval(figure)), name
        assert published == ("" if figure["published"] is None else f"{figure['published']:.4g}")
        assert reproduced == {None: "", True: "yes", False: "no"}[figure["reproduced"]]


@pytest.mark.parametrize("place", range(4))
def test_the_table_of_runs_is_theirs(place: int) -> None:
    found = figures(RESULTS[place])
    rows = [cells(line) for line in LINES if re.match(r"\| `\w+` \|", line)]
    assert len(rows) >= 7
    for name, *values in rows:
        figure = found[name.strip("`")]
        assert values[place] == f"{figure['value']:.4g} ({interval(figure)})", name
