"""`tiergate explain` with the shipped encoder and classifier."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from tiergate.pack import locate_pack


def test_a_simple_prompt_is_explained(tiergate: Callable[..., Result]) -> None:
    result = tiergate("explain", "What is the capital of France?")
    assert result.exit_code == 0
    assert result.stdout.startswith("tier simple: routed, score_meets_quality")
    assert "What would change it:" in result.stdout


def test_json_holds_scores_bounds_cuts_and_changes(tiergate: Callable[..., Result]) -> None:
    row = json.loads(tiergate("explain", "Should I refinance my mortgage this year?", "--json").stdout)
    assert (row["outcome"], row["tier"], row["reason"]) == ("bypassed", "frontier", "domain_override")
    assert row["domains"]["finance"]["reached"] is True
    assert row["gate"] == "bypassed for finance"
    assert row["tiers"]["simple"]["lower_bound"] <= row["tiers"]["simple"]["score"]
    assert row["changes"]


def test_the_policy_of_the_folder_comes_before_the_quickstart_s(
    tiergate: Callable[..., Result], tmp_path: Path
) -> None:
    text = (locate_pack("quickstart") / "policy.yaml").read_text(encoding="utf-8")
    (tmp_path / "policy.yaml").write_text(text.replace("min_quality: 0.95", "min_quality: 1.0"), encoding="utf-8")
    assert json.loads(tiergate("explain", "hello", "--json").stdout)["min_quality"] == 1.0


def test_the_variable_names_the_policy(
    tiergate: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(locate_pack("quickstart") / "policy.yaml", tmp_path / "mine.yaml")
    monkeypatch.setenv("TIERGATE_POLICY", "mine.yaml")
    assert tiergate("explain", "hello").exit_code == 0
    monkeypatch.setenv("TIERGATE_POLICY", "yours.yaml")
    assert tiergate("explain", "hello").exit_code == 2


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("version: 1", "version: 9", "version"),
        ("intent_router:", "intent_router:\n  enabled: false", "intent_router.enabled"),
    ],
)
def test_a_bad_policy_is_exit_code_two(
    tiergate: Callable[..., Result], tmp_path: Path, old: str, new: str, said: str
) -> None:
    text = (locate_pack("quickstart") / "policy.yaml").read_text(encoding="utf-8")
    (tmp_path / "bad.yaml").write_text(text.replace(old, new), encoding="utf-8")
    result = tiergate("explain", "hello", "--policy", "bad.yaml")
    assert result.exit_code == 2
    assert said in result.stderr
    assert "Fix: " in result.stderr


def test_an_empty_prompt_is_exit_code_two(tiergate: Callable[..., Result]) -> None:
    assert tiergate("explain", "  ").exit_code == 2


def test_auto_shows_the_plans_with_the_pack_s_prices(tiergate: Callable[..., Result], tmp_path: Path) -> None:
    pack = shutil.copytree(locate_pack("quickstart"), tmp_path / "pack")
    policy = pack / "policy.yaml"
    policy.write_text(policy.read_text(encoding="utf-8") + "\nstrategy: auto\n", encoding="utf-8")
    asked = ("explain", "What is the capital of France?", "--policy", str(policy))
    text = tiergate(*asked).stdout
    assert "strategy auto, of policy" in text
    assert [line for line in text.splitlines() if line.endswith("taken")]
    row = json.loads(tiergate(*asked, "--json", "--answer-tokens", "100").stdout)
    assert row["plan"] == [row["tier"], *row["plan"][1:]]
    assert {len(plan["tiers"]) for plan in row["plans"]} == {1, 2}
    missing = tiergate(*asked, "--config", str(tmp_path / "none.yaml"))
    assert missing.exit_code == 0
    assert "No plan: the router's tier has no price" in missing.stdout
