"""Whether traffic has left what the classifier was calibrated on. Pure: observations in, findings out.

Four kinds of drift, each with a p-value that is exact for exchangeable traffic, and Holm's correction over all of them
(Scandinavian Journal of Statistics 6, 1979): a check of unchanged traffic raises any alarm with probability at most
`alpha`.

- `input`: energy distance between the vectors of a window and of the reference (Szekely and Rizzo, Journal of
  Statistical Planning and Inference 143, 2013), by permutation, over all traffic and for each domain.
- `score`: Kolmogorov-Smirnov distance of the cheapest tier's score, by permutation.
- `calibration`: difference of mean (the answer was accepted - predicted probability), by permutation.
- `escalation`: share of answers that were replaced above the limit, by the exact binomial tail.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from tiergate.ports import Vector

EXAMPLES = 5
MAX_ROWS = 400
"""Rows of each side that the energy distance reads: its cost grows with their square."""

Floats = NDArray[np.float64]


class DriftKind(StrEnum):
    """What has drifted."""

    INPUT = "input"
    SCORE = "score"
    CALIBRATION = "calibration"
    ESCALATION = "escalation"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Observation:
    """What one decision tells.

    Attributes:
        decision_id: Its id.
        vector: The prompt's embedding, shape (dimensions,).
        score: P(good enough) of the cheapest tier.
        domain: Most probable domain; None when there is none.
        predicted: P(good enough) of the tier that was asked; None when unknown.
        accepted: Whether its answer was good, from the gate or from feedback, 0 to 1; None when not judged.
        escalated: Whether its answer was replaced; None when it was not judged.
    """

    decision_id: str
    vector: Vector
    score: float
    domain: str | None = None
    predicted: float | None = None
    accepted: float | None = None
    escalated: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftFinding:
    """One test of a window against the reference.

    Attributes:
        kind: What was tested.
        domain: In which domain; None is all traffic.
        statistic: Energy distance, KS distance, difference of means, or share of escalations.
        p_value: Probability of such a statistic on unchanged traffic.
        alarm: Whether it counts after the correction.
        reference_rows: Rows of the reference behind it; 0 for the escalations, which have a limit instead.
        window_rows: Rows of the window behind it.
        examples: Ids of decisions that show it best.
    """

    kind: DriftKind
    domain: str | None
    statistic: float
    p_value: float
    alarm: bool = False
    reference_rows: int
    window_rows: int
    examples: tuple[str, ...] = ()


def find_drift(
    reference: Sequence[Observation],
    window: Sequence[Observation],
    *,
    alpha: float = 0.01,
    max_escalation_ratio: float = 0.05,
    min_rows: int = 30,
    permutations: int = 2999,
    seed: int = 0,
) -> tuple[DriftFinding, ...]:
    """Test a window against the reference; alarms first, then by p-value.

    Args:
        reference: Observations of traffic as it was.
        window: Newer observations.
        alpha: Probability of any alarm on unchanged traffic.
        max_escalation_ratio: Share of judged answers that may be replaced.
        min_rows: A domain with fewer rows on either side is not tested.
        permutations: Draws of each permutation test; the least p-value is 1 / (permutations + 1).
        seed: Of the draws.
    """
    random = np.random.default_rng(seed)
    shared = {one.domain for one in reference} & {one.domain for one in window}
    findings: list[DriftFinding] = []
    for domain in (None, *sorted(name for name in shared if name is not None)):
        old = [one for one in reference if domain is None or one.domain == domain]
        new = [one for one in window if domain is None or one.domain == domain]
        if min(len(old), len(new)) >= min_rows:
            findings.append(_input(domain, old, new, permutations, random))
            findings += _calibration(domain, old, new, min_rows, permutations, random)
        findings += _escalation(domain, new, max_escalation_ratio, min_rows)
    if min(len(reference), len(window)) >= min_rows:
        findings.append(_score(reference, window, permutations, random))
    return _corrected(findings, alpha)


def population_stability(reference: Floats, window: Floats, *, bins: int = 10) -> float:
    """Return the population stability index of scores over bins of equal count in the reference.

    Args:
        reference: Shape (n,).
        window: Shape (m,).
        bins: Number of bins.
    """
    edges = np.unique(np.quantile(reference, np.linspace(0, 1, bins + 1)[1:-1]))
    shares = [
        (np.bincount(np.searchsorted(edges, side, side="right"), minlength=len(edges) + 1) + 0.5)
        / (len(side) + 0.5 * (len(edges) + 1))
        for side in (reference, window)
    ]
    return float(np.sum((shares[1] - shares[0]) * np.log(shares[1] / shares[0])))


def binomial_tail(successes: int, n: int, share: float) -> float:
    """Return P(at least so many successes in n draws), each with probability `share` in (0, 1)."""
    terms = [
        math.lgamma(n + 1)
        - math.lgamma(k + 1)
        - math.lgamma(n - k + 1)
        + k * math.log(share)
        + (n - k) * math.log1p(-share)
        for k in range(successes, n + 1)
    ]
    return min(1.0, math.fsum(map(math.exp, terms)))


def _input(
    domain: str | None,
    old: Sequence[Observation],
    new: Sequence[Observation],
    permutations: int,
    random: np.random.Generator,
) -> DriftFinding:
    old, new = _sample(old, random), _sample(new, random)
    vectors = np.stack([one.vector for one in (*old, *new)]).astype(np.float64)
    distance = np.sqrt(np.maximum(2 - 2 * vectors @ vectors.T, 0.0))
    n, m = len(old), len(new)

    def energy(sides: Floats) -> Floats:
        """Return the energy distance for each row of `sides`, 1 for the reference's places, shape (draws, n + m)."""
        to_old = sides @ distance
        within_old = np.einsum("ij,ij->i", to_old, sides)
        total = distance.sum()
        across = to_old.sum(axis=1) - within_old
        within_new = total - within_old - 2 * across
        return np.asarray(2 * across / (n * m) - within_old / (n * n) - within_new / (m * m))

    statistic, p_value = _permuted(energy, n, m, permutations, random)
    gap = distance[n:, :n].mean(axis=1) - distance[n:, n:].mean(axis=1)
    return DriftFinding(
        kind=DriftKind.INPUT,
        domain=domain,
        statistic=statistic,
        p_value=p_value,
        reference_rows=n,
        window_rows=m,
        examples=_examples(new, gap),
    )


