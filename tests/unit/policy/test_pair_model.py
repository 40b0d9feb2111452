"""The pair model: shapes, doubt, and which cut a bound gets."""

import math

import numpy as np
import pytest

from tiergate.policy.error_bound import ErrorCut
from tiergate.policy.pair_features import FEATURES, profile_of
from tiergate.policy.pair_model import PairModel, probability


def cut(max_error: float, min_score: float | None) -> ErrorCut:
    return ErrorCut(
        max_error=max_error,
        confidence=0.95,
        min_score=min_score,
        labelled=10,
        hits=5,
        errors=0,
        error_bound=max_error,
        horizon=0,
    )


def model(**changes: object) -> PairModel:
    weight = np.zeros(len(FEATURES), dtype=np.float32)
    weight[FEATURES.index("cosine")] = 2.0
    fields: dict[str, object] = {
        "feature_weight": weight,
        "vector_weight": np.zeros(8, dtype=np.float32),
        "bias": -1.0,
        "cuts": {0.01: cut(0.01, None), 0.02: cut(0.02, 3.0), 0.05: cut(0.05, 2.0)},
    }
    return PairModel(**(fields | changes))  # type: ignore[arg-type]


def test_a_pair_is_scored_by_its_features() -> None:
    u = np.array([1, 0, 0, 0], dtype=np.float32)
    profile = profile_of("hello world")
    assert model().dimensions == 4
    assert model().score(profile, profile, u, u) == pytest.approx(1.0)


def test_vectors_of_another_length_are_no_match() -> None:
    profile = profile_of("hello")
    u = np.ones(3, dtype=np.float32)
    assert model().score(profile, profile, u, u) == -math.inf


def test_a_vector_that_is_not_finite_is_no_match() -> None:
    profile = profile_of("hello")
    u = np.full(4, np.nan, dtype=np.float32)
    assert model().score(profile, profile, u, u) == -math.inf


def test_a_bound_gets_the_loosest_cut_that_it_covers() -> None:
    assert model().cut_for(0.01) is None
    for asked, given in ((0.03, 0.02), (0.05, 0.05), (0.5, 0.05)):
        found = model().cut_for(asked)
        assert found is not None
        assert found.max_error == given


@pytest.mark.parametrize(
    "changes",
    [
        {"feature_weight": np.zeros(3, dtype=np.float32)},
        {"vector_weight": np.zeros(7, dtype=np.float32)},
        {"vector_weight": np.zeros((2, 4), dtype=np.float32)},
        {"bias": math.nan},
    ],
)
def test_weights_that_do_not_fit_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"shape|finite"):
        model(**changes)


def test_probability_is_finite_for_every_score() -> None:
    assert probability(0.0) == 0.5
    assert probability(-math.inf) == pytest.approx(0.0)
    assert probability(math.inf) == 1.0
    assert probability(math.nan) == 0.0
