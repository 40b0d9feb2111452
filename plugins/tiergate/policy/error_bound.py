"""Exact bounds on the share of wrong hits, and the cut that keeps it below a bound.

Learn then test (Angelopoulos et al. 2021, section 4): every cut is a hypothesis "this cut serves too many wrong hits";
a p-value that holds in finite samples tests it. The cuts are ordered beforehand, from strict to loose, and tested by
the fallback procedure (Wiens 2003), which is fixed-sequence testing with several starts: each start has a share of
1 - confidence, a rejected cut hands its level to the next one, and the chance of any wrong rejection stays at
1 - confidence. One start is enough for few labelled pairs. With many, the strictest cuts hold few of them, and a few
wrong pairs at the very top would end the only sequence before it reaches the cuts that the rest proves.

Two questions are asked of a cut, and the worse answer counts:

- Is its true error at most `max_error`? The binomial tail (Clopper and Pearson 1934).
- Will it serve at most `max_error` wrong among a stated number of further hits? Given how many of all hits are wrong,
  those that fell among the labelled ones are hypergeometric. This p-value allows for the noise of the further hits as
  well, so the observed share, not only the expected one, stays within the bound. Without a horizon it is left out.

Pure, and free of scipy, since a deployment refits its cut in process.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CUTS = 60
"""How many cuts are tried."""

FIRST_CUT_LOW, FIRST_CUT_HIGH, FIRST_CUT_SHARE = 1.5, 2.2, 1 / 6
"""The strictest cut that is tried serves this share of the labelled pairs, but at least 1.5 and at most 2.2 times as
many hits as prove the bound when none is wrong: fewer cannot stand a single wrong one, more may start too loose."""

LATER_STARTS = (1 / 16, 1 / 6)
"""Share of the labelled pairs that the cuts serve at which the sequence starts again."""

FIRST_LEVEL, LATER_LEVEL = 0.4, 0.3
"""What of the level the first start has, and each later one. A later start that serves less than twice what the first
serves leaves its level to the first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorCut:
    """The loosest cut that keeps the error among hits within a bound.

    Attributes:
        max_error: The bound that was asked for.
        confidence: Chance that it holds, over the draw of the labelled pairs.
        min_score: Pairs from this score on are served; None when no cut controls the error: serve exact matches only.
        labelled: Labelled pairs behind it.
        hits: Labelled pairs that it serves.
        errors: Wrong ones among them.
        error_bound: Upper confidence bound of the true error among hits; 1 without hits.
        horizon: Further hits for which the observed share was bounded too; 0 when only the true error was.
    """

    max_error: float
    confidence: float
    min_score: float | None
    labelled: int
    hits: int
    errors: int
    error_bound: float
    horizon: int

    @property
    def controls(self) -> bool:
        """Whether there is a cut that controls the error."""
        return self.min_score is not None


def binomial_tail(errors: int, hits: int, error: float) -> float:
    """Return P(at most `errors` of `hits` are wrong) when each is wrong with probability `error`."""
    if errors >= hits or error <= 0:
        return 1.0
    if error >= 1:
        return 0.0
    terms = [_log_choose(hits, k) + k * math.log(error) + (hits - k) * math.log1p(-error) for k in range(errors + 1)]
    return min(1.0, math.fsum(math.exp(term) for term in terms))


def hypergeometric_tail(errors: int, hits: int, further_hits: int, wrong: int) -> float:
    """Return P(at most `errors` wrong ones fall among `hits`) when `wrong` of all hits are and which is chance.

    Args:
        errors: Wrong ones seen among the hits.
        hits: Labelled hits.
        further_hits: Hits besides them.
        wrong: Wrong ones among both together.
    """
    total = hits + further_hits
    if wrong > total:
        return 0.0
    low = max(0, wrong - further_hits)
    terms = [
        _log_choose(hits, k) + _log_choose(further_hits, wrong - k) - _log_choose(total, wrong)
        for k in range(low, min(errors, hits, wrong) + 1)
    ]
    return min(1.0, math.fsum(math.exp(term) for term in terms))


def p_value(errors: int, hits: int, max_error: float, further_hits: int = 0) -> float:
    """Return the p-value of "this cut serves a larger share of wrong hits than `max_error`".

    Args:
        errors: Wrong ones among the labelled hits.
        hits: Labelled hits.
        max_error: The bound.
        further_hits: Hits whose observed share is bounded as well; 0 for the true error alone.
    """
    p = binomial_tail(errors, hits, max_error)
    if further_hits:
        too_many = math.floor(max_error * further_hits + 1e-9) + 1
        p = max(p, hypergeometric_tail(errors, hits, further_hits, errors + too_many))
    return p


