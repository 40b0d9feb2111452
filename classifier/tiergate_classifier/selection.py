"""Which prompts to label: those that teach most, each with a known probability, so that figures stay unbiased.

A row's probability mixes a uniform share with a share in proportion to what it teaches; systematic sampling then draws
a fixed number of rows with exactly these probabilities (Madow, Annals of Mathematical Statistics 20, 1949). Weighting
by 1 / probability (Horvitz and Thompson, JASA 47, 1952) gives unbiased totals of all traffic.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tiergate_classifier.label_rows import HELD_OUT, HELD_OUT_SHARE, TRAIN, LabelRow
from tiergate_classifier.validation import is_held_out

NEIGHBOURS: Final = 5
CUT_WIDTH: Final = 0.1
NEAR_DUPLICATE: Final = 0.95
"""From this cosine on two prompts are near-duplicates."""

Floats = NDArray[np.float64]
_EXACT: Final = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Candidate:
    """A prompt that may be labelled.

    Attributes:
        row: What is known of it.
        bound: Lower confidence bound of the cheap tiers that lies nearest to the cut; None when not scored.
        disagreement: Whether signals contradict the decision: shadow, gate or feedback.
        stake_usd: Cost of the strongest tier's answer, which a wrong choice of a cheap tier adds; None when unknown.
    """

    row: LabelRow
    bound: float | None = None
    disagreement: bool = False
    stake_usd: float | None = None


def teaching_scores(candidates: Sequence[Candidate], *, min_quality: float) -> dict[str, Floats]:
    """Return what each row teaches, by kind, each of shape (n,) in [0, 1].

    - `near_cut`: how near its lower bound lies to the cut.
    - `rare`: its mean cosine distance to the `NEIGHBOURS` nearest other rows, over the largest such distance.
    - `disagreement`: 1 where a signal contradicts the decision.

    Args:
        candidates: The rows.
        min_quality: The cut.
    """
    gaps = np.array([abs((c.bound if c.bound is not None else np.inf) - min_quality) for c in candidates])
    return {
        "near_cut": np.exp(-gaps / CUT_WIDTH),
        "rare": _rarity(np.stack([c.row.embedding for c in candidates])),
        "disagreement": np.array([float(c.disagreement) for c in candidates]),
    }


def select(
    candidates: Sequence[Candidate], size: int, *, min_quality: float, random_share: float = 0.3, seed: int = 0
) -> tuple[LabelRow, ...]:
    """Draw rows to label.

    Args:
        candidates: The rows to draw from.
        size: How many; all of them when there are fewer.
        min_quality: The cut of the policy.
        random_share: Share of the draw that is uniform; above 0, so that every row has a chance.
        seed: The same seed draws the same rows.

    Returns:
        The drawn rows with `probability`, `chosen_for` and `split`.
    """
    if not candidates:
        return ()
    n = len(candidates)
    kinds = teaching_scores(candidates, min_quality=min_quality)
    taught = np.stack(list(kinds.values()))
    total = taught.sum(axis=0)
    uniform = np.full(n, min(size, n) / n)
    probability = _cap(random_share * uniform + (1 - random_share) * size * total / max(total.sum(), 1e-12), size)
    order = np.random.default_rng(seed).permutation(n)
    start = np.random.default_rng(seed + 1).random()
    steps = np.maximum(np.ceil(np.cumsum(probability[order]) - start - 1e-9), 0.0)
    drawn = np.sort(order[np.diff(steps, prepend=0.0) > 0])
    names = list(kinds)
    chosen = []
    for place in drawn.tolist():
        targeted = probability[place] > random_share * uniform[place] * 2
        best = names[int(taught[:, place].argmax())]
        chosen.append(
            replace(
                candidates[place].row,
                probability=float(probability[place]),
                chosen_for=best if targeted else "random",
            )
        )
    return tuple(chosen)


def assign_splits(
    rows: Sequence[LabelRow],
    earlier: Sequence[LabelRow] = (),
    *,
    held_out_probability: Mapping[str, float] | None = None,
) -> tuple[LabelRow, ...]:
    """Put each row on one side, near-duplicates together and on the side of an earlier row like them.

    Args:
        rows: New rows.
        earlier: Rows that have a side already.
        held_out_probability: Of each new row, by id; a group goes by the largest of its rows. None: all alike.
    """
    everything = [*earlier, *rows]
    if not rows:
        return ()
    groups = _groups(np.stack([row.embedding for row in everything]))
    side: dict[int, tuple[str, float]] = {}
    for row, group in zip(earlier, groups[: len(earlier)], strict=True):
        side.setdefault(group, (row.split, row.split_probability))
    asked = held_out_probability or {}
    chance: dict[int, float] = {}
    fresh = list(zip(rows, groups[len(earlier) :], strict=True))
    for row, group in fresh:
        chance[group] = max(chance.get(group, 0.0), asked.get(row.id, HELD_OUT_SHARE))
    placed = []
    for row, group in fresh:
        if group not in side:
            held_out = is_held_out(row.id, chance[group])
            side[group] = (HELD_OUT, chance[group]) if held_out else (TRAIN, 1 - chance[group])
        split, probability = side[group]
        placed.append(replace(row, split=split, split_probability=probability))
    return tuple(placed)


def group_vectors(vectors: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return a group number per row, shape (n,): a chain of near-duplicates is one group."""
    return np.array(_groups(vectors), dtype=np.int64)


def _groups(vectors: NDArray[np.float32]) -> list[int]:
    parent = list(range(len(vectors)))

    def root(place: int) -> int:
        while parent[place] != place:
            parent[place] = parent[parent[place]]
            place = parent[place]
        return place

    for start in range(0, len(vectors), 512):
        near = vectors[start : start + 512] @ vectors.T >= NEAR_DUPLICATE
        for left, right in zip(*np.nonzero(near), strict=True):
            one, two = root(start + int(left)), root(int(right))
            parent[max(one, two)] = min(one, two)
    return [root(place) for place in range(len(vectors))]


def _rarity(vectors: NDArray[np.float32]) -> Floats:
    n = len(vectors)
    if n <= NEIGHBOURS:
        return np.ones(n)
    distance = np.empty(n)
    for start in range(0, n, 512):
        cosine = vectors[start : start + 512] @ vectors.T
        nearest = np.partition(cosine, n - NEIGHBOURS - 1, axis=1)[:, n - NEIGHBOURS - 1 :]
        distance[start : start + 512] = 1 - (nearest.sum(axis=1) - nearest.max(axis=1)) / NEIGHBOURS
    return np.asarray(np.clip(distance / max(distance.max(), 1e-9), 0, 1))


def _cap(probability: Floats, size: int) -> Floats:
    """Scale to the wanted sum with no probability above 1."""
    wanted = float(min(size, len(probability)))
    for _ in range(50):
        probability = np.minimum(probability, 1.0)
        free = probability < 1.0
        missing = wanted - probability.sum()
        if abs(missing) < _EXACT or not free.any() or probability[free].sum() <= 0:
            break
        probability[free] *= 1 + missing / probability[free].sum()
    return np.minimum(probability, 1.0)
