from collections import Counter
from itertools import chain

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="needs the extra [train]")

from tiergate_classifier.data import PromptRow, builtin_workload_path, load_workload
from tiergate_classifier.splits import FOLDS, fold_rows, group_rows, near_duplicates, split_rows

ROWS = load_workload(builtin_workload_path())
GROUPS = group_rows(ROWS)
SPLITS = split_rows(ROWS)


def a_row(name: str, prompt: str, group: str) -> PromptRow:
    return PromptRow(id=name, prompt=prompt, domain="general", tier="simple", rule="S1", group=group)


def test_the_splits_are_disjoint_and_together_all_rows() -> None:
    assert not set(SPLITS.development) & set(SPLITS.test)
    assert sorted(chain(SPLITS.development, SPLITS.test)) == list(range(len(ROWS)))


def test_no_group_and_no_near_duplicate_crosses_the_splits() -> None:
    test = set(SPLITS.test)

    assert not {ROWS[i].group for i in SPLITS.development} & {ROWS[i].group for i in test}
    pairs = near_duplicates([row.prompt for row in ROWS])
    assert pairs
    assert all((left in test) == (right in test) for left, right in pairs)


def test_every_domain_and_tier_has_about_a_fifth_of_its_rows_in_the_test_split() -> None:
    whole = Counter((row.domain, row.tier) for row in ROWS)
    test = Counter((ROWS[i].domain, ROWS[i].tier) for i in SPLITS.test)

    assert all(abs(test[stratum] - 0.2 * count) <= 2.5 for stratum, count in whole.items())


def test_the_order_of_the_rows_does_not_matter() -> None:
    backwards = list(reversed(ROWS))

    assert {backwards[i].id for i in split_rows(backwards).test} == {ROWS[i].id for i in SPLITS.test}


def test_each_development_row_is_a_calibration_row_of_one_fold_and_no_group_is_on_both_sides() -> None:
    groups = GROUPS[list(SPLITS.development)]
    folds = fold_rows(groups)

    assert len(folds) == FOLDS
    assert sorted(chain.from_iterable(fold.calibration for fold in folds)) == list(range(len(groups)))
    for fold in folds:
        assert not set(groups[list(fold.train)]) & set(groups[list(fold.calibration)])
        assert len(fold.train) + len(fold.calibration) == len(groups)


def test_rows_share_a_group_by_name_by_nearness_and_by_a_chain_of_both() -> None:
    rows = [
        a_row("1", "What is the capital city of France?", "g1"),
        a_row("2", "what is the capital city of france", "g2"),
        a_row("3", "Which town do the French call their seat of government", "g2"),
        a_row("4", "How long do I boil an egg?", "g3"),
    ]

    numbers = group_rows(rows)

    assert near_duplicates([row.prompt for row in rows]) == [(0, 1)]
    assert numbers[0] == numbers[1] == numbers[2] != numbers[3]
    assert len(np.unique(numbers)) == 2