def upper_error_bound(errors: int, hits: int, confidence: float) -> float:
    """Return the one-sided Clopper-Pearson upper bound of the error, 1 without hits.

    Args:
        errors: Wrong ones among the hits.
        hits: Hits.
        confidence: Chance that the true error is not above the bound.
    """
    if errors >= hits:
        return 1.0
    low, high = errors / hits, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        if binomial_tail(errors, hits, middle) > 1 - confidence:
            low = middle
        else:
            high = middle
    return high


def decide_cut(
    scores: NDArray[np.float64],
    labels: NDArray[np.bool_],
    *,
    max_error: float,
    confidence: float = 0.95,
    further_scores: NDArray[np.float64] | None = None,
) -> ErrorCut:
    """Choose the loosest cut whose error among hits is controlled.

    The guarantee holds when the labelled pairs took no part in the fit of the score and are exchangeable with what the
    cut is used on.

    Args:
        scores: Score of each labelled pair, shape (n,); higher means more alike.
        labels: Whether one answer serves both, shape (n,).
        max_error: Largest share of wrong ones among the hits, in (0, 1).
        confidence: Chance that the bound holds, in (0, 1).
        further_scores: Scores of the pairs that the cut will be used on, without labels; bounds the observed share
            among them too.

    Raises:
        ValueError: The lengths differ, a score is not finite, or a share is out of (0, 1).
    """
    _check(scores, labels, max_error, confidence)
    n = len(scores)
    delta = 1 - confidence
    starts = _starts(n, math.log(delta) / math.log1p(-max_error))
    ranked = np.sort(scores)[::-1]
    ordered = np.sort(further_scores) if further_scores is not None else np.empty(0)
    chosen: tuple[float, int, int, int] | None = None
    level = 0.0
    for hits in _sizes(starts, n):
        level += delta * starts.get(hits, 0.0)
        if not level:
            continue
        cut = float(ranked[hits - 1])
        served = scores >= cut
        errors = int(np.count_nonzero(served & ~labels))
        further = int(len(ordered) - np.searchsorted(ordered, cut))
        count = int(np.count_nonzero(served))
        if p_value(errors, count, max_error, further) > level:
            level = 0.0
            continue
        chosen = (cut, count, errors, further)
    cut_, count, errors, further = chosen or (None, 0, 0, 0)
    return ErrorCut(
        max_error=max_error,
        confidence=confidence,
        min_score=cut_,
        labelled=n,
        hits=count,
        errors=errors,
        error_bound=upper_error_bound(errors, count, confidence),
        horizon=further,
    )


def _starts(n: int, least: float) -> Mapping[int, float]:
    """Where the sequence of cuts starts, to the share of the level it has there; empty with too few labelled pairs.

    Args:
        n: Labelled pairs.
        least: Hits that prove the bound when none is wrong.
    """
    first = math.ceil(min(max(n * FIRST_CUT_SHARE, FIRST_CUT_LOW * least), FIRST_CUT_HIGH * least))
    if first > n:
        return {}
    later = [round(n * share) for share in LATER_STARTS]
    own = {start: LATER_LEVEL for start in later if start >= 2 * first}
    return {first: FIRST_LEVEL + LATER_LEVEL * (len(later) - len(own)), **own}


def _sizes(starts: Mapping[int, float], n: int) -> Sequence[int]:
    """Numbers of hits to try, strictest first: fixed before any label is seen."""
    if not starts:
        return ()
    return sorted({*starts, *(round(size) for size in np.geomspace(min(starts), n, CUTS))})


def _check(scores: NDArray[np.float64], labels: NDArray[np.bool_], max_error: float, confidence: float) -> None:
    if scores.shape != labels.shape or scores.ndim != 1:
        raise ValueError(f"scores have shape {scores.shape}, labels {labels.shape}; both must be (n,)")
    if not np.isfinite(scores).all():
        raise ValueError("a score is not finite")
    for name, share in (("max_error", max_error), ("confidence", confidence)):
        if not 0 < share < 1:
            raise ValueError(f"{name} is {share}, not between 0 and 1")


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
