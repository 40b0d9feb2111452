"""`tiergate experiment`."""

import json
from collections.abc import Callable
from pathlib import Path

import yaml
from typer.testing import Result


def test_experiment_status_has_both_arms(tiergate: Callable[..., Result], log: str, policy_file: Path) -> None:
    options = ("--policy", str(policy_file), "--decisions", log)
    result = tiergate("experiment", "status", "gate", *options, "--json")
    assert result.exit_code == 0
    assert [arm["units"] for arm in json.loads(result.stdout)["arms"]] == [200, 200]
    assert "decided: nothing yet" in tiergate("experiment", "status", "gate", *options).stdout
    assert tiergate("experiment", "status", "other", *options).exit_code == 2


def test_promote_makes_the_arm_the_policy(tiergate: Callable[..., Result], policy_file: Path) -> None:
    shown = tiergate("experiment", "promote", "gate", "b", "--policy", str(policy_file))
    assert yaml.safe_load(shown.stdout)["confidence_gate"]["escalate_below"] == 0.75
    assert "experiments" in yaml.safe_load(policy_file.read_text())  # not written without --write
    assert tiergate("experiment", "promote", "gate", "b", "--policy", str(policy_file), "--write").exit_code == 0
    written = yaml.safe_load(policy_file.read_text())
    assert written["confidence_gate"]["escalate_below"] == 0.75
    assert "experiments" not in written
    assert list(policy_file.parent.iterdir()) == [policy_file]


def test_stop_stops_an_arm_or_all_of_it(tiergate: Callable[..., Result], policy_file: Path) -> None:
    tiergate("experiment", "stop", "gate", "--arm", "b", "--policy", str(policy_file), "--write")
    assert yaml.safe_load(policy_file.read_text())["experiments"][0]["stopped"] == ["b"]
    assert tiergate("experiment", "stop", "gate", "--arm", "z", "--policy", str(policy_file)).exit_code == 2
    assert tiergate("experiment", "promote", "gate", "z", "--policy", str(policy_file)).exit_code == 2
    before = policy_file.read_text()
    refused = tiergate("experiment", "stop", "gate", "--arm", "a", "--policy", str(policy_file), "--write")
    assert refused.exit_code == 2  # the control cannot be stopped
    assert policy_file.read_text() == before
    tiergate("experiment", "stop", "gate", "--policy", str(policy_file), "--write")
    assert "experiments" not in yaml.safe_load(policy_file.read_text())


def test_plan_says_how_long(tiergate: Callable[..., Result]) -> None:
    result = tiergate("experiment", "plan", "--rate", "0.1", "--effect", "0.2", "--units-per-day", "1000", "--json")
    found = json.loads(result.stdout)
    assert found["days"] == found["units"] / 1000
    assert found["units"] > 5000
    assert "days" in tiergate("experiment", "plan").stdout
