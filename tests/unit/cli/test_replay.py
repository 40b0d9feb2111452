"""`tiergate replay`."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
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
    assert found["saving"] == pytest.approx(1 - found["routed_usd"] / found["baseline_usd"])
    lines = tiergate("replay", "--log", str(file), "--policy", str(policy)).stdout.splitlines()
    assert "  tier_shares            simple 0.5, medium 0, frontier 0.5" in lines
    assert "  spent_usd              not known" in lines
    assert any(re.fullmatch(r"  routed_usd +[0-9.e-]+ \([0-9.e-]+ to [0-9.e-]+\)", line) for line in lines)
    assert max(len(line) for line in lines[2:]) <= 80


def test_domains_named_by_examples_are_replayed_as_the_proxy_decides(
    tiergate: Callable[..., Result], tmp_path: Path
) -> None:
    examples = [f"Where is parcel {number}, and when does the courier bring it?" for number in range(12)]
    policy = yaml.safe_load((locate_pack("quickstart") / "policy.yaml").read_text(encoding="utf-8"))
    policy["domains"] = {"parcels": {"start_tier": "frontier", "examples_file": "parcels.txt"}}
    folder = tmp_path / "pack"
    folder.mkdir()
    (folder / "policy.yaml").write_text(yaml.safe_dump(policy), encoding="utf-8")
    (folder / "parcels.txt").write_text("\n".join(examples), encoding="utf-8")
    (tmp_path / "requests.jsonl").write_text(json.dumps({"prompt": examples[0]}), encoding="utf-8")
    config = str(locate_pack("quickstart") / "config.yaml")
    asked = ("replay", "--log", "requests.jsonl", "--policy", "pack/policy.yaml", "--config", config, "--json")
    found = json.loads(tiergate(*asked).stdout)[0]
    assert found["tier_shares"]["frontier"] == 1.0
    (folder / "parcels.txt").unlink()
    assert "domains.parcels.examples_file" in tiergate(*asked).stderr


def test_replay_of_traffic_loads_no_litellm(tmp_path: Path) -> None:
    """LiteLLM's import asks the internet for its price map, and takes seconds."""
    (tmp_path / "requests.jsonl").write_text(json.dumps({"prompt": "Hi"}), encoding="utf-8")
    code = (
        "import sys\nfrom tiergate.cli.main import app\n"
        "try:\n    app()\nfinally:\n    print('litellm' in sys.modules, file=sys.stderr)"
    )
    policy = str(locate_pack("quickstart") / "policy.yaml")
    done = subprocess.run(
        [sys.executable, "-c", code, "replay", "--log", str(tmp_path / "requests.jsonl"), "--policy", policy],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr.splitlines()[-1] == "False", done.stderr


def test_a_sweep_without_decisions_is_refused(tiergate: Callable[..., Result], tmp_path: Path) -> None:
    (tmp_path / "requests.jsonl").write_text(json.dumps({"prompt": "Hi"}), encoding="utf-8")
    policy = str(locate_pack("quickstart") / "policy.yaml")
    for option in (("--sweep",), ("--plots", "curves")):
        result = tiergate("replay", "--log", "requests.jsonl", "--policy", policy, *option)
        assert (result.exit_code, "Fix: give --decisions" in result.stderr) == (2, True)
