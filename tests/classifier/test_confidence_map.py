"""The map rises strictly whatever the outcomes, on every scale and from few rows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("sklearn")

from tiergate_classifier.confidence_map import MIN_ROWS, fit_confidence_map, scale_of
from tiergate_classifier.logistic import sigmoid
from tiergate_classifier.routing_metrics import auroc, calibration_error


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 100), st.integers(2, 120), st.booleans())
def test_the_map_rises_strictly(seed: int, n: int, number: bool) -> None:  # noqa: FBT001 - drawn
    generator = np.random.default_rng(seed)
    confidence = np.round(generator.random(n), 2) * (30 if number else 1) - (10 if number else 0)
    good = (generator.random(n) < generator.random()).astype(float)
    fitted = fit_confidence_map(confidence, good, scale="number" if number else "probability", seed=1)
    if fitted is None:
        assert number
        return
    assert np.all(np.diff(fitted.knots) > 0)
    assert np.all(np.diff(fitted.log_odds) > 0)
    assert np.isfinite(fitted.log_odds).all()
    assert fitted.spread >= 0


def test_an_overconfident_model_is_calibrated_and_keeps_its_order() -> None:
    generator = np.random.default_rng(4)
    truth = generator.uniform(0.3, 0.9, 5000)
    confidence, good = truth ** (1 / 20), (generator.random(5000) < truth).astype(float)
    fitted = fit_confidence_map(confidence[:500], good[:500], scale="probability", seed=1)
    assert fitted
    scores = sigmoid(fitted.apply(confidence[500:]))
    assert calibration_error(confidence[500:], good[500:]) > 0.3
    assert calibration_error(scores, good[500:]) < 0.04
    assert abs((auroc(scores, good[500:]) or 0) - (auroc(confidence[500:], good[500:]) or 0)) < 0.002


def test_few_rows_only_shift_the_documented_prior() -> None:
    confidence = np.full(MIN_ROWS - 1, 0.9)
    bad = fit_confidence_map(confidence, np.zeros(MIN_ROWS - 1), scale="probability", seed=1)
    well = fit_confidence_map(confidence, np.ones(MIN_ROWS - 1), scale="probability", seed=1)
    assert bad
    assert well
    np.testing.assert_allclose(np.diff(bad.log_odds), np.diff(well.log_odds), atol=1e-3)
    assert bad.log_odds[0] < well.log_odds[0]
    assert fit_confidence_map(confidence * 9, np.ones(MIN_ROWS - 1), scale="number", seed=1) is None


def test_the_scale_is_told_from_the_values() -> None:
    assert scale_of(np.array([0.0, 1.0])) == "probability"
    assert scale_of(np.array([-0.5])) == "number"
