"""The hidden rule is learnt, few rows stay near the base, and the calibration holds on rows it has not seen."""

import numpy as np
import pytest
from tests.classifier.labels import BASE, hidden_rule_rows

from tiergate_classifier.label_metrics import calibration_error
from tiergate_classifier.label_rows import stack_labels
from tiergate_classifier.retrain import PENALTIES, calibrate_scores, fit_logistic, recalibrate, retrain


def test_a_hidden_rule_is_learnt_and_domains_are_kept() -> None:
    found = retrain(BASE, stack_labels(hidden_rule_rows(150), BASE.tiers))
    fresh = stack_labels(hidden_rule_rows(150, seed=7), BASE.tiers)
    log_odds = found.head.log_odds(fresh.vectors, fresh.features)[0]
    assert np.mean((log_odds[:, 0] > 0) == fresh.good[:, 0]) > 0.95
    np.testing.assert_array_equal(found.head.domain_weight, BASE.head.domain_weight)
    assert found.calibration.domains == BASE.calibration.domains
    curve = found.calibration.tiers["simple"]
    score = np.interp(log_odds[:, 0], curve.knots, curve.probability)
    assert calibration_error(score, fresh.good[:, 0].astype(float)) < 0.08


def test_labels_without_a_pattern_are_held_back_hard() -> None:
    random = np.random.default_rng(0)
    arrays = stack_labels(hidden_rule_rows(120), BASE.tiers)
    arrays.good[:, :-1] = random.random((120, 1)) < 0.5
    assert min(retrain(BASE, arrays).penalties) > 3 * min(PENALTIES)


def test_too_few_rows_are_refused() -> None:
    arrays = stack_labels(hidden_rule_rows(10), BASE.tiers)
    for build in (retrain, recalibrate):
        with pytest.raises(ValueError, match="too few"):
            build(BASE, arrays)


def test_recalibration_moves_the_curves_only_and_keeps_the_strongest_tier_certain() -> None:
    calibration = recalibrate(BASE, stack_labels(hidden_rule_rows(60), BASE.tiers))
    assert calibration.tiers["frontier"] == BASE.calibration.tiers["frontier"]
    assert calibration.tiers["simple"] != BASE.calibration.tiers["simple"]


def test_the_fit_matches_the_closed_form_of_one_coefficient() -> None:
    target = np.array([1.0] * 30 + [0.0] * 10)
    found = fit_logistic(np.ones((40, 1)), target, np.ones(40), np.zeros(1))
    assert found[0] == pytest.approx(np.log(3), abs=1e-3)


def test_a_score_that_points_the_wrong_way_becomes_a_flat_curve() -> None:
    log_odds = np.linspace(-2, 2, 80)
    curve = calibrate_scores(log_odds, (log_odds < 0).astype(float), np.ones(80), np.arange(80))
    assert len(set(curve.probability)) == 1
    assert curve.probability[0] == pytest.approx(0.5, abs=0.02)


def test_risk_control_chooses_the_cuts_of_a_new_head_and_of_a_new_calibration() -> None:
    arrays = stack_labels(hidden_rule_rows(100), BASE.tiers)
    for calibration in (retrain(BASE, arrays, min_quality=0.8).calibration, recalibrate(BASE, arrays, min_quality=0.8)):
        assert set(calibration.cuts) == set(BASE.tiers[:-1])
        assert {cut.min_quality for cut in calibration.cuts.values()} == {0.8}
    found = retrain(BASE, arrays, min_quality=0.8)
    cut = found.calibration.cuts["simple"]
    assert cut.cut is not None
    assert cut.failures <= 0.2 * cut.n


def test_labels_that_control_no_cut_leave_the_tier_unused() -> None:
    arrays = stack_labels(hidden_rule_rows(30), BASE.tiers)
    cuts = retrain(BASE, arrays, min_quality=0.99).calibration.cuts
    assert {cut.cut for cut in cuts.values()} == {None}
