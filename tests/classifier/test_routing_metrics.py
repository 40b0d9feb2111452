"""Laws of the figures: what they are at known points, and what never changes them."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tiergate_classifier.routing_metrics import (
    auroc,
    bootstrap_interval,
    calibration_error,
    error_cost_area,
    gap_recovery,
    lower_hull,
    oracle_recovery,
    order_descending,
    quality_curve,
    random_recovery,
    risk_coverage,
)

SHARES = arrays.arrays(np.float64, st.integers(1, 40), elements=st.floats(0, 1))
PAIRS = st.integers(2, 40).flatmap(
    lambda n: st.tuples(*[arrays.arrays(np.float64, n, elements=st.floats(0, 1)) for _ in range(3)])
)


@given(PAIRS)
def test_no_order_recovers_more_than_the_oracle(data: tuple[Any, Any, Any]) -> None:
    need, weak, strong = data
    mine, best = gap_recovery(need, weak, strong), oracle_recovery(weak, strong)
    assert (mine is None) == (best is None)
    if mine and best:
        assert mine.apgr <= best.apgr + 1e-9
        assert best.cpt50 <= mine.cpt50 + 1e-9
        assert mine.cpt50 <= mine.cpt80


@given(PAIRS)
def test_the_quality_curve_runs_from_weak_to_strong(data: tuple[Any, Any, Any]) -> None:
    need, weak, strong = data
    curve = quality_curve(need, weak, strong)
    assert curve[0] == pytest.approx(weak.mean())
    assert curve[-1] == pytest.approx(strong.mean())


@given(PAIRS)
def test_need_and_its_opposite_mirror_each_other_without_ties(data: tuple[Any, Any, Any]) -> None:
    _, weak, strong = data
    need = np.random.default_rng(0).permutation(len(weak)).astype(float)
    there, back = gap_recovery(need, weak, strong), gap_recovery(-need, weak, strong)
    if there and back:
        assert there.apgr + back.apgr == pytest.approx(1.0, abs=1e-6)


def test_a_random_order_recovers_half_on_average() -> None:
    generator = np.random.default_rng(3)
    weak, strong = generator.random(400) < 0.5, generator.random(400) < 0.8
    runs = [gap_recovery(np.zeros(400), weak.astype(float), strong.astype(float), seed=seed) for seed in range(200)]
    assert np.mean([run.apgr for run in runs if run]) == pytest.approx(random_recovery().apgr, abs=0.03)


def test_cpt_is_the_least_share_that_recovers_the_part() -> None:
    weak, strong = np.zeros(10), np.array([1.0, 1, 1, 1, 0, 0, 0, 0, 0, 0])
    recovery = gap_recovery(-np.arange(10.0), weak, strong)
    assert recovery
    assert (recovery.cpt50, recovery.cpt80) == (0.2, 0.4)
    assert gap_recovery(np.zeros(3), np.ones(3), np.ones(3)) is None


@given(SHARES, st.integers(0, 5))
def test_the_order_is_a_permutation_and_falls(scores: Any, seed: int) -> None:
    order = order_descending(scores, seed=seed)
    assert sorted(order.tolist()) == list(range(len(scores)))
    assert np.all(np.diff(scores[order]) <= 0)


@given(PAIRS)
def test_auroc_ignores_monotone_change_and_mirrors(data: tuple[Any, Any, Any]) -> None:
    scores, good, _ = data
    scores = np.round(scores, 3)
    value = auroc(scores, good)
    if value is not None:
        assert 0 <= value <= 1
        assert auroc(3 * scores + 1, good) == pytest.approx(value)
        assert auroc(-scores, good) == pytest.approx(1 - value)


def test_auroc_counts_pairs_and_halves_ties() -> None:
    assert auroc(np.array([0.1, 0.9, 0.5]), np.array([0.0, 1.0, 0.0])) == 1.0
    assert auroc(np.ones(4), np.array([0.0, 1.0, 0.0, 1.0])) == 0.5
    assert auroc(np.ones(2), np.ones(2)) is None
    assert auroc(np.zeros(0), np.zeros(0)) is None


def test_a_calibrated_score_has_next_to_no_error_and_a_shifted_one_its_shift() -> None:
    generator = np.random.default_rng(5)
    scores = generator.uniform(0.2, 0.7, 4000)
    good = (generator.random(4000) < scores).astype(float)
    assert calibration_error(scores, good) < 0.01
    assert calibration_error(scores + 0.2, good) == pytest.approx(0.2, abs=0.03)
    with pytest.raises(ValueError, match="at least one row"):
        calibration_error(np.zeros(0), np.zeros(0))


@given(SHARES)
def test_the_calibration_error_is_never_negative(scores: Any) -> None:
    assert calibration_error(scores, np.round(scores), simulations=20) >= 0


def test_risk_ends_at_the_mean_error_and_is_nought_while_all_trusted_are_good() -> None:
    curve = risk_coverage(np.array([0.9, 0.8, 0.1]), np.array([1.0, 1.0, 0.0]))
    assert curve.tolist() == [0.0, 0.0, pytest.approx(1 / 3)]


@given(st.lists(st.tuples(st.floats(0, 10), st.floats(0, 1)), min_size=1, max_size=20))
def test_the_hull_rises_in_cost_falls_in_error_and_lies_below_every_point(points: list[tuple[float, float]]) -> None:
    cost, error = np.array(points).T
    hull = lower_hull(cost, error)
    assert np.all(np.diff(cost[hull]) >= 0)
    assert np.all(np.diff(error[hull]) < 0)
    below = np.interp(cost, cost[hull], error[hull])
    assert np.all(below <= error + 1e-9)


@given(st.lists(st.tuples(st.floats(0, 10), st.floats(0, 1)), min_size=2, max_size=20))
def test_more_policies_never_make_the_area_larger(points: list[tuple[float, float]]) -> None:
    cost, error = np.array(points).T
    whole = error_cost_area(cost, error, low=0.0, high=10.0)
    cheapest = np.array([np.argmin(cost)])
    kept = np.union1d(cheapest, np.arange(0, len(cost), 2))
    assert whole <= error_cost_area(cost[kept], error[kept], low=0.0, high=10.0) + 1e-9


def test_the_area_of_a_straight_line_is_its_middle() -> None:
    cost, error = np.array([1.0, 5.0]), np.array([0.4, 0.2])
    assert error_cost_area(cost, error, low=1.0, high=5.0) == pytest.approx(0.3)
    assert error_cost_area(cost, error, low=3.0, high=3.0) == pytest.approx(0.3)
    with pytest.raises(ValueError, match="at least one point"):
        error_cost_area(np.zeros(0), np.zeros(0), low=0.0, high=1.0)


def test_the_bootstrap_interval_covers_the_mean_and_repeats_itself() -> None:
    values = np.random.default_rng(1).normal(2.0, 1.0, 300)
    interval = bootstrap_interval(lambda rows: float(values[rows].mean()), 300, repeats=300)
    assert interval
    assert interval.low < 2.0 < interval.high
    assert interval == bootstrap_interval(lambda rows: float(values[rows].mean()), 300, repeats=300)
    assert bootstrap_interval(lambda _: None, 3) is None
    assert bootstrap_interval(lambda rows: 1.0 if rows.tolist() == [0, 1, 2] else float("nan"), 3, repeats=0) is None
