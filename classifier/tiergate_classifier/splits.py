"""Splits of the rows that no paraphrase crosses: development against test, and folds of development."""

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import connected_components
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.model_selection import GroupKFold

from tiergate_classifier.data import PromptRow

NEAR_DUPLICATE = 0.5
"""From this share of common character 4-grams (Jaccard) two prompts are near-duplicates."""

TEST_SHARE = 0.2
FOLDS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Splits:
    """Places of rows, rising; disjoint, together all of them.

    Attributes:
        development: Rows that heads and calibration are fitted on, see `calibrate.cross_fit`.
        test: Rows that the figures are measured on.
    """

    development: tuple[int, ...]
    test: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fold:
    """One fold, as places of rows; no group is on both sides.

    Attributes:
        train: Rows that the fold's heads are fitted on.
        calibration: Rows that those heads score for the calibration.
    """

    train: tuple[int, ...]
    calibration: tuple[int, ...]


def near_duplicates(prompts: Sequence[str]) -> list[tuple[int, int]]:
    """Return the pairs of places whose prompts are near-duplicates, the smaller place first."""
    shingles = CountVectorizer(analyzer="char_wb", ngram_range=(4, 4), binary=True, lowercase=True)
    present = csr_array(shingles.fit_transform(prompts).astype(np.int32))
    sizes = np.asarray(present.sum(axis=1)).ravel()
    common = coo_array(present @ present.T)
    jaccard = common.data / (sizes[common.row] + sizes[common.col] - common.data)
    near = (jaccard >= NEAR_DUPLICATE) & (common.row < common.col)
    return sorted(zip(common.row[near].tolist(), common.col[near].tolist(), strict=True))


def group_rows(rows: Sequence[PromptRow]) -> NDArray[np.int64]:
    """Return a group number per row, shape (n,).

    Rows share a number when their `group` is the same or a chain of near-duplicates links them.
    """
    first: dict[str, int] = {}
    links = [(first.setdefault(row.group, place), place) for place, row in enumerate(rows)]
    links += near_duplicates([row.prompt for row in rows])
    left, right = zip(*links, strict=True)
    graph = coo_array((np.ones(len(links)), (left, right)), shape=(len(rows), len(rows)))
    _, numbers = connected_components(graph, directed=False)
    return np.asarray(numbers, dtype=np.int64)


def split_rows(rows: Sequence[PromptRow]) -> Splits:
    """Split by group, with about the same shares in each domain and tier.

    The same rows always give the same split. A group belongs to the domain and tier of its
    row whose id comes first. Within those, groups are dealt out in the order of a hash of that id, so that
    the order of the rows does not matter.
    """
    members: defaultdict[int, list[int]] = defaultdict(list)
    for place, group in enumerate(group_rows(rows).tolist()):
        members[group].append(place)
    groups = [sorted(places, key=lambda place: rows[place].id) for places in members.values()]
    strata: defaultdict[tuple[str, str], list[list[int]]] = defaultdict(list)
    for places in groups:
        strata[rows[places[0]].domain, rows[places[0]].tier].append(places)
    development: list[int] = []
    test: list[int] = []
    for stratum in strata.values():
        stratum.sort(key=lambda places: hashlib.sha256(rows[places[0]].id.encode()).digest())
        left = round(TEST_SHARE * sum(map(len, stratum)))
        for places in stratum:
            (test if len(places) <= left else development).extend(places)
            left -= len(places) if len(places) <= left else 0
    return Splits(development=tuple(sorted(development)), test=tuple(sorted(test)))


def fold_rows(groups: NDArray[np.int64]) -> tuple[Fold, ...]:
    """Return `FOLDS` folds of about equal size; each row is a calibration row of exactly one.

    Args:
        groups: Group number per row, shape (n,), with at least `FOLDS` groups.
    """
    folds = GroupKFold(FOLDS).split(groups, groups=groups)
    return tuple(
        Fold(train=tuple(train.tolist()), calibration=tuple(calibration.tolist())) for train, calibration in folds
    )
