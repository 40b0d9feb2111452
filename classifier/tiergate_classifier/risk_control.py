"""The cut of a tier, chosen so that the share of bad answers above it is bounded with confidence.

Learn then test (Angelopoulos et al. 2021, "Learn then Test", section 3, fixed-sequence testing): cuts are tested from
the strictest on, each by an exact binomial test of the failures above it (Clopper and Pearson 1934); the last cut
before the first that fails is taken, so the sequence as a whole errs with at most `1 - confidence`.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta

from tiergate.artifact_format import RouteCut

CUTS = tuple(round(float(cut), 2) for cut in np.arange(0.99, 0.49, -0.01))


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
    """Return the one-sided Clopper-Pearson upper bound of a failure rate; 1 without rows."""
    return 1.0 if failures >= n else float(beta.ppf(confidence, failures + 1, n - failures))
