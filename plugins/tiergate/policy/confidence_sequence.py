"""Inference that stays valid however often one looks: confidence sequences for a running experiment.

The boundary is the normal mixture of Robbins ("Statistical methods related to the law of the iterated logarithm", 1970)
in its asymptotic form for means of unknown variance: Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas, "Time-uniform
central limit theory and asymptotic confidence sequences", Annals of Statistics 2024, theorem 2.2 (see also Howard,
Ramdas, McAuliffe and Sekhon 2021, section 3.2). It needs sums only, no history.

Requests of one unit (key, user, session) resemble each other, and a unit is assigned as a whole. So the unit is what
is counted: a rate is a ratio of sums over units, and its variance is the linearised one of a ratio.

Sample-ratio mismatch: Lindon and Malek, "Anytime-Valid Inference for Multinomial Count Data", NeurIPS 2022.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

LEVEL = 0.95
MIN_UNITS = 50
"""Units of an arm below which nothing is concluded: the sequence is asymptotic."""

TARGET_UNITS = 2_000
"""Number of units at which the boundary is tightest."""

_CONCENTRATION = 1_000.0
"""Weight of the null's shares in the mixture of the mismatch test: about the units after which it is most sensitive."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmSums:
    """Sums of one metric over the units of one arm: requests w and total y of each unit.

    Attributes:
        units: Number of units.
        weight: Sum of w.
        total: Sum of y.
        weight_squares: Sum of w * w.
        total_squares: Sum of y * y.
        products: Sum of w * y.
    """

    units: int = 0
    weight: float = 0.0
    total: float = 0.0
    weight_squares: float = 0.0
    total_squares: float = 0.0
    products: float = 0.0

    @property
    def mean(self) -> float:
        """The mean per request; 0 without any."""
        return self.total / self.weight if self.weight else 0.0

    @property
    def variance(self) -> float:
        """Variance of the mean, by linearisation of the ratio."""
        if not self.weight:
            return 0.0
        squares = self.total_squares - 2 * self.mean * self.products + self.mean**2 * self.weight_squares
        return max(0.0, squares) / self.weight**2


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """An estimate with a confidence sequence's interval at this moment."""

    value: float
    low: float
    high: float

    @property
    def decided(self) -> bool:
        """Whether zero is outside."""
        return self.low > 0.0 or self.high < 0.0


def sum_units(units: Sequence[tuple[float, float]]) -> ArmSums:
    """Return the sums of (requests, total of the metric) pairs, one pair for each unit."""
    return ArmSums(
        units=len(units),
        weight=math.fsum(w for w, _ in units),
        total=math.fsum(y for _, y in units),
        weight_squares=math.fsum(w * w for w, _ in units),
        total_squares=math.fsum(y * y for _, y in units),
        products=math.fsum(w * y for w, y in units),
    )


def bound_mean(arm: ArmSums, *, level: float = LEVEL) -> Bounds:
    """Return the mean of an arm with its confidence sequence; unbounded below `MIN_UNITS`."""
    return _bound(arm.mean, arm.variance, arm.units, arm.units >= MIN_UNITS, level)


def bound_difference(control: ArmSums, arm: ArmSums, *, level: float = LEVEL) -> Bounds:
    """Return arm minus control with its confidence sequence; unbounded while either has under `MIN_UNITS`."""
    return _bound(
        arm.mean - control.mean,
        arm.variance + control.variance,
        arm.units + control.units,
        min(arm.units, control.units) >= MIN_UNITS,
        level,
    )


def measure_width(units: int, variance: float, *, level: float = LEVEL) -> float:
    """Return half the width of the sequence after so many units.

    Args:
        units: n, over both arms for a difference.
        variance: Of the estimate itself, so n times it is the variance of one unit.
        level: Confidence.
    """
    alpha = 1.0 - level
    # The mixture's variance that makes the boundary tightest at TARGET_UNITS (equation 10 of the paper).
    tuned = (-2 * math.log(alpha) + math.log(-2 * math.log(alpha)) + 1) / TARGET_UNITS
    growth = units * tuned + 1
    return math.sqrt(variance * 2 * growth / (units * tuned) * math.log(math.sqrt(growth) / alpha))


def _bound(value: float, variance: float, units: int, enough: bool, level: float) -> Bounds:  # noqa: FBT001  private
    if not enough:
        return Bounds(value=value, low=-math.inf, high=math.inf)
    half = measure_width(units, variance, level=level)
    return Bounds(value=value, low=value - half, high=value + half)


def mismatch_evidence(counts: Mapping[str, int], shares: Mapping[str, float]) -> float:
    """Return the evidence that units do not fall onto arms by their shares, as log e-value; alarm from log(1 / alpha).

    A Dirichlet mixture around the intended shares against the shares themselves. By Ville's inequality it passes
    log(1 / alpha) with probability at most alpha at any time, if the shares are right.

    Args:
        counts: Units by arm.
        shares: Intended share by arm, sum 1.
    """
    total = sum(counts.values())
    evidence = math.lgamma(_CONCENTRATION) - math.lgamma(_CONCENTRATION + total)
    for arm, share in shares.items():
        prior, count = _CONCENTRATION * share, counts.get(arm, 0)
        evidence += math.lgamma(prior + count) - math.lgamma(prior) - count * math.log(share)
    return evidence


def plan_units(variance: float, effect: float, *, level: float = LEVEL) -> int:
    """Return how many units, both arms together, until a difference is decided in half of the runs.

    After them half the sequence's width is the effect itself.

    Args:
        variance: Of a difference from n units, times n.
        effect: The true difference, not 0.
        level: Confidence.
    """
    low, high = 2 * MIN_UNITS, 2 * MIN_UNITS
    while measure_width(high, variance / high, level=level) > abs(effect):
        low, high = high, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        if measure_width(middle, variance / middle, level=level) > abs(effect):
            low = middle
        else:
            high = middle
    return high
