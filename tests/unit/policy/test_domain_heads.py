import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiergate.policy.domain_heads import fit_domain_heads, recall_cut


def directions(centre: int, n: int, seed: int) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(scale=0.2, size=(n, 16))
    rows[:, centre] += 1
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def test_a_domain_of_twelve_examples_claims_prompts_like_them_and_states_what_it_costs() -> None:
    background = np.concatenate([directions(place, 100, place) for place in (1, 2, 3)])

    heads = fit_domain_heads({"tax": directions(0, 12, 9)}, background, {"tax": 0.99})

    cut = heads.cuts["tax"]
    fresh = [heads.scores(row)["tax"] >= cut for row in directions(0, 50, 10)]
    assert sum(fresh) >= 45
    (cost,) = heads.costs
    assert (cost.examples, cost.min_recall, cost.others) == (12, 0.99, 300)
    assert cost.recall == 1.0
    assert cost.false_alarms <= 0.05


def test_two_domains_tell_each_other_apart() -> None:
    heads = fit_domain_heads(
        {"tax": directions(0, 20, 1), "ships": directions(5, 20, 2)},
        directions(3, 200, 3),
        {"tax": 0.9, "ships": 0.9},
    )

    said = heads.scores(directions(5, 1, 7)[0])
    assert said["ships"] > said["tax"]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=200), st.floats(0.01, 1))
def test_the_cut_keeps_the_recall_asked_for(scores: list[float], min_recall: float) -> None:
    cut = recall_cut(scores, min_recall)

    assert sum(score >= cut for score in scores) >= min_recall * len(scores) - 1e-6


def test_the_cut_is_rounded_down() -> None:
    assert recall_cut([0.12349, 0.9], 1.0) == pytest.approx(0.1234)
