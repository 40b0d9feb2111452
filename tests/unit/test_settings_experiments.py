"""Sections about finding out: what they refuse."""

import pytest

from tiergate.settings_experiments import Experiment, Exploration, QualityJudge


@pytest.mark.parametrize("share", [-0.1, 0.21])
def test_exploration_is_capped(share: float) -> None:
    with pytest.raises(ValueError, match="share"):
        Exploration(share=share)


def test_the_first_arm_is_the_control() -> None:
    assert Experiment.model_validate({"name": "x", "arms": {"b": {}, "a": {}}}).control == "b"


def test_an_experiment_needs_two_arms() -> None:
    with pytest.raises(ValueError, match="arms"):
        Experiment.model_validate({"name": "x", "arms": {"a": {}}})


def test_a_judge_has_a_limit() -> None:
    with pytest.raises(ValueError, match="max_usd_per_day"):
        QualityJudge(model_group="j", max_usd_per_day=0)
