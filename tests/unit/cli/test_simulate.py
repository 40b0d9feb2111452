"""`tiergate simulate`: what it prints and returns, on calls that were made before."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.unit.demo.test_simulation_figures import pair
from typer.testing import Result

from tiergate.demo import simulation


@pytest.mark.parametrize(
    ("cost", "options", "code"), [(1.0, (), 0), (3.0, (), 1), (3.0, ("--degrade-classifier", "0.1"), 0)]
)
def test_a_goal_that_is_not_met_ends_with_1_unless_the_classifier_was_made_worse(
    tiergate: Callable[..., Result],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    cost: float,
    options: tuple[str, ...],
    code: int,
) -> None:
    monkeypatch.setattr(simulation, "run_simulation", lambda *_, **__: [pair(task, cost=cost) for task in range(3)])
    out = tmp_path / "figures.json"
    result = tiergate("simulate", "--tasks", "3", "--out", str(out), "--json", *options)
    assert result.exit_code == code
    assert json.loads(result.stdout) == json.loads(out.read_text())
    assert json.loads(result.stdout)["per_month"]["after_usd"] == pytest.approx(30_000 * cost)
    assert "NOT MET" in result.stderr or cost == 1.0


def test_an_unknown_scenario_is_bad_input(tiergate: Callable[..., Result]) -> None:
    result = tiergate("simulate", "--scenario", "nowhere")
    assert result.exit_code == 2
    assert "agent-stack" in result.stderr
