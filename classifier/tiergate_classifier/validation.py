"""Which rows are held out for validation: more of the tail, with known probabilities, so that figures stay unbiased.

Rare domains, sparse regions, long prompts and expensive mistakes are few among the rows of an even draw, so that their
slices hold too few rows to say anything. Here a group of near-duplicates is held out with a probability that rises with
how far in the tail it lies. Weighting by 1 / probability (Horvitz and Thompson, JASA 47, 1952) makes the expectation of
a weighted mean, over the draws, the plain mean.
"""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tiergate_classifier.label_rows import HELD_OUT_SHARE, LabelRow

NEIGHBOURS: Final = 5
EVEN_PART: Final = 0.5
"""Share of the probability that every row has alike."""
MAX_PROBABILITY: Final = 0.75
"""Some rows of every kind stay to be trained on."""

_CHUNK: Final = 512

Floats = NDArray[np.float64]


def tail_scores(
    rows: Sequence[LabelRow], reference: NDArray[Any] | None = None, stakes_usd: Floats | None = None
) -> Mapping[str, Floats]:
    """Return how far in the tail each row lies, by kind, each of shape (n,) in [0, 1].

    - `rare_domain`: 1 less the share of its domain over that of the commonest one.
    - `sparse_region`: rank of its distance to the nearest training vectors.
    - `long_prompt`: rank of its length.
    - `expensive_mistake`: rank of what is at stake.

    The ranks count from the second third on: what lies below is no tail.

    Args:
        rows: The rows.
        reference: Training vectors, shape (R, D); None takes the other rows.
        stakes_usd: What a wrong choice of the cheap tier costs, in expectation, shape (n,), NaN where unknown. Unknown
            ones go by the length of the prompt, which the price of an answer follows.
    """
    count = Counter(row.domain for row in rows)
    most = max(count.values(), default=1)
    length = np.array([row.features["log_characters"] for row in rows], dtype=np.float64)
    long = _upper_ranks(length)
    stakes = np.full(len(rows), np.nan) if stakes_usd is None else stakes_usd
    known = np.isfinite(stakes)
    expensive = long.copy()
    expensive[known] = _upper_ranks(stakes[known])
    return {
        "rare_domain": np.array([1 - count[row.domain] / most for row in rows]),
        "sparse_region": _upper_ranks(reference_distance(np.stack([row.embedding for row in rows]), reference)),
        "long_prompt": long,
        "expensive_mistake": expensive,
    }


def reference_distance(vectors: NDArray[Any], reference: NDArray[Any] | None) -> Floats:
    """Return the mean cosine distance to the `NEIGHBOURS` nearest training vectors, shape (n,).

    Args:
        vectors: Unit length, shape (n, D).
        reference: Unit length, shape (R, D); None takes the other vectors. Without any, every distance is 1.
    """
    others = vectors if reference is None else reference.astype(np.float32)
    skipped = int(reference is None)  # itself
    nearest = min(NEIGHBOURS, len(others) - skipped)
    if nearest < 1:
        return np.ones(len(vectors))
    distance = np.empty(len(vectors))
    for start in range(0, len(vectors), _CHUNK):
        cosine = np.sort(vectors[start : start + _CHUNK] @ others.T, axis=1)[:, ::-1]
        distance[start : start + _CHUNK] = 1 - cosine[:, skipped : skipped + nearest].mean(axis=1)
    return distance


def held_out_probabilities(scores: Mapping[str, Floats], *, share: float = HELD_OUT_SHARE) -> Floats:
    """Return the probability of being held out, shape (n,): about `share` on average, up to `MAX_PROBABILITY`.

    Args:
        scores: What `tail_scores` gives.
        share: Share of the rows to hold out, above 0.
    """
    total = np.sum(list(scores.values()), axis=0)
    mean = float(total.mean()) if len(total) else 0.0
    relative = total / mean if mean > 0 else np.ones(len(total))
    return np.asarray(np.minimum(share * (EVEN_PART + (1 - EVEN_PART) * relative), MAX_PROBABILITY))


def is_held_out(name: str, probability: float) -> bool:
    """Tell whether a group is held out: the draw is a hash of its name, so that it is the same at every run."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") / 2**64 < probability


def _upper_ranks(values: Floats) -> Floats:
    """Return ranks in [0, 1] that are 0 for the lower third; equal values share their lowest rank."""
    if len(values) == 0:
        return np.zeros(0)
    below = np.searchsorted(np.sort(values), values) / len(values)
    return np.asarray(np.clip((below - 1 / 3) * 1.5, 0, 1))
