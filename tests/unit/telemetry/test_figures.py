import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiergate.telemetry.figures import (
    build_coverage,
    build_reliability,
    find_calibration_error,
    find_drift,
    find_percentile,
)

BOUNDS = (1.0, 10.0, 100.0)
GRADED = st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), max_size=80)
COUNTS = st.dictionaries(st.integers(0, 19), st.integers(0, 1000), max_size=20)


def test_a_percentile_is_the_bound_of_its_bucket() -> None:
    counts = {0: 50, 1: 45, 2: 4, 3: 1}
    assert [find_percentile(counts, BOUNDS, share) for share in (0.5, 0.95, 0.99, 1.0)] == [1.0, 10.0, 100.0, math.inf]
    assert find_percentile({}, BOUNDS, 0.5) is None
    assert find_percentile({0: 1}, BOUNDS, 2.0) == 1.0


@given(st.lists(st.floats(0.01, 100), min_size=1, max_size=60), st.sampled_from([0.5, 0.9, 0.95]))
def test_a_percentile_is_never_below_the_true_one(values: list[float], share: float) -> None:
    counts: dict[int, int] = {}
    for value in values:
        bucket = next(place for place, bound in enumerate(BOUNDS) if value <= bound)
        counts[bucket] = counts.get(bucket, 0) + 1
    true = sorted(values)[math.ceil(share * len(values)) - 1]
    assert (find_percentile(counts, BOUNDS, share) or 0) >= true


def test_drift_of_a_shift_and_of_none() -> None:
    same = find_drift({1: 10, 2: 90}, {1: 100, 2: 900})
    moved = find_drift({1: 90, 2: 10}, {1: 10, 2: 90})
    assert same == pytest.approx(0)
    assert moved is not None
    assert moved > 0.25
    assert find_drift({}, {1: 1}) is None
    assert find_drift({1: 1}, {}) is None


@given(COUNTS, COUNTS)
def test_drift_is_never_negative_and_the_same_both_ways(before: dict[int, int], after: dict[int, int]) -> None:
    there, back = find_drift(before, after), find_drift(after, before)
    if there is None or back is None:
        assert there is None
        assert back is None
    else:
        assert there >= -1e-12
        assert there == pytest.approx(back)


def test_the_error_of_a_calibrated_and_of_an_overconfident_gate() -> None:
    calibrated = [(0.8, 1.0)] * 80 + [(0.8, 0.0)] * 20
    sure = [(0.9, 0.0)] * 50
    (part,) = build_reliability(calibrated, bins=1)
    assert (part.n, part.confidence, part.quality) == (100, pytest.approx(0.8), pytest.approx(0.8))
    assert find_calibration_error([part]) == pytest.approx(0)
    assert find_calibration_error(build_reliability(sure)) == pytest.approx(0.9)
    assert find_calibration_error([]) is None
    assert build_reliability([]) == []


@given(GRADED)
def test_every_graded_answer_is_in_one_bin(graded: list[tuple[float, float]]) -> None:
    diagram = build_reliability(graded)
    assert sum(part.n for part in diagram) == len(graded)
    assert all(part.n > 0 for part in diagram)


@given(GRADED)
def test_coverage_rises_to_everything_and_ends_at_the_mean_risk(graded: list[tuple[float, float]]) -> None:
    curve = build_coverage(graded)
    coverages = [point.coverage for point in curve]
    assert coverages == sorted(coverages)
    if graded:
        assert coverages[-1] == 1
        assert curve[-1].risk == pytest.approx(sum(1 - grade for _, grade in graded) / len(graded))


def test_a_long_curve_is_thinned_and_keeps_its_end() -> None:
    curve = build_coverage([(place / 205, 1.0) for place in range(205)])
    assert len(curve) == 52
    assert curve[-1].coverage == 1
