"""`tiergate replay`."""

import json
from collections.abc import Callable
from pathlib import Path

import yaml
from typer.testing import Result

from tiergate.pack import locate_pack


def test_replay_of_the_log_is_exact_for_the_policy_that_ran(
    tiergate: Callable[..., Result], log: str, policy_file: Path
) -> None:
    result = tiergate("replay", "--decisions", log, "--policy", str(policy_file), "--sweep", "--json")
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)[0]
    cost = found["estimates"][0]
    assert (cost["metric"], cost["method"]) == ("cost_usd", "exact")
    assert any(point["replay"] is None for point in found["sweep"]) is False
    assert {point["domain"] for point in found["sweep"]} == {"", "general"}
    assert {point["value"] for point in found["sweep"] if point["chosen"]} == {0.95, 0.7}
    assert "cost_usd" in tiergate("replay", "--decisions", log, "--policy", str(policy_file)).stdout


def test_the_sweep_s_curves_are_drawn_for_each_domain(
    tiergate: Callable[..., Result], log: str, policy_file: Path, tmp_path: Path
) -> None:
    result = tiergate("replay", "--decisions", log, "--policy", str(policy_file), "--plots", str(tmp_path / "curves"))
    assert result.exit_code == 0, result.stderr
    assert sorted(file.name for file in (tmp_path / "curves").iterdir()) == ["sweep-all.png", "sweep-general.png"]


def test_replay_refuses_what_the_log_cannot_tell(tiergate: Callable[..., Result], log: str, policy_file: Path) -> None:
    policy = yaml.safe_load(policy_file.read_text())
    policy["intent_router"]["min_quality"] = 0.99
    policy_file.write_text(yaml.safe_dump(policy))
    result = tiergate("replay", "--decisions", log, "--policy", str(policy_file))
    assert result.exit_code == 2
    assert "exploration.share" in result.stderr
    assert tiergate("replay", "--policy", str(policy_file)).exit_code == 2


def test_replay_of_traffic_needs_no_log(tiergate: Callable[..., Result], tmp_path: Path) -> None:
    file = tmp_path / "requests.jsonl"
    prompts = ["What is the capital of France?", "Prove that there are infinitely many primes of the form 4k + 3."]
    file.write_text("\n".join(json.dumps({"messages": [{"role": "user", "content": text}]}) for text in prompts))
    policy = locate_pack("quickstart") / "policy.yaml"
    result = tiergate("replay", "--log", str(file), "--policy", str(policy), "--json")
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)[0]
    assert found["tier_shares"]["frontier"] == 0.5
    assert found["routed_usd"] < found["baseline_usd"]
