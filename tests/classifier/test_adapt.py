import numpy as np
import pytest

pytest.importorskip("sklearn", reason="needs the extra [train]")

from tiergate_classifier import adapt
from tiergate_classifier.adapt import BLENDS, LEAST_ROWS, PARTS, AdaptedOrder, Inputs


def rows(n: int, seed: int = 0) -> tuple[Inputs, np.ndarray, np.ndarray]:
    """Prompts whose first dimension decides, unseen by the shipped score, whether the weak tier fails."""
    random = np.random.default_rng(seed)
    vectors = random.normal(size=(n, 8))
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    weak = (vectors[:, 0] + 0.1 * random.normal(size=n) < 0).astype(float)
    inputs = Inputs(
        vectors=vectors,
        features=random.normal(size=(n, 3)),
        need=random.normal(size=n),
        length=random.normal(size=n),
    )
    return inputs, weak, np.ones(n)


@pytest.mark.parametrize("n", [0, 1, LEAST_ROWS - 1])
def test_with_few_rows_the_shipped_order_stays(n: int) -> None:
    test, *_ = rows(50, seed=1)

    order = AdaptedOrder(*rows(n)).need(test)

    np.testing.assert_array_equal(order, test.need)


def test_with_many_rows_it_learns_what_the_shipped_score_does_not_know() -> None:
    adapted = AdaptedOrder(*rows(800))
    test, weak, _ = rows(400, seed=1)

    assert np.corrcoef(adapted.need(test), 1 - weak)[0, 1] > 0.5
    assert abs(np.corrcoef(test.need, 1 - weak)[0, 1]) < 0.2
    assert adapted.blend != "shipped"


def test_of_more_rows_than_the_limit_a_sample_is_learnt_from(monkeypatch: pytest.MonkeyPatch) -> None:
    fitted: list[int] = []
    kernel = adapt._kernel

    def counted(left: np.ndarray, right: np.ndarray) -> np.ndarray:
        fitted.append(len(right))
        return kernel(left, right)

    monkeypatch.setattr(adapt, "MOST_ROWS", 300)
    monkeypatch.setattr(adapt, "_kernel", counted)
    order = AdaptedOrder(*rows(900))
    test, weak, _ = rows(400, seed=1)

    assert np.corrcoef(order.need(test), 1 - weak)[0, 1] > 0.5
    assert set(fitted) == {300}


def test_no_prompts_have_no_order() -> None:
    nothing, *_ = rows(0)

    assert AdaptedOrder(*rows(800)).need(nothing).shape == (0,)


@pytest.mark.parametrize("seed", range(4))
def test_outcomes_that_are_noise_move_a_shipped_score_that_is_right_little(seed: int) -> None:
    train, weak, strong = rows(400, seed=seed)
    known = Inputs(vectors=train.vectors, features=train.features, need=1.0 - weak, length=train.length)
    known = known.take(np.random.default_rng(seed).permutation(400))
    told = 1 - known.need
    test, *_ = rows(300, seed=9)

    order = AdaptedOrder(known, told, strong).need(test)

    assert np.corrcoef(order, test.need)[0, 1] > 0.8


@pytest.mark.parametrize("strong", [0.0, 1.0])
def test_tiers_without_a_gap_teach_nothing(strong: float) -> None:
    train, *_ = rows(400)

    assert AdaptedOrder(train, np.ones(400), np.full(400, strong)).blend == "shipped"


def test_the_order_of_a_prompt_does_not_depend_on_the_prompts_beside_it() -> None:
    adapted = AdaptedOrder(*rows(800))
    test, *_ = rows(40, seed=1)

    np.testing.assert_allclose(adapted.need(test)[:10], adapted.need(test.take(np.arange(10))))


def test_every_blend_names_a_weight_for_each_part_and_learns_something_or_keeps_the_shipped() -> None:
    assert all(len(weights) == len(PARTS) and min(weights) >= 0 for weights in BLENDS.values())
    assert next(iter(BLENDS)) == "shipped"
