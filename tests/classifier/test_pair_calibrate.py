"""The refit: a model of the same shape, no row in its own fit, better than cosine where there is something to learn."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score

from tiergate.policy.error_bound import decide_cut
from tiergate.policy.pair_features import FEATURES
from tiergate.policy.pair_model import PairModel
from tiergate_classifier import pair_calibrate
from tiergate_classifier.pair_calibrate import FurtherPairs, calibrate, cross_fit, fit_cosine, refit, top_precision
from tiergate_classifier.pair_data import PairInputs

DIMENSIONS = 6
COSINE, NUMBERS = FEATURES.index("cosine"), FEATURES.index("numbers_changed")


def world(n: int, seed: int) -> PairInputs:
    """Pairs whose truth hangs on cosine, on a number that cosine does not see, and on one direction of the vectors."""
    rng = np.random.default_rng(seed)
    features = np.zeros((n, len(FEATURES)), dtype=np.float32)
    features[:, COSINE] = rng.uniform(0.4, 1.0, n)
    features[:, NUMBERS] = rng.random(n) < 0.4
    vectors = rng.normal(size=(n, 2 * DIMENSIONS)).astype(np.float32)
    odds = 40 * (features[:, COSINE] - 0.65) - 20 * features[:, NUMBERS] + 4 * vectors[:, 0]
    return PairInputs(features=features, vectors=vectors, labels=rng.random(n) < 1 / (1 + np.exp(-odds)))


def base() -> PairModel:
    weight = np.zeros(len(FEATURES), dtype=np.float32)
    weight[COSINE] = 5.0
    return PairModel(
        feature_weight=weight, vector_weight=np.zeros(2 * DIMENSIONS, dtype=np.float32), bias=-3.0, cuts={}
    )


def test_the_refit_serves_more_than_cosine_at_the_same_bound() -> None:
    train, test = world(1500, 1), world(3000, 2)
    found = calibrate(train, base(), max_errors=(0.05,), seed=0)
    cut, static = found.model.cuts[0.05], found.static[0.05]
    assert found.refitted
    assert cut.min_score is not None
    hits = found.model.scores(test.features, test.vectors) >= cut.min_score
    assert hits.mean() > 0.15
    assert (~test.labels)[hits].mean() <= 0.05
    assert static.min_score is None or hits.mean() > 1.3 * (test.cosine >= static.min_score).mean()


def test_no_row_is_scored_by_a_model_that_saw_it(monkeypatch: pytest.MonkeyPatch) -> None:
    inputs = world(400, 3)
    inputs.features[:, 0] = np.arange(400)  # a mark by which a row is known again
    fitted: list[set[float]] = []

    class Spy:
        def __init__(self, rows: PairInputs) -> None:
            self.rows = set(rows.features[:, 0].tolist())

        def scores(self, features: np.ndarray, vectors: np.ndarray) -> np.ndarray:
            assert not self.rows & set(features[:, 0].tolist())
            fitted.append(self.rows)
            return np.zeros(len(vectors))

    monkeypatch.setattr(pair_calibrate, "refit", lambda rows, _base: Spy(rows))
    cross_fit(inputs, base(), seed=1)
    assert len(fitted) == 5
    assert all(len(rows) == 320 for rows in fitted)


def test_a_refit_scores_as_the_regressions_that_it_is_made_of() -> None:
    inputs = world(600, 4)
    model = refit(inputs, base())
    scores = model.scores(inputs.features, inputs.vectors)
    assert np.isfinite(scores).all()
    # Ridge shrinks and wrong pairs count more, but the intercept is moved back: the scores stay log-odds.
    assert (1 / (1 + np.exp(-scores))).mean() == pytest.approx(inputs.labels.mean(), abs=0.05)


def test_the_score_is_that_of_the_two_regressions_on_the_columns() -> None:
    inputs = world(500, 11)
    model = refit(inputs, base())
    features, vectors = inputs.features.astype(np.float64), inputs.vectors.astype(np.float64)
    shipped = base().scores(inputs.features, inputs.vectors)
    columns = (features - features.mean(axis=0)) / (features.std(axis=0) + 0.05)
    columns[:, [COSINE, FEATURES.index("log_distance")]] *= 10
    surface = np.column_stack([columns, 3 * (shipped - shipped.mean()) / shipped.std()])
    weights = np.where(inputs.labels, 1.0, 3.0)
    weights *= len(inputs) / weights.sum()
    expected = np.zeros(len(inputs))
    for rows in (surface, np.hstack([surface, vectors / 2])):
        fitted = LogisticRegression(C=0.03, max_iter=500).fit(rows, inputs.labels, sample_weight=weights)
        expected += (fitted.decision_function(rows) + np.log(3)) / 2
    np.testing.assert_allclose(model.scores(inputs.features, inputs.vectors), expected, atol=0.05)


def test_little_data_leaves_the_order_of_cosine_in_place() -> None:
    """A ridge that shrinks cosine as everything else would let 800 columns of noise outweigh it."""
    rng = np.random.default_rng(12)
    inputs = world(320, 12)
    noise = rng.normal(size=(320, 800)).astype(np.float32)
    cosine = inputs.cosine
    truth = rng.random(320) < 1 / (1 + np.exp(-25 * (cosine - 0.7)))
    noisy = PairInputs(features=inputs.features, vectors=noise, labels=truth)
    shipped = PairModel(
        feature_weight=base().feature_weight, vector_weight=np.zeros(800, dtype=np.float32), bias=0.0, cuts={}
    )
    scores = cross_fit(noisy, shipped, seed=0)
    assert average_precision_score(truth, scores) > average_precision_score(truth, cosine) - 0.03


def test_with_few_rows_only_the_cut_is_set() -> None:
    inputs = world(200, 5)
    found = calibrate(inputs, base(), max_errors=(0.2,), seed=0)
    assert not found.refitted
    np.testing.assert_array_equal(found.model.feature_weight, base().feature_weight)
    expected = decide_cut(base().scores(inputs.features, inputs.vectors), inputs.labels, max_error=0.2)
    assert found.model.cuts[0.2] == expected


def test_with_one_label_only_the_cut_is_set() -> None:
    inputs = world(400, 6)
    inputs.labels[:] = True
    found = calibrate(inputs, base(), max_errors=(0.05,), seed=0)
    assert not found.refitted
    assert found.model.cuts[0.05].controls


def test_the_pairs_ahead_tighten_the_cut() -> None:
    train, test = world(1500, 7), world(1500, 8)
    ahead = FurtherPairs(features=test.features, vectors=test.vectors)
    loose = calibrate(train, base(), max_errors=(0.05,), seed=0).model.cuts[0.05]
    tight = calibrate(train, base(), max_errors=(0.05,), seed=0, further=ahead).model.cuts[0.05]
    assert tight.hits <= loose.hits
    assert tight.horizon > 0
    assert loose.horizon == 0


def test_the_top_is_judged_where_bounds_are_met() -> None:
    scores = np.arange(8.0)
    assert top_precision(scores, np.array([0, 0, 0, 0, 0, 0, 1, 1], dtype=np.bool_)) == 1.0
    assert top_precision(scores, np.array([1, 1, 1, 1, 1, 1, 0, 1], dtype=np.bool_)) == pytest.approx(0.75)


def test_cosine_takes_the_place_of_a_refit_that_orders_the_top_worse(monkeypatch: pytest.MonkeyPatch) -> None:
    inputs = world(500, 9)
    inputs.labels[:] = inputs.cosine > 0.8
    monkeypatch.setattr(pair_calibrate, "cross_fit", lambda rows, _base, *, seed: np.full(len(rows), float(seed)))
    found = calibrate(inputs, base(), max_errors=(0.05,), seed=0)
    assert not found.model.vector_weight.any()
    cut, static = found.model.cuts[0.05], found.static[0.05]
    assert cut.controls
    assert (cut.hits, cut.errors) == (static.hits, static.errors)


def test_a_model_of_cosine_alone_keeps_its_order() -> None:
    inputs = world(400, 10)
    model = fit_cosine(inputs, base())
    scores = model.scores(inputs.features, inputs.vectors)
    np.testing.assert_array_equal(np.argsort(scores, kind="stable"), np.argsort(inputs.cosine, kind="stable"))


def test_where_cosine_is_all_there_is_no_less_is_served_than_by_cosine() -> None:
    """Many columns of noise, and a truth that only cosine knows: cosine is recognised and takes the refit's place."""
    served = {"model": 0, "static": 0}
    weight = np.random.default_rng(13).normal(size=400).astype(np.float32) * np.float32(0.2)
    shipped = PairModel(feature_weight=base().feature_weight, vector_weight=weight, bias=0.0, cuts={})
    for seed in range(6):
        rng = np.random.default_rng([seed, 13])
        inputs = world(800, 100 + seed)
        truth = rng.random(800) < 1 / (1 + np.exp(-40 * (inputs.cosine - 0.65)))
        noise = rng.normal(size=(800, 400)).astype(np.float32)
        known = PairInputs(features=inputs.features, vectors=noise, labels=truth)
        found = calibrate(known, shipped, max_errors=(0.05,), seed=seed)
        served["model"] += found.model.cuts[0.05].hits
        served["static"] += found.static[0.05].hits
    assert served["static"] > 1000
    assert served["model"] >= 0.97 * served["static"]
