import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiergate.policy.confidence_sequence import (
    MIN_UNITS,
    ArmSums,
    bound_difference,
    bound_mean,
    measure_width,
    mismatch_evidence,
    plan_units,
    sum_units,
)


def test_an_arm_without_requests_has_no_mean_and_no_bound() -> None:
    assert (ArmSums().mean, ArmSums().variance) == (0.0, 0.0)
    assert bound_mean(ArmSums()).high == math.inf


def test_nothing_is_decided_on_few_units() -> None:
    low, high = sum_units([(1, 0)] * (MIN_UNITS - 1)), sum_units([(1, 1)] * 1000)
    assert not bound_difference(low, high).decided


def test_a_large_difference_is_decided() -> None:
    rng = random.Random(1)
    low = sum_units([(1, float(rng.random() < 0.1)) for _ in range(2000)])
    high = sum_units([(1, float(rng.random() < 0.3)) for _ in range(2000)])
    found = bound_difference(low, high)
    assert found.decided
    assert found.low < 0.2 < found.high
    assert bound_difference(high, low).value == pytest.approx(-found.value)


def test_requests_of_one_unit_count_as_one_draw() -> None:
    """Ten requests that always agree tell no more than one."""
    alone = sum_units([(1, place % 2) for place in range(100)])
    tenfold = sum_units([(10, 10 * (place % 2)) for place in range(100)])
    assert tenfold.variance == pytest.approx(alone.variance)


@given(st.integers(100, 100_000), st.floats(0.001, 10))
def test_the_sequence_is_wider_than_a_single_look(units: int, variance: float) -> None:
    assert measure_width(units, variance) > 1.96 * math.sqrt(variance)


@given(st.floats(0.05, 1.0), st.floats(0.02, 0.5))
def test_a_plan_is_the_first_moment_at_which_the_effect_shows(variance: float, effect: float) -> None:
    units = plan_units(variance, effect)
    assert measure_width(units, variance / units) <= effect
    assert units == 2 * MIN_UNITS or measure_width(units - 1, variance / (units - 1)) > effect


def test_even_counts_are_no_evidence_and_uneven_ones_are() -> None:
    shares = {"a": 0.5, "b": 0.5}
    assert mismatch_evidence({"a": 5000, "b": 5000}, shares) < 0
    assert mismatch_evidence({"a": 5400, "b": 4600}, shares) > math.log(100)
    assert mismatch_evidence({}, shares) == pytest.approx(0.0)
