"""`tiergate check` says what each domain's cut costs, of the artifact and of domains named by examples."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from tests.unit.adapters.test_domain_examples import EXAMPLES
from typer.testing import Result

from tiergate.artifact import builtin_artifact_path, load_artifact
from tiergate.cli.domain_costs import domain_costs
from tiergate.pack import locate_pack
from tiergate.pack_check import load_pack
from tiergate.runtime import build_classifier

Tiergate = Callable[..., Result]


def write_policy(folder: Path, **router: Any) -> Path:
    policy = yaml.safe_load((locate_pack("quickstart") / "policy.yaml").read_text(encoding="utf-8"))
    policy["domains"]["sailing"] = {"start_tier": "frontier", "examples": EXAMPLES.splitlines(), "min_recall": 0.9}
    policy["intent_router"] |= router
    (folder / "config.yaml").write_bytes((locate_pack("quickstart") / "config.yaml").read_bytes())
    (folder / "policy.yaml").write_text(yaml.safe_dump(policy), encoding="utf-8")
    return folder / "policy.yaml"


def test_a_domain_by_examples_passes_the_check_and_its_false_alarms_are_printed(
    tiergate: Tiergate, tmp_path: Path
) -> None:
    write_policy(tmp_path)
    result = tiergate("check", ".")
    assert result.exit_code == 0, result.stdout
    (own,) = [line for line in result.stdout.splitlines() if line.startswith("domain sailing")]
    assert "of the examples, false alarms" in own
    assert "recall 92.3% of 13; min_recall 0.9" in own
    (code,) = [line for line in result.stdout.splitlines() if line.startswith("domain code")]
    assert code.endswith("policy.yaml does not name it")


def test_the_figures_of_a_shipped_domain_are_the_artifacts(tiergate: Tiergate, tmp_path: Path) -> None:
    write_policy(tmp_path)
    rows = {row["domain"]: row for row in json.loads(tiergate("check", ".", "--json").stdout)["domains"]}
    figures = {metric.name: metric for metric in load_artifact(builtin_artifact_path()).manifest.metrics}
    measured = figures["domain_flag_false_alarms/finance"]
    finance = rows["finance"]
    assert (finance["false_alarms"], finance["others"]) == (measured.value, measured.n)
    assert finance["false_alarms_interval"] == [measured.low, measured.high]
    assert finance["min_recall"] == 0.99
    assert rows["sailing"]["others"] > 2000
    assert 0 <= rows["sailing"]["false_alarms"] < 0.2


def test_a_cut_of_the_policy_has_no_known_cost(tiergate: Tiergate, tmp_path: Path) -> None:
    costs = domain_costs(load_pack(write_policy(tmp_path, min_domain_score=0.4), None))
    assert {(cost.cut, cost.false_alarms) for cost in costs} == {(0.4, None)}
    assert "cut 0.4000 of the policy, false alarms not measured" in tiergate("check", ".").stdout


def test_the_proxys_classifier_and_explain_know_the_domain(tiergate: Tiergate, tmp_path: Path) -> None:
    policy = write_policy(tmp_path)
    assert "sailing" in build_classifier(load_pack(policy, None)).domains
    told = tiergate("explain", "my yacht heels too much when the wind picks up", "--policy", str(policy), "--json")
    explained = json.loads(told.stdout)
    assert (explained["outcome"], explained["tier"]) == ("bypassed", "frontier")
    assert explained["domains"]["sailing"]["reached"]
