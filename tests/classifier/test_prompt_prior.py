"""A prior learns what prompts tell and stays silent where they tell nothing."""

import numpy as np
import pytest

from tiergate_classifier.logistic import sigmoid
from tiergate_classifier.prompt_prior import fit_prompt_prior, prompt_inputs
from tiergate_classifier.routing_metrics import auroc, calibration_error


def test_the_prior_learns_and_is_calibrated_on_rows_it_has_not_seen() -> None:
    generator = np.random.default_rng(0)
    inputs = generator.normal(size=(3000, 40))
    good = (generator.random(3000) < sigmoid(0.5 + inputs[:, 0] - inputs[:, 1])).astype(float)
    prior = fit_prompt_prior(inputs[:500], good[:500])
    scores = sigmoid(prior.log_odds(inputs[500:]))
    assert (auroc(scores, good[500:]) or 0) > 0.75
    assert calibration_error(scores, good[500:]) < 0.04
    assert (auroc(prior.left_out, good[:500]) or 0) == pytest.approx(auroc(scores, good[500:]), abs=0.06)


def test_prompts_that_tell_nothing_give_the_base_rate() -> None:
    generator = np.random.default_rng(1)
    silent = 0
    for _ in range(10):
        inputs, good = generator.normal(size=(300, 100)), (generator.random(300) < 0.7).astype(float)
        prior = fit_prompt_prior(inputs, good)
        silent += prior.slope == 0
        if prior.slope == 0:
            assert sigmoid(prior.log_odds(inputs))[0] == pytest.approx(good.mean(), abs=0.01)
    assert silent >= 8


def test_equal_prompts_have_equal_inputs() -> None:
    inputs = prompt_inputs(["What is it?", "Prove it.\nNow.", "What is it?"])
    assert inputs.shape == (3, 387)
    np.testing.assert_array_equal(inputs[0], inputs[2])
    assert np.abs(inputs[0] - inputs[1]).max() > 0.1
