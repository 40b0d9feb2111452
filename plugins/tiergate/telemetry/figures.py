"""Figures read off counts: percentiles, drift, calibration and risk-coverage. Pure."""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_FLOOR = 1e-4
"""Least share of a bucket in the stability index: an empty bucket would make it infinite."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReliabilityBin:
    """Answers of similar confidence.

    Attributes:
        n: Graded answers in the bin.
        confidence: Their mean confidence.
        quality: Their mean grade, 0 to 1.
    """

    n: int
    confidence: float
    quality: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CoveragePoint:
    """What trusting everything from a confidence upwards would mean.

    Attributes:
        confidence: The cut.
        coverage: Share of answers at or above it.
        risk: Mean shortfall of their grades from 1.
    """

    confidence: float
    coverage: float
    risk: float


def find_percentile(counts: Mapping[int, int], bounds: Sequence[float], share: float) -> float | None:
    """Return the upper bound of the bucket that a percentile falls into.

    Args:
        counts: Count by bucket; bucket k ends at `bounds[k]`, the one behind the last has no end.
        bounds: Upper bounds, rising.
        share: 0.95 for the 95th percentile.

    Returns:
        The bound; infinity in the bucket without one; None without counts.
    """
    total = sum(counts.values())
    if total <= 0:
        return None
    seen = 0
    place = max(counts)
    for bucket in sorted(counts):
        seen += counts[bucket]
        if seen >= share * total:
            place = bucket
            break
    return bounds[place] if place < len(bounds) else math.inf


def find_drift(before: Mapping[int, int], after: Mapping[int, int]) -> float | None:
    """Return the population stability index between two histograms; None when one is empty.

    0.1 is usually read as a shift worth a look, 0.25 as one worth an action (Siddiqi, Credit Risk Scorecards, 2006).

    Args:
        before: Count by bucket in the reference period.
        after: Count by bucket in the recent one.
    """
    total_before, total_after = sum(before.values()), sum(after.values())
    if not total_before or not total_after:
        return None
    index = 0.0
    for bucket in before.keys() | after.keys():
        expected = max(before.get(bucket, 0) / total_before, _FLOOR)
        actual = max(after.get(bucket, 0) / total_after, _FLOOR)
        index += (actual - expected) * math.log(actual / expected)
    return index


def build_reliability(graded: Sequence[tuple[float, float]], *, bins: int = 10) -> list[ReliabilityBin]:
    """Return a reliability diagram with bins of equal count.

    Args:
        graded: (confidence, grade) of each graded answer.
        bins: At most so many.
    """
    ordered = sorted(graded)
    count = min(bins, len(ordered))
    edges = [round(place * len(ordered) / count) for place in range(count + 1)] if count else [0]
    diagram = []
    for start, end in itertools.pairwise(edges):
        part = ordered[start:end]
        diagram.append(
            ReliabilityBin(
                n=len(part),
                confidence=sum(confidence for confidence, _ in part) / len(part),
                quality=sum(grade for _, grade in part) / len(part),
            )
        )
    return diagram


def find_calibration_error(diagram: Sequence[ReliabilityBin]) -> float | None:
    """Return the expected calibration error of a diagram (Naeini et al., AAAI 2015); None without bins.

    It is not corrected for the bias of few answers: at n answers a perfectly calibrated score has an error of about
    0.8 * sqrt(q * (1 - q) * bins / n).
    """
    total = sum(part.n for part in diagram)
    if not total:
        return None
    return sum(part.n * abs(part.confidence - part.quality) for part in diagram) / total


def build_coverage(graded: Sequence[tuple[float, float]], *, points: int = 50) -> list[CoveragePoint]:
    """Return a risk-coverage curve (El-Yaniv and Wiener, JMLR 2010), from the most confident answer down.

    Args:
        graded: (confidence, grade) of each graded answer.
        points: At most so many.
    """
    ordered = sorted(graded, reverse=True)
    curve = []
    shortfall = 0.0
    step = max(1, len(ordered) // points)
    for place, (confidence, grade) in enumerate(ordered, start=1):
        shortfall += 1 - grade
        if place % step == 0 or place == len(ordered):
            curve.append(CoveragePoint(confidence=confidence, coverage=place / len(ordered), risk=shortfall / place))
    return curve
