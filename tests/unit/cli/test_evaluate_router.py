"""The command: what it prints, and how it says that something is wrong."""

import json
from importlib.util import find_spec
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tiergate.cli import evaluate_router
from tiergate.cli.main import app

needs_toolkit = pytest.mark.skipif(find_spec("scipy") is None, reason="needs the extra [train]")

ROWS = "id,prompt,correct|small,correct|large\n1,What is 2 + 2?,1,1\n2,Prove Fermat's last theorem for n = 3.,0,1\n"


@pytest.fixture
def outcomes(tmp_path: Path) -> str:
    file = tmp_path / "outcomes.csv"
    file.write_text(ROWS, encoding="utf-8")
    return str(file)


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["evaluate", "router", *arguments])
    return result.exit_code, result.output


@needs_toolkit
def test_it_prints_one_json_object_with_the_names_of_the_contract(outcomes: str) -> None:
    code, said = run("--outcomes", outcomes, "--weak", "small", "--strong", "large", "--json")

    assert code == 0
    assert set(json.loads(said.splitlines()[-1])) == {
        "n",
        "weak_quality",
        "strong_quality",
        "apgr",
        "cpt50",
        "cpt80",
        "random_apgr",
        "oracle_apgr",
        "ms_per_decision_p50",
    }


@needs_toolkit
def test_it_prints_a_line_a_figure_for_people(outcomes: str) -> None:
    code, said = run("--outcomes", outcomes, "--weak", "small", "--strong", "large")

    assert code == 0
    assert "strong_quality         1" in said


@needs_toolkit
def test_a_tier_that_the_table_lacks_is_bad_input(outcomes: str) -> None:
    code, said = run("--outcomes", outcomes, "--weak", "tiny", "--strong", "large")

    assert code == 2
    assert "tiny" in said


def test_without_the_toolkit_it_says_what_to_install(outcomes: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluate_router, "find_spec", lambda _: None)

    code, said = run("--outcomes", outcomes, "--weak", "small", "--strong", "large")

    assert code == 2
    assert "tiergate[train]" in said
