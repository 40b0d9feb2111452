"""Scenarios of simulations: what is refused."""

from pathlib import Path

import pytest

from tiergate.demo.simulation_scenario import SimulationScenario, load_simulation
from tiergate.errors import ConfigurationError


@pytest.fixture(scope="module")
def agents() -> SimulationScenario:
    return load_simulation("agent-stack")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: x", "Field required"),
        ("a: [", "valid YAML"),
        ("[" * 5000, "valid YAML"),
        ("name: é", "not UTF-8"),
        (None, "no such scenario"),
    ],
)
def test_a_bad_scenario_is_refused_by_file(tmp_path: Path, text: str | None, message: str) -> None:
    file = tmp_path / "scenario.yaml"
    if text is not None:
        file.write_text(text, encoding="latin-1")
    with pytest.raises(ConfigurationError, match=message):
        load_simulation(file)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"models": {}}, "models lacks"),
        ({"forms": {}, "questions": {}}, "neither forms nor questions"),
        ({"repeats": 0.7, "paraphrases": 0.7}, "above 1"),
    ],
)
def test_a_scenario_that_cannot_run_is_refused(
    agents: SimulationScenario, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        SimulationScenario.model_validate({**agents.model_dump(), **changes})
