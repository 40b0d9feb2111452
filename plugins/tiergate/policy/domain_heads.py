"""Domains that a user names by 10 to 50 example prompts: a yes-or-no head on the shared vector, fitted at start-up.

Regularised logistic regression against a background of prompts of other domains, both sides weighing the same. The cut
is the highest that keeps `min_recall` of the examples when each is scored by a head that has not seen it, so it is not
flattered by the examples themselves (Stone 1974, "Cross-validatory choice"). What it costs is stated: the share of the
background that reaches the cut, it too scored by heads that have not seen it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FOLDS = 10
_GAIN = 6.0
_PENALTY = 1.0
_STEPS = 30
_TINY = 1e-6
_LIMIT = 35.0

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainCost:
    """What the cut of a domain costs.

    Attributes:
        domain: Its name.
        examples: Number of examples.
        min_recall: Recall asked for.
        cut: P(domain) from which a prompt counts as the domain.
        recall: Share of the examples that reaches it.
        others: Number of prompts of other domains.
        false_alarms: Share of those that reach the cut.
    """

    domain: str
    examples: int
    min_recall: float
    cut: float
    recall: float
    others: int
    false_alarms: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DomainHeads:
    """Heads of domains, K of them.

    Attributes:
        weight: Shape (K, D).
        bias: Shape (K,).
        costs: Of each domain, in the order of the rows.
    """

    weight: Floats
    bias: Floats
    costs: tuple[DomainCost, ...]

    @property
    def cuts(self) -> Mapping[str, float]:
        """P(domain) from which a prompt counts as the domain, by name."""
        return {one.domain: one.cut for one in self.costs}

    def scores(self, vector: NDArray[np.float32]) -> Mapping[str, float]:
        """Return P(domain) by name.

        Args:
            vector: Shape (D,).
        """
        probability = _sigmoid(self.weight @ vector.astype(np.float64) + self.bias)
        return {one.domain: value for one, value in zip(self.costs, probability.tolist(), strict=True)}


def fit_domain_heads(
    examples: Mapping[str, NDArray[np.float32]], background: NDArray[np.float32], min_recall: Mapping[str, float]
) -> DomainHeads:
    """Fit one head per domain.

    Args:
        examples: Vectors of each domain's examples, shape (m, D).
        background: Vectors of prompts of other domains, shape (R, D).
        min_recall: Recall to keep, by domain.
    """
    weights, biases, costs = [], [], []
    others = {name: [vectors for other, vectors in examples.items() if other != name] for name in examples}
    for name, vectors in examples.items():
        negatives = np.concatenate([background, *others[name]]).astype(np.float64)
        positives = vectors.astype(np.float64)
        weight, bias = _fit(positives, negatives)
        inside, outside = _held_out(positives, negatives)
        cut = recall_cut(inside.tolist(), min_recall[name])
        alarms = float((outside >= cut).mean())
        weights.append(weight)
        biases.append(bias)
        costs.append(
            DomainCost(
                domain=name,
                examples=len(positives),
                min_recall=min_recall[name],
                cut=cut,
                recall=round(float((inside >= cut).mean()), 4),
                others=len(negatives),
                false_alarms=round(alarms, 4),
            )
        )
    return DomainHeads(weight=np.array(weights), bias=np.array(biases), costs=tuple(costs))


def recall_cut(scores: Sequence[float], min_recall: float) -> float:
    """Return the highest cut, rounded down to four digits, that at least `min_recall` of the scores reach."""
    allowed = int(np.floor((1 - min_recall) * len(scores) + 1e-9))
    return float(np.floor(sorted(scores)[allowed] * 1e4) / 1e4)


def _held_out(positives: Floats, negatives: Floats) -> tuple[Floats, Floats]:
    """Return P(domain) of each positive, shape (m,), and of each negative, shape (R,), from heads without that row."""
    count = min(FOLDS, len(positives))
    ours, theirs = np.arange(len(positives)) % count, np.arange(len(negatives)) % count
    inside, outside = np.zeros(len(positives)), np.zeros(len(negatives))
    for fold in range(count):
        weight, bias = _fit(positives[ours != fold], negatives[theirs != fold])
        inside[ours == fold] = positives[ours == fold] @ weight + bias
        outside[theirs == fold] = negatives[theirs == fold] @ weight + bias
    return _sigmoid(inside), _sigmoid(outside)


def _fit(positives: Floats, negatives: Floats) -> tuple[Floats, float]:
    """Fit by Newton's method in the space the rows span."""
    rows = np.concatenate([positives, negatives]) * _GAIN
    inputs = np.column_stack([rows, np.ones(len(rows))])
    good = np.concatenate([np.ones(len(positives)), np.zeros(len(negatives))])
    share = np.where(good > 0, len(rows) / (2 * len(positives)), len(rows) / (2 * len(negatives)))
    # Both sides weigh the same; the total weight is that of the smaller side, which is what there is to learn from.
    share *= 2 * min(len(positives), len(negatives)) / len(rows)
    penalty = np.append(np.full(rows.shape[1], _PENALTY), _TINY)
    weights = np.zeros(inputs.shape[1])
    for _ in range(_STEPS):  # pragma: no branch  it converges first; the bound is for numbers nobody has seen
        probability = _sigmoid(inputs @ weights)
        gradient = inputs.T @ (share * (probability - good)) + penalty * weights
        curvature = (inputs * (share * probability * (1 - probability))[:, None]).T @ inputs + np.diag(penalty)
        step = np.linalg.solve(curvature, gradient)
        weights = weights - step
        if float(np.abs(step).max()) < _TINY:
            break
    return weights[:-1] * _GAIN, float(weights[-1])


def _sigmoid(log_odds: Floats) -> Floats:
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(log_odds, -_LIMIT, _LIMIT))))
