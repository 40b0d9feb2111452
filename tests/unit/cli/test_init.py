"""`tiergate init`: a pack that `check` accepts, whatever the providers."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from typer.testing import Result


def accepted(tiergate: Callable[..., Result], folder: str) -> list[str]:
    """Check a pack and return its warnings, but for unset variables and prices."""
    result = tiergate("check", folder, "--json")
    report = json.loads(result.stdout)
    assert result.exit_code == 0, report
    problems = [defect["problem"] for defect in report["defects"]]
    return [text for text in problems if "is not set" not in text and "map says" not in text]


@pytest.mark.parametrize(
    ("providers", "single"),
    [
        (["openai"], 3),
        (["anthropic"], 3),
        (["deepseek", "openai", "anthropic"], 0),
        (["google", "anthropic"], 0),
        (["azure", "bedrock", "vertex"], 0),
        (["groq", "mistral"], 0),
        (["vllm", "openrouter"], 1),
        (["ollama"], 2),
    ],
)
def test_the_pack_of_any_providers_is_accepted(
    tiergate: Callable[..., Result], providers: list[str], single: int
) -> None:
    options = [part for name in providers for part in ("--provider", name)]
    written = tiergate("init", "pack", *options)
    assert written.exit_code == 0, written.stderr
    assert "tiergate check pack" in written.stdout
    assert "litellm --config pack/config.yaml" in written.stdout
    warnings = accepted(tiergate, "pack")
    # By LiteLLM's map Google's frontier model costs less than Anthropic's medium one: the check says so, rightly.
    inverted = [text for text in warnings if "costs less than" in text]
    assert len(inverted) == (providers == ["google", "anthropic"])
    assert len(warnings) == single + len(inverted)
    assert all("single provider" in text for text in warnings if text not in inverted)


def test_keys_in_the_environment_choose_the_providers(
    tiergate: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GEMINI_API_KEY", "set")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "set")
    written = tiergate("init", "pack")
    assert "for anthropic, google" in written.stdout
    assert "set first: LITELLM_MASTER_KEY" in written.stdout


def test_without_keys_the_default_providers_are_written_and_the_variables_named(
    tiergate: Callable[..., Result],
) -> None:
    written = tiergate("init", "pack", "--yes")
    assert "for deepseek, openai, anthropic" in written.stdout
    assert "ANTHROPIC_API_KEY DEEPSEEK_API_KEY LITELLM_MASTER_KEY OPENAI_API_KEY" in written.stdout


def test_a_question_is_asked_at_a_terminal(tiergate: Callable[..., Result], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tiergate.cli.init._is_terminal", lambda: True)
    written = tiergate("init", "pack", typed="openai, mistral\n")
    assert "for openai, mistral" in written.stdout


def test_nothing_is_overwritten(tiergate: Callable[..., Result], tmp_path: Path) -> None:
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack" / "policy.yaml").write_text("mine", encoding="utf-8")
    refused = tiergate("init", "pack")
    assert refused.exit_code == 2
    assert "never overwrites" in refused.stderr
    assert [file.name for file in (tmp_path / "pack").iterdir()] == ["policy.yaml"]
    assert (tmp_path / "pack" / "policy.yaml").read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["pack", "--provider", "abacus"], "'abacus' is no provider"),
        (["pack", "--provider", "deepseek"], "serves only the tier simple"),
        (["file", "--provider", "openai"], "is a file"),
        (["file/pack", "--provider", "openai"], ""),
    ],
)
def test_what_cannot_be_written_is_exit_code_two(
    tiergate: Callable[..., Result], tmp_path: Path, arguments: list[str], said: str
) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    refused = tiergate("init", *arguments)
    assert refused.exit_code == 2
    assert said in refused.stderr
    assert not (tmp_path / "pack").exists()


def test_without_a_frontier_model_the_strongest_tier_takes_its_part(
    tiergate: Callable[..., Result], tmp_path: Path
) -> None:
    assert tiergate("init", "pack", "--provider", "groq").exit_code == 0
    policy = yaml.safe_load((tmp_path / "pack" / "policy.yaml").read_text(encoding="utf-8"))
    assert [tier["name"] for tier in policy["tiers"]] == ["simple", "medium"]
    assert policy["baseline_tier"] == "medium"
    assert {domain["start_tier"] for domain in policy["domains"].values()} == {"medium"}
