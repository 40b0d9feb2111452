"""The exact tails against what they mean, and the law of the cut: the bound holds in as many draws as promised."""

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiergate.policy.error_bound import (
    binomial_tail,
    decide_cut,
    hypergeometric_tail,
    p_value,
    upper_error_bound,
)


@given(st.integers(0, 12), st.integers(1, 12), st.floats(0.01, 0.99))
def test_the_binomial_tail_is_the_sum_of_its_terms(errors: int, hits: int, error: float) -> None:
    exact = sum(math.comb(hits, k) * error**k * (1 - error) ** (hits - k) for k in range(min(errors, hits) + 1))
    assert binomial_tail(errors, hits, error) == pytest.approx(exact, abs=1e-9)


def test_the_binomial_tail_knows_its_ends() -> None:
    assert binomial_tail(0, 10, 0.0) == 1.0
    assert binomial_tail(0, 10, 1.0) == 0.0
    assert binomial_tail(10, 10, 1.0) == 1.0


@given(st.integers(0, 4), st.integers(1, 5), st.integers(0, 4), st.integers(0, 9))
def test_the_hypergeometric_tail_counts_the_draws(errors: int, hits: int, further: int, wrong: int) -> None:
    total = hits + further
    if wrong > total:
        assert hypergeometric_tail(errors, hits, further, wrong) == 0.0
        return
    draws = list(combinations(range(total), hits))
    counted = sum(sum(place < wrong for place in draw) <= errors for draw in draws) / len(draws)
    assert hypergeometric_tail(errors, hits, further, wrong) == pytest.approx(counted, abs=1e-9)


def test_more_hits_to_come_never_make_a_cut_easier() -> None:
    assert p_value(1, 200, 0.05, further_hits=200) >= p_value(1, 200, 0.05)


def test_a_far_horizon_asks_for_the_true_error_alone() -> None:
    assert p_value(3, 200, 0.05, further_hits=10**6) == pytest.approx(p_value(3, 200, 0.05), rel=0.01)


@given(st.integers(0, 50), st.integers(0, 400))
def test_the_upper_bound_is_where_the_tail_meets_the_level(errors: int, hits: int) -> None:
    bound = upper_error_bound(errors, hits, 0.95)
    if errors >= hits:
        assert bound == 1.0
    else:
        assert bound > errors / hits
        assert binomial_tail(errors, hits, bound) == pytest.approx(0.05, abs=1e-6)


def test_with_no_error_among_clean_scores_everything_true_is_served() -> None:
    scores = np.linspace(1.0, 0.0, 1000)
    cut = decide_cut(scores, scores > 0.5, max_error=0.05)
    assert cut.controls
    assert cut.min_score is not None
    assert 0.45 < cut.min_score < 0.55
    assert cut.error_bound <= 0.05
    assert cut.horizon == 0


def test_too_few_labels_give_no_cut_even_when_all_are_true() -> None:
    cut = decide_cut(np.linspace(0, 1, 80), np.ones(80, dtype=np.bool_), max_error=0.05)
    assert not cut.controls
    assert cut.min_score is None
    assert cut.error_bound == 1.0


def test_a_score_that_says_nothing_gives_no_cut() -> None:
    rng = np.random.default_rng(0)
    assert not decide_cut(rng.random(2000), rng.random(2000) < 0.7, max_error=0.05).controls


def test_a_few_wrong_pairs_at_the_very_top_do_not_end_the_search() -> None:
    scores = np.linspace(1.0, 0.0, 6000)
    labels = scores > 0.5
    labels[:12] = False
    cut = decide_cut(scores, labels, max_error=0.05)
    assert cut.min_score is not None
    assert 0.48 < cut.min_score < 0.52
    assert cut.errors >= 12


def test_several_starts_err_no_more_often_than_one() -> None:
    """Every cut is just too loose: any cut at all is an error, and those must stay below 5 of 100 draws."""
    rng = np.random.default_rng(11)
    scores = np.linspace(1.0, 0.0, 4000)
    wrong = sum(decide_cut(scores, rng.random(4000) >= 0.0505, max_error=0.05).controls for _ in range(400))
    assert wrong <= 28  # 20 expected at most; P(more than 28) is 3 %


def test_tied_scores_are_served_together() -> None:
    labels = np.ones(400, dtype=np.bool_)
    labels[200:] = False
    assert not decide_cut(np.ones(400), labels, max_error=0.1).controls


@pytest.mark.parametrize("ahead", [False, True])
def test_the_true_error_stays_within_the_bound_in_95_of_100_draws(*, ahead: bool) -> None:
    rng = np.random.default_rng(4)
    broken = served = 0
    for _ in range(400):
        scores = rng.normal(size=1200)
        labels = rng.random(1200) < 1 / (1 + np.exp(-4 * scores))
        further = rng.normal(size=1200)
        wrong = rng.random(1200) >= 1 / (1 + np.exp(-4 * further))
        cut = decide_cut(scores, labels, max_error=0.05, further_scores=further if ahead else None)
        if cut.min_score is None:
            continue
        served += 1
        hits = further >= cut.min_score
        true_error = float(np.mean(1 / (1 + np.exp(4 * further[hits]))))
        broken += bool(wrong[hits].mean() > 0.05) if ahead else true_error > 0.05
    assert served > 200
    assert broken / 400 < 0.05


def test_what_cannot_be_right_is_refused() -> None:
    scores, labels = np.zeros(3), np.zeros(3, dtype=np.bool_)
    with pytest.raises(ValueError, match="both must be"):
        decide_cut(scores, labels[:2], max_error=0.05)
    with pytest.raises(ValueError, match="not finite"):
        decide_cut(np.array([0.0, np.nan, 1.0]), labels, max_error=0.05)
    with pytest.raises(ValueError, match="max_error"):
        decide_cut(scores, labels, max_error=1.0)
    with pytest.raises(ValueError, match="confidence"):
        decide_cut(scores, labels, max_error=0.1, confidence=0.0)