def _score(
    old: Sequence[Observation], new: Sequence[Observation], permutations: int, random: np.random.Generator
) -> DriftFinding:
    scores = np.array([one.score for one in (*old, *new)])
    n, m = len(old), len(new)
    order = np.argsort(scores, kind="stable")
    last = np.append(np.diff(scores[order]) > 0, [True])  # ties count together

    def distance(sides: Floats) -> Floats:
        below = np.cumsum(sides[:, order] / n - (1 - sides[:, order]) / m, axis=1)
        return np.asarray(np.abs(below[:, last]).max(axis=1))

    statistic, p_value = _permuted(distance, n, m, permutations, random)
    middle = float(np.median(scores[:n]))
    return DriftFinding(
        kind=DriftKind.SCORE,
        domain=None,
        statistic=statistic,
        p_value=p_value,
        reference_rows=n,
        window_rows=m,
        examples=_examples(new, np.abs(scores[n:] - middle)),
    )


def _calibration(
    domain: str | None,
    old: Sequence[Observation],
    new: Sequence[Observation],
    min_rows: int,
    permutations: int,
    random: np.random.Generator,
) -> list[DriftFinding]:
    old = [one for one in old if _residual(one) is not None]
    new = [one for one in new if _residual(one) is not None]
    if min(len(old), len(new)) < min_rows:
        return []
    residuals = np.array([_residual(one) or 0.0 for one in (*old, *new)])
    n, m = len(old), len(new)

    def difference(sides: Floats) -> Floats:
        first = sides @ residuals
        return np.asarray(np.abs(first / n - (residuals.sum() - first) / m))

    statistic, p_value = _permuted(difference, n, m, permutations, random)
    return [
        DriftFinding(
            kind=DriftKind.CALIBRATION,
            domain=domain,
            statistic=statistic,
            p_value=p_value,
            reference_rows=n,
            window_rows=m,
            examples=_examples(new, np.abs(residuals[n:])),
        )
    ]


def _escalation(domain: str | None, new: Sequence[Observation], limit: float, min_rows: int) -> list[DriftFinding]:
    judged = [one for one in new if one.escalated is not None]
    if len(judged) < min_rows or not 0 < limit < 1:
        return []
    escalated = [one for one in judged if one.escalated]
    return [
        DriftFinding(
            kind=DriftKind.ESCALATION,
            domain=domain,
            statistic=len(escalated) / len(judged),
            p_value=binomial_tail(len(escalated), len(judged), limit),
            reference_rows=0,
            window_rows=len(judged),
            examples=tuple(one.decision_id for one in escalated[:EXAMPLES]),
        )
    ]


def _residual(one: Observation) -> float | None:
    return None if one.accepted is None or one.predicted is None else one.accepted - one.predicted


def _sample(rows: Sequence[Observation], random: np.random.Generator) -> list[Observation]:
    if len(rows) <= MAX_ROWS:
        return list(rows)
    return [rows[place] for place in np.sort(random.choice(len(rows), MAX_ROWS, replace=False)).tolist()]


def _permuted(
    statistic: Callable[[Floats], Floats], n: int, m: int, permutations: int, random: np.random.Generator
) -> tuple[float, float]:
    """Return the statistic and the share of relabelled samples that show as large a one, itself among them."""
    sides = np.zeros((permutations + 1, n + m))
    sides[0, :n] = 1
    places = np.argpartition(random.random((permutations, n + m)), n - 1, axis=1)[:, :n]
    np.put_along_axis(sides[1:], places, 1.0, axis=1)
    found = statistic(sides)
    return float(found[0]), float(np.mean(found >= found[0] - 1e-12))


def _examples(rows: Sequence[Observation], strangeness: Floats) -> tuple[str, ...]:
    return tuple(rows[place].decision_id for place in np.argsort(-strangeness)[:EXAMPLES].tolist())


def _corrected(findings: Sequence[DriftFinding], alpha: float) -> tuple[DriftFinding, ...]:
    """Apply Holm's step-down correction."""
    ordered = sorted(findings, key=lambda finding: finding.p_value)
    holds = True
    corrected = []
    for place, finding in enumerate(ordered):
        holds = holds and finding.p_value <= alpha / (len(ordered) - place)
        corrected.append(replace(finding, alarm=holds))
    return tuple(corrected)
