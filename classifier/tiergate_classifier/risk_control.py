"""The cut of a tier, chosen so that the share of bad answers above it is bounded with confidence.

Learn then test (Angelopoulos et al. 2021, "Learn then Test", section 3, fixed-sequence testing): cuts are tested from
the strictest on, each by an exact binomial test of the failures above it (Clopper and Pearson 1934); the last cut
before the first that fails is taken, so the sequence as a whole errs with at most `1 - confidence`. Needs numpy only.
"""

import math

import numpy as np
from numpy.typing import NDArray

from tiergate.artifact_format import RouteCut

CUTS = tuple(round(float(cut), 2) for cut in np.arange(0.99, 0.49, -0.01))
_BISECTIONS = 50


def control_risk(
    lower_bounds: NDArray[np.float64], good: NDArray[np.bool_], *, min_quality: float, confidence: float
) -> RouteCut:
    """Return the lowest cut from which at least `min_quality` of the answers are good, with confidence.

    Args:
        lower_bounds: What held-out rows' lower bounds are, shape (n,).
        good: Whether the tier was good enough, shape (n,).
        min_quality: Share to be met.
        confidence: One-sided level.
    """
    found: tuple[float, int, int] | None = None
    for cut in CUTS:
        inside = lower_bounds >= cut
        n, failures = int(inside.sum()), int((~good[inside]).sum())
        if n and upper_bound(failures, n, confidence) <= 1 - min_quality:
            found = (cut, n, failures)
        elif found is not None:
            break
    cut_, n, failures = found or (None, len(good), int((~good).sum()))
    return RouteCut(min_quality=min_quality, confidence=confidence, cut=cut_, n=n, failures=failures)


def upper_bound(failures: int, n: int, confidence: float) -> float:
    """Return the one-sided Clopper-Pearson upper bound of a failure rate; 1 without rows.

    The rate under which so few failures have the probability `1 - confidence`, found by bisection.
    """
    if failures >= n:
        return 1.0
    counts = np.arange(failures + 1)
    ways = np.array([math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) for k in counts.tolist()])
    low, high = 0.0, 1.0
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        logs = ways + counts * math.log(middle) + (n - counts) * math.log1p(-middle)
        low, high = (middle, high) if float(np.exp(logs).sum()) > 1 - confidence else (low, middle)
    return high


def describe_cut(tier: str, cut: RouteCut) -> str:
    """Return the line of a card about a tier's cut."""
    if cut.cut is None:
        share, level = f"{cut.min_quality:.0%}", f"{cut.confidence:.0%}"
        return f"- **{tier}**: no cut keeps {share} of the answers good at {level} confidence."
    return (
        f"- **{tier}**: from a lower bound of {cut.cut:.2f} on at least {cut.min_quality:.0%} of the answers are good, "
        f"at {cut.confidence:.0%} confidence ({cut.failures} of {cut.n} rows were not)."
    )
