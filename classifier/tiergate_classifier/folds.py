"""Left-out folds with even shares of good answers."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]


def fold_numbers(good: Floats, folds: int, *, seed: int) -> Indices:
    """Return the fold of each row, shape (n,), between 0 and `folds` - 1.

    Rows are dealt out in the order of their outcome, ties at random, so that every fold has the same base rate: with
    uneven folds the mean of the others says something of the fold left out.

    Args:
        good: Outcomes, shape (n,).
        folds: Number of folds, at least 2.
        seed: Seed of the order of ties.
    """
    shuffle = np.random.default_rng(seed).permutation(len(good))
    order = shuffle[np.argsort(good[shuffle], kind="stable")]
    numbers = np.empty(len(good), dtype=np.intp)
    numbers[order] = np.arange(len(good)) % folds
    return numbers


def left_out(good: Floats, folds: int, *, seed: int) -> Iterator[tuple[Indices, Indices]]:
    """Yield (rows to fit on, rows left out) for every fold that is not empty.

    Args:
        good: Outcomes, shape (n,).
        folds: Number of folds, at least 2.
        seed: Seed of the order of ties.
    """
    numbers = fold_numbers(good, folds, seed=seed)
    for number in range(min(folds, len(good))):
        yield np.flatnonzero(numbers != number), np.flatnonzero(numbers == number)
