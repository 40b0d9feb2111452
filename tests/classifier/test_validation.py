"""The tail is held out more often, and weighting by the stated probability undoes it."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.classifier.labels import BASE, hidden_rule_rows, label_row

from tiergate_classifier.label_rows import HELD_OUT, LabelRow, stack_labels
from tiergate_classifier.selection import assign_splits
from tiergate_classifier.validation import (
    MAX_PROBABILITY,
    held_out_probabilities,
    is_held_out,
    reference_distance,
    tail_scores,
)


def row_of(at: int, *, domain: str = "general", length: float = 3.0) -> LabelRow:
    row = label_row(f"r{at}", at)
    return replace(row, domain=domain, features={**row.features, "log_characters": length})


def test_each_kind_of_tail_scores_what_it_names() -> None:
    rows = [*(row_of(at) for at in range(8)), row_of(8, domain="tax"), row_of(9, length=9.0)]
    near = np.stack([row.embedding for row in rows[1:]])
    scores = tail_scores(rows, np.concatenate([near] * 5), np.array([1.0] * 7 + [50.0] + [np.nan] * 2))
    assert scores["rare_domain"].argmax() == 8
    assert scores["sparse_region"].argmax() == 0
    assert scores["long_prompt"].argmax() == 9
    assert scores["expensive_mistake"][7] > scores["expensive_mistake"][:7].max()
    assert scores["expensive_mistake"][9] == scores["long_prompt"][9] > 0
    assert all(((values >= 0) & (values <= 1)).all() for values in scores.values())


def test_the_distance_to_the_reference_leaves_a_row_itself_out_only_among_its_own() -> None:
    vectors = np.eye(3, dtype=np.float32)
    assert reference_distance(vectors, None).tolist() == [1.0] * 3
    assert reference_distance(vectors, vectors[:1]).tolist() == [0.0, 1.0, 1.0]
    assert reference_distance(vectors[:1], None).tolist() == [1.0]


tails = st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=9)


@settings(deadline=None, max_examples=60)
@given(tails, st.data())
def test_the_weighted_mean_has_the_plain_mean_as_its_expectation(
    tail: list[tuple[float, float]], data: st.DataObject
) -> None:
    n = len(tail)
    values = np.array(data.draw(st.lists(st.floats(-5, 5), min_size=n, max_size=n)))
    scores = dict(zip(("long_prompt", "rare_domain"), np.array(tail).T, strict=True))
    chance = held_out_probabilities(scores)
    assert ((chance > 0) & (chance <= MAX_PROBABILITY)).all()
    total = count = 0.0
    for drawn in product((False, True), repeat=n):  # every draw, with its probability
        inside = np.array(drawn)
        happens = float(np.prod(np.where(inside, chance, 1 - chance)))
        total += happens * float((values[inside] / chance[inside]).sum())
        count += happens * float((1 / chance[inside]).sum())
    assert count == pytest.approx(n)
    assert total / count == pytest.approx(values.mean(), abs=1e-9)


def test_the_tail_is_held_out_more_often_and_the_figures_stay_unbiased() -> None:
    rows = [replace(row, id=f"{seed}") for seed, row in enumerate(hidden_rule_rows(3000))]
    tail = np.arange(len(rows)) % 5 == 0
    chance = held_out_probabilities({"rare_domain": tail.astype(float)})
    placed = assign_splits(rows, held_out_probability={row.id: p for row, p in zip(rows, chance.tolist(), strict=True)})
    held_out = [row for row in placed if row.split == HELD_OUT]
    of_tail = np.array([int(row.id) % 5 == 0 for row in held_out])
    assert of_tail.mean() > 0.4  # a fifth of all rows
    weight = stack_labels(held_out, BASE.tiers, max_weight=np.inf).weight
    assert np.average(of_tail, weights=weight) == pytest.approx(0.2, abs=0.025)


def test_rows_without_any_tail_are_drawn_alike_and_the_draw_is_the_same_again() -> None:
    assert held_out_probabilities({"rare_domain": np.zeros(4)}).tolist() == pytest.approx([0.3] * 4)
    assert is_held_out("a", 1.0)
    assert not is_held_out("a", 0.0)
    assert is_held_out("a", 0.4) == is_held_out("a", 0.4)
