"""`tiergate drift` ends with 1 when an alarm holds, and names examples."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from tests.unit.adapters.test_drift_log import POLICY, row, write
from typer.testing import Result

Tiergate = Callable[..., Result]


@pytest.fixture
def policy_file(tmp_path: Path) -> str:
    fields = {"tiers": POLICY.model_dump(mode="json")["tiers"], "drift": {"reference_rows": 60, "window_rows": 40}}
    (tmp_path / "policy.yaml").write_text(yaml.safe_dump(fields))
    return "policy.yaml"


def test_an_alarm_is_told_with_examples(tiergate: Tiergate, policy_file: str, tmp_path: Path) -> None:
    url = write(tmp_path, [*(row(at) for at in range(70)), *(row(at, shift=2.0) for at in range(70, 110))])
    result = tiergate("drift", "--policy", policy_file, "--decisions", url)
    assert result.exit_code == 1
    assert "for example d0" in result.stdout
    told = json.loads(tiergate("drift", "--policy", policy_file, "--decisions", url, "--json").stdout)
    assert told["alarms"][0]["kind"] == "input"
    assert told["enough_rows"] is True


def test_quiet_traffic_and_too_little_of_it_end_well(tiergate: Tiergate, policy_file: str, tmp_path: Path) -> None:
    url = write(tmp_path, [row(at) for at in range(120)])
    assert tiergate("drift", "--policy", policy_file, "--decisions", url).exit_code == 0
    (tmp_path / "few").mkdir()
    few = tiergate("drift", "--policy", policy_file, "--decisions", write(tmp_path / "few", [row(1)]))
    assert (few.exit_code, "too few" in few.stdout) == (0, True)


def test_a_log_that_is_not_there_is_bad_input(tiergate: Tiergate, policy_file: str) -> None:
    assert tiergate("drift", "--policy", policy_file, "--decisions", "sqlite:///none.db").exit_code == 2
