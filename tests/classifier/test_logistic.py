"""The penalised fit finds the minimum, follows its prior, and keeps its offset."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tiergate_classifier.logistic import fit_logistic, log_loss, log_odds_of, sigmoid


@given(arrays.arrays(np.float64, 20, elements=st.floats(0.001, 0.999)))
def test_log_odds_and_sigmoid_undo_each_other(probability: Any) -> None:
    np.testing.assert_allclose(sigmoid(log_odds_of(probability)), probability, rtol=1e-9)


@given(st.integers(0, 50), st.floats(0.1, 50))
def test_no_step_away_from_the_fit_is_better(seed: int, strength: float) -> None:
    generator = np.random.default_rng(seed)
    inputs, good = generator.normal(size=(30, 3)), generator.random(30)
    penalty, centre = np.full(3, strength), generator.normal(size=3)

    def objective(weights: Any) -> float:
        return float(log_loss(inputs @ weights, good).sum() + np.sum(penalty * (weights - centre) ** 2) / 2)

    fitted = fit_logistic(inputs, good, penalty=penalty, centre=centre)
    for _ in range(5):
        assert objective(fitted) <= objective(fitted + generator.normal(size=3) * 0.05) + 1e-9


def test_a_strong_penalty_keeps_the_prior_and_an_offset_is_kept() -> None:
    ones, good = np.ones((50, 1)), np.full(50, 0.8)
    assert fit_logistic(ones, good, penalty=np.array([1e9]), centre=np.array([2.0]))[0] == pytest.approx(2.0, abs=1e-4)
    free = fit_logistic(ones, good, penalty=np.array([0.0]))[0]
    assert free == pytest.approx(np.log(4), abs=1e-6)
    shifted = fit_logistic(ones, good, penalty=np.array([0.0]), offset=np.full(50, 1.0))[0]
    assert shifted == pytest.approx(free - 1.0, abs=1e-6)


def test_separable_outcomes_do_not_run_away() -> None:
    inputs = np.column_stack([np.ones(10), np.arange(10.0)])
    weights = fit_logistic(inputs, (np.arange(10) > 4).astype(float), penalty=np.array([1e-3, 1e-3]))
    assert np.isfinite(weights).all()
