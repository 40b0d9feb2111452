import numpy as np
import pytest

pytest.importorskip("scipy", reason="needs the extra [train]")

from tiergate_classifier.risk_control import control_risk, upper_bound


def test_the_bound_of_no_failure_is_the_rule_of_three() -> None:
    assert upper_bound(0, 59, 0.95) == pytest.approx(0.05, abs=5e-4)
    assert upper_bound(0, 0, 0.95) == 1.0


def test_the_lowest_cut_that_holds_is_taken() -> None:
    bounds = np.repeat([0.9, 0.6], 200)
    good = np.concatenate([np.ones(200, bool), np.arange(200) % 2 == 0])

    cut = control_risk(bounds, good, min_quality=0.95, confidence=0.95)

    assert (cut.cut, cut.n, cut.failures) == (0.61, 200, 0)


def test_no_cut_when_none_holds() -> None:
    cut = control_risk(np.full(40, 0.99), np.ones(40, bool), min_quality=0.95, confidence=0.95)

    assert cut.cut is None


def test_a_cut_found_holds_on_new_rows_as_often_as_stated() -> None:
    random = np.random.default_rng(0)
    broken = 0
    for _ in range(200):
        bounds = random.uniform(0.4, 1.0, 400)
        cut = control_risk(bounds, random.random(400) < bounds, min_quality=0.9, confidence=0.9).cut
        broken += cut is not None and (1 + cut) / 2 < 0.9
    assert broken / 200 <= 0.1 + 0.06
