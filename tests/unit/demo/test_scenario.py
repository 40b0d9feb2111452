"""Scenarios: loading, matching, distributions."""

import random
import statistics
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from tiergate.demo.scenario import Distribution, ModelProfile, Rule, Scenario, load_scenario
from tiergate.errors import ConfigurationError


@pytest.mark.parametrize("name", ["default", "unreliable"])
def test_shipped_scenarios_load_by_name(name: str) -> None:
    assert load_scenario(name).name == name


def test_a_scenario_loads_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("name: mine\nrules: [{name: a, words: [cat], answer: meow}]\n")
    scenario = load_scenario(file)
    found = scenario.find_rule("m", "A Cat!")
    assert found is not None
    assert found.answer == "meow"
    assert scenario.find_rule("m", "concatenate") is None


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("rules: [{name: a, answr: x}]", "rules.0.answr"),
        ("rules: [{name: a, pattern: '('}]", "rules.0.pattern"),
        ("rules: [{name: a, certainty: [0.5]}]", "rules.0.certainty"),
        ("models: [{logprobs: maybe}]", "models.0.logprobs"),
        ("just text", ""),
        ("a: [", "YAML"),
    ],
)
def test_a_wrong_scenario_names_file_and_key(tmp_path: Path, text: str, key: str) -> None:
    file = tmp_path / "wrong.yaml"
    file.write_text(text)
    with pytest.raises(ConfigurationError, match=r"wrong\.yaml") as caught:
        load_scenario(file)
    assert key in str(caught.value)


def test_the_first_rule_whose_conditions_all_hold_counts() -> None:
    scenario = Scenario(
        models=(ModelProfile(match="big*", certainty="weak"),),
        rules=(
            Rule(name="both", models=("gpt*",), words=("cat",), pattern=r"\d+"),
            Rule(name="word", words=("cat", "dog")),
        ),
    )

    def found(model: str, question: str) -> str | None:
        rule = scenario.find_rule(model, question)
        return rule.name if rule is not None else None

    assert found("gpt-5", "cat 7") == "both"
    assert found("claude", "cat 7") == "word"
    assert found("gpt-5", "a dog") == "word"
    assert found("gpt-5", "a bird") is None
    assert scenario.find_profile("bigger").certainty == "weak"
    assert scenario.find_profile("small").certainty == "confident"


@pytest.mark.parametrize(
    ("distribution", "median"),
    [
        ({"kind": "constant", "ms": 5}, 5.0),
        ({"kind": "uniform", "low_ms": 0, "high_ms": 10}, 5.0),
        ({"kind": "normal", "mean_ms": 5, "sd_ms": 1}, 5.0),
        ({"kind": "lognormal", "median_ms": 5, "sigma": 0.5}, 5.0),
        ({"kind": "exponential", "mean_ms": 5 / 0.6931}, 5.0),
    ],
)
def test_distributions_have_the_median_they_state(distribution: dict[str, float], median: float) -> None:
    rng = random.Random(1)
    drawn = TypeAdapter(Distribution).validate_python(distribution)
    values = [drawn.draw(rng) for _ in range(4000)]
    assert statistics.median(values) == pytest.approx(median, rel=0.08)
    assert min(values) >= 0
