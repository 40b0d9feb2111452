"""Figures of routers, gates and cascades: recovered gap, discrimination, calibration, risk, area under a cost curve.

Every function works on plain arrays, one entry per request, and is deterministic: what is drawn at random (the
order of ties, simulated outcomes, bootstrap samples) comes from a generator with a stated seed. Outcomes are
"goodness" between 0 (bad answer) and 1 (good answer); shares such as 0.4 count as 0.4 of a good answer.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SEED = 20_240_618
BINS = 10
BOOTSTRAP_REPEATS = 1000

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A figure and its interval.

    Attributes:
        value: The figure on all rows.
        low: Lower end.
        high: Upper end.
    """

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class GapRecovery:
    """How much of the gap between two tiers an order of requests recovers (Ong et al. 2024, RouteLLM, section 3.2).

    Attributes:
        apgr: Performance gap recovered, averaged over all shares of strong calls (trapezoid). Random order: 0.5.
        cpt50: Least share of strong calls that recovers half of the gap.
        cpt80: Least share of strong calls that recovers 80 % of the gap.
    """

    apgr: float
    cpt50: float
    cpt80: float


def order_descending(scores: Floats, *, seed: int = SEED) -> Indices:
    """Return the rows from the highest score to the lowest, ties in random order.

    Args:
        scores: Shape (n,).
        seed: Seed of the order of ties.
    """
    shuffle = np.random.default_rng(seed).permutation(len(scores))
    order: Indices = shuffle[np.argsort(-scores[shuffle], kind="stable")]
    return order


def quality_curve(need: Floats, weak: Floats, strong: Floats, *, seed: int = SEED) -> Floats:
    """Return the mean goodness when the k requests with the greatest need go to the strong tier, for k = 0 to n.

    Args:
        need: How much a request needs the strong tier, shape (n,); only its order matters.
        weak: Goodness of the weak tier's answers, shape (n,).
        strong: Goodness of the strong tier's answers, shape (n,).
        seed: Seed of the order of ties.

    Returns:
        Shape (n + 1,), from all weak to all strong.
    """
    gains = (strong - weak)[order_descending(need, seed=seed)]
    return np.asarray((weak.sum() + np.concatenate([[0.0], np.cumsum(gains)])) / max(len(weak), 1))


def gap_recovery(need: Floats, weak: Floats, strong: Floats, *, seed: int = SEED) -> GapRecovery | None:
    """Return APGR, CPT(50) and CPT(80) of an order; None when the strong tier is not better than the weak one.

    RouteLLM averages the gap recovered at ten evenly spaced shares; here every share counts, from the exact sort.

    Args:
        need: How much a request needs the strong tier, shape (n,); only its order matters.
        weak: Goodness of the weak tier's answers, shape (n,).
        strong: Goodness of the strong tier's answers, shape (n,).
        seed: Seed of the order of ties.
    """
    quality = quality_curve(need, weak, strong, seed=seed)
    gap = quality[-1] - quality[0]
    if not gap > 1e-12:  # noqa: PLR2004 - rounding of a sum, no tuning
        return None
    recovered = (quality - quality[0]) / gap
    n = len(weak)
    apgr = float((recovered[1:] + recovered[:-1]).mean() / 2)

    def least_share(part: float) -> float:
        return float(np.argmax(recovered >= part - 1e-12)) / n

    return GapRecovery(apgr=apgr, cpt50=least_share(0.5), cpt80=least_share(0.8))


def random_recovery() -> GapRecovery:
    """Return what a random order recovers in expectation: the straight line between the tiers."""
    return GapRecovery(apgr=0.5, cpt50=0.5, cpt80=0.8)


def oracle_recovery(weak: Floats, strong: Floats) -> GapRecovery | None:
    """Return what knowing every outcome would recover: requests in the order of what the strong tier adds."""
    return gap_recovery(strong - weak, weak, strong)


def auroc(scores: Floats, good: Floats) -> float | None:
    """Return P(a good answer scores above a bad one), ties counting half; None when all are good or all bad.

    An outcome of 0.4 counts as 0.4 of a good and 0.6 of a bad answer.

    Args:
        scores: Shape (n,).
        good: Goodness, shape (n,).
    """
    order = np.argsort(scores, kind="stable")
    _, starts = np.unique(scores[order], return_index=True)
    if len(starts) == 0:
        return None
    positive = np.add.reduceat(good[order], starts)
    negative = np.add.reduceat(1.0 - good[order], starts)
    pairs = positive.sum() * negative.sum()
    if pairs <= 0:
        return None
    below = np.cumsum(negative) - negative
    return float(np.sum(positive * (below + negative / 2)) / pairs)


