"""The draw has the probabilities it states, prefers what teaches, and keeps near-duplicates together."""

import numpy as np
import pytest
from tests.classifier.labels import label_row

from tiergate_classifier.selection import Candidate, assign_splits, group_vectors, select, teaching_scores


def candidates(n: int) -> list[Candidate]:
    bounds = np.linspace(0, 1, n)
    return [Candidate(row=label_row(f"c{at}", at), bound=float(bounds[at]), disagreement=at == 0) for at in range(n)]


def test_the_draw_has_the_wanted_size_and_says_why_each_was_drawn() -> None:
    rows = select(candidates(100), 30, min_quality=0.95)
    assert len(rows) == 30
    assert len({row.id for row in rows}) == 30
    assert {row.chosen_for for row in rows} <= {"random", "near_cut", "rare", "disagreement"}
    assert all(0 < row.probability <= 1 for row in rows)
    assert [row.id for row in select(candidates(100), 30, min_quality=0.95)] == [row.id for row in rows]


def test_near_the_cut_is_drawn_more_often() -> None:
    drawn = [row.id for seed in range(40) for row in select(candidates(60), 10, min_quality=0.95, seed=seed)]
    near = sum(int(name[1:]) >= 50 for name in drawn)
    assert near / len(drawn) > 10 / 60 * 1.3


def test_weighting_by_the_stated_probability_is_unbiased() -> None:
    pool = candidates(60)
    totals = [sum(1 / row.probability for row in select(pool, 15, min_quality=0.95, seed=seed)) for seed in range(300)]
    assert np.mean(totals) == pytest.approx(60, rel=0.05)


def test_fewer_candidates_than_wanted_are_all_drawn_and_none_gives_none() -> None:
    rows = select(candidates(4), 10, min_quality=0.9)
    assert [row.probability for row in rows] == [1.0] * 4
    assert select([], 10, min_quality=0.9) == ()


def test_an_unscored_row_teaches_nothing_about_the_cut() -> None:
    scores = teaching_scores([Candidate(row=label_row("a"))], min_quality=0.9)
    assert scores["near_cut"].tolist() == [0.0]


def test_near_duplicates_share_a_side_also_with_earlier_rows() -> None:
    first = assign_splits([label_row(f"r{at}", at) for at in range(40)])
    assert {row.split for row in first} == {"train", "held_out"}
    twins = [label_row(f"twin{at}", at) for at in range(40)]
    assert [row.split for row in assign_splits(twins, first)] == [row.split for row in first]
    assert assign_splits([]) == ()


def test_a_chain_of_near_duplicates_is_one_group() -> None:
    angles = np.array([0.0, 0.25, 0.5, 2.0])
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    groups = group_vectors(vectors)
    assert groups[0] == groups[1] == groups[2] != groups[3]
