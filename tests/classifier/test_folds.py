"""Folds are disjoint, cover every row, and have the same base rate."""

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tiergate_classifier.folds import fold_numbers, left_out


@given(arrays.arrays(np.float64, st.integers(1, 60), elements=st.sampled_from([0.0, 0.5, 1.0])), st.integers(2, 6))
def test_every_row_is_left_out_once(good: Any, folds: int) -> None:
    held = [rows for _, rows in left_out(good, folds, seed=1)]
    assert sorted(np.concatenate(held).tolist()) == list(range(len(good)))
    for fitted, rows in left_out(good, folds, seed=1):
        assert not set(fitted.tolist()) & set(rows.tolist())


def test_folds_have_the_same_share_of_good_answers() -> None:
    good = (np.random.default_rng(0).random(203) < 0.3).astype(float)
    numbers = fold_numbers(good, 5, seed=2)
    counts = [good[numbers == fold].sum() for fold in range(5)]
    assert max(counts) - min(counts) <= 1