def calibration_error(
    scores: Floats, good: Floats, *, bins: int = BINS, simulations: int = 1000, seed: int = SEED
) -> float:
    """Return the expected calibration error of probabilities, corrected for its bias.

    Bins of equal count; the error is the mean over rows of |mean score - mean goodness| of the row's bin. A
    perfectly calibrated score shows an error above 0 on a finite sample: its mean, simulated at the same n and
    scores, is subtracted, and what is left is not below 0 (Roelofs et al. 2022, "Mitigating bias in calibration
    error estimation").

    Args:
        scores: Probabilities, shape (n,).
        good: Goodness, shape (n,).
        bins: Number of bins.
        simulations: How often a perfectly calibrated score is simulated.
        seed: Seed of the order of ties and of the simulation.

    Raises:
        ValueError: There are no rows.
    """
    if len(scores) == 0:
        message = "the calibration error needs at least one row"
        raise ValueError(message)
    parts = [part for part in np.array_split(order_descending(scores, seed=seed), bins) if len(part)]
    generator = np.random.default_rng(seed)
    raw, floor = 0.0, np.zeros(simulations)
    for part in parts:
        probability = np.clip(scores[part], 0.0, 1.0)
        raw += abs(float(np.sum(scores[part] - good[part])))
        drawn = np.zeros(simulations)
        for block in np.array_split(probability, math.ceil(len(part) / 500)):
            drawn += (generator.random((simulations, len(block))) < block).sum(axis=1)
        floor += np.abs(probability.sum() - drawn)
    return max(0.0, (raw - float(floor.mean())) / len(scores))


def risk_coverage(scores: Floats, good: Floats, *, seed: int = SEED) -> Floats:
    """Return the error among the k most trusted answers, for k = 1 to n (Geifman and El-Yaniv 2017).

    Its mean is the area under the risk-coverage curve.

    Args:
        scores: Confidence, shape (n,).
        good: Goodness, shape (n,).
        seed: Seed of the order of ties.
    """
    errors = 1.0 - good[order_descending(scores, seed=seed)]
    return np.asarray(np.cumsum(errors) / np.arange(1, len(errors) + 1))


def lower_hull(cost: Floats, error: Floats) -> Indices:
    """Return the points of the lower left convex hull, by rising cost and falling error.

    A request can be sent at random to one of two policies, so every point between two policies can be had too: what a
    family of policies can reach is the hull of its points.

    Args:
        cost: Mean cost of each policy, shape (m,).
        error: Mean error of each policy, shape (m,).
    """
    order = np.lexsort((error, cost))
    kept: list[int] = []
    for index in order:
        if kept and error[index] >= error[kept[-1]]:
            continue
        while len(kept) > 1 and _above(cost, error, kept[-2], kept[-1], int(index)):
            kept.pop()
        kept.append(int(index))
    return np.asarray(kept, dtype=np.intp)


def _above(cost: Floats, error: Floats, left: int, middle: int, right: int) -> bool:
    """Whether `middle` lies on or above the line from `left` to `right`."""
    ahead = (error[right] - error[left]) * (cost[middle] - cost[left])
    return bool((error[middle] - error[left]) * (cost[right] - cost[left]) >= ahead)


def error_cost_area(cost: Floats, error: Floats, *, low: float, high: float) -> float:
    """Return the mean error over all budgets between `low` and `high` of the best mix a budget can buy.

    The area under the lower hull, divided by the width of the cost range. Below the cheapest point the error is that
    point's, above the dearest point the error stays.

    Args:
        cost: Mean cost of each point, shape (m,).
        error: Mean error of each point, shape (m,).
        low: Least budget.
        high: Greatest budget.

    Raises:
        ValueError: There are no points.
    """
    if len(cost) == 0:
        message = "an area needs at least one point"
        raise ValueError(message)
    hull = lower_hull(cost, error)
    xs, ys = cost[hull], error[hull]
    if not high > low:
        return float(np.interp(low, xs, ys))
    grid = np.union1d(np.clip(xs, low, high), [low, high])
    return float(np.trapezoid(np.interp(grid, xs, ys), grid) / (high - low))


def bootstrap_interval(
    figure: Callable[[Indices], float | None],
    n: int,
    *,
    repeats: int = BOOTSTRAP_REPEATS,
    level: float = 0.95,
    seed: int = SEED,
) -> Interval | None:
    """Return a figure and its percentile bootstrap interval (Efron 1979); None when the figure is undefined.

    Args:
        figure: Takes row numbers, which may repeat, and returns the figure on these rows or None.
        n: Number of rows.
        repeats: Number of bootstrap samples.
        level: Share of samples within the interval.
        seed: Seed of the samples.
    """
    value = figure(np.arange(n))
    if value is None:
        return None
    generator = np.random.default_rng(seed)
    drawn = [figure(generator.integers(0, n, n)) for _ in range(repeats)]
    defined = np.array([one for one in drawn if one is not None and math.isfinite(one)])
    if len(defined) == 0:
        return None
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return Interval(value=value, low=float(low), high=float(high))
