import numpy as np
import pytest

pytest.importorskip("sklearn", reason="needs the extra [train]")

from tiergate_classifier.adapt import LEAST_ROWS, AdaptedOrder, Inputs


def rows(n: int, seed: int = 0) -> tuple[Inputs, np.ndarray]:
    random = np.random.default_rng(seed)
    vectors = random.normal(size=(n, 8))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    gain = (vectors[:, 0] + 0.1 * random.normal(size=n) > 0).astype(float)
    return Inputs(vectors=vectors, features=random.normal(size=(n, 3)), need=random.normal(size=n)), gain


def test_with_few_rows_the_shipped_order_stays() -> None:
    train, gain = rows(LEAST_ROWS - 1)
    test, _ = rows(50, seed=1)

    order = AdaptedOrder(train, gain).need(test)

    np.testing.assert_array_equal(np.argsort(order), np.argsort(test.need))


def test_without_rows_the_shipped_order_stays() -> None:
    train, gain = rows(0)
    test, _ = rows(50, seed=1)

    np.testing.assert_array_equal(np.argsort(AdaptedOrder(train, gain).need(test)), np.argsort(test.need))


def test_with_many_rows_it_learns_what_the_shipped_score_does_not_know() -> None:
    train, gain = rows(800)
    test, hidden = rows(400, seed=1)

    order = AdaptedOrder(train, gain).need(test)

    assert np.corrcoef(order, hidden)[0, 1] > 0.5
    assert abs(np.corrcoef(test.need, hidden)[0, 1]) < 0.2


def test_a_gain_that_is_noise_moves_the_shipped_score_little() -> None:
    train, _ = rows(200)
    noise = np.random.default_rng(3).normal(size=200)
    test, _ = rows(300, seed=1)

    assert np.corrcoef(AdaptedOrder(train, noise).need(test), test.need)[0, 1] > 0.5
