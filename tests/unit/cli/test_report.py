"""Commands on a decision log: report, rollout status, experiment, replay."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import Result

from tiergate.adapters.decision_database import DecisionDatabase, parse_url
from tiergate.adapters.decision_tables import build_values
from tiergate.artifact import builtin_artifact_path, load_artifact
from tiergate.pack import locate_pack

WEEK_S = 7 * 86_400.0
START = 1_700_000_000.0


def row(number: int, ts: float, **changes: Any) -> dict[str, Any]:
    call = {
        "tier": "simple", "model_group": "tier-simple", "model": "m", "provider": "p", "fallback_from": None,
        "prompt_tokens": 90, "completion_tokens": 10, "cached_tokens": 0, "cost_usd": 0.3, "ms": 80.0,
        "start_ms": 5.0, "status": "ok",
    }  # fmt: skip
    plain = {
        "decision_id": f"d-{number}",
        "ts": ts,
        "call_id": f"c-{number}",
        "mode": "active",
        "experiment": "gate",
        "arm": "a" if number % 2 else "b",
        "unit": f"u-{number}",
        "cost_usd": 0.3,
        "baseline_cost_usd": 1.0,
        "route": {
            "tier": "simple",
            "reason": "score_meets_quality",
            "outcome": "routed",
            "artifact_digest": load_artifact(builtin_artifact_path()).digest,
            "scores": {"simple": 0.97, "medium": 0.98, "frontier": 1.0},
            "lower_bounds": {"simple": 0.96, "medium": 0.97, "frontier": 1.0},
            "domains": {"general": 0.9},
            "propensity": 1.0,
        },
        "cache": {"outcome": "miss"},
        "gate": {"outcome": "trusted", "reason": "confidence_high", "confidence": 0.9},
        "calls": [call],
        "errors": {},
        "status": "ok",
        "latency_ms": 100.0,
        "overhead_ms": 5.0,
        "feedback": {"score": 0.9},
    }
    return {**plain, **changes}


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A log of two weeks, the first in shadow mode."""
    url = f"sqlite:///{tmp_path_factory.mktemp('log') / 'decisions.db'}"
    rows = [row(n, START + n * WEEK_S / 200, mode="shadow", cost_usd=1.0) for n in range(200)]
    rows += [row(200 + n, START + WEEK_S + n * WEEK_S / 200) for n in range(200)]
    database = DecisionDatabase(parse_url(url))
    database.open_schema()
    database.upsert([build_values(item, place) for place, item in enumerate(rows)])
    database.close()
    return url


@pytest.fixture
def policy_file(tmp_path: Path) -> Path:
    policy = yaml.safe_load((locate_pack("quickstart") / "policy.yaml").read_text(encoding="utf-8"))
    arms = {"a": {"confidence_gate.escalate_below": 0.65}, "b": {"confidence_gate.escalate_below": 0.75}}
    policy["experiments"] = [{"name": "gate", "arms": arms}]
    file = tmp_path / "policy.yaml"
    file.write_text(yaml.safe_dump(policy))
    return file


def test_the_report_is_one_file_that_loads_nothing(tiergate: Callable[..., Result], log: str, tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    assert tiergate("report", "--decisions", log, "--out", str(out)).exit_code == 0
    page = out.read_text()
    assert "400 decisions" in page
    assert "70.0%" in page
    for loader in ("<script", "<link", "src=", "@import", "url("):
        assert loader not in page


def test_names_in_the_log_never_become_markup(tiergate: Callable[..., Result], tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'evil.db'}"
    database = DecisionDatabase(parse_url(url))
    database.open_schema()
    route = row(1, START)["route"] | {"tier": "<script>alert(1)</script>"}
    database.upsert([build_values(row(1, START, route=route, experiment="<b>x</b>"), 1)])
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


def test_replay_of_the_log_is_exact_for_the_policy_that_ran(
    tiergate: Callable[..., Result], log: str, policy_file: Path
) -> None:
    result = tiergate("replay", "--decisions", log, "--policy", str(policy_file), "--sweep", "--json")
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)[0]
    cost = found["estimates"][0]
    assert (cost["metric"], cost["method"]) == ("cost_usd", "exact")
    assert any(point["replay"] is None for point in found["sweep"]) is False
    assert "cost_usd" in tiergate("replay", "--decisions", log, "--policy", str(policy_file)).stdout


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
