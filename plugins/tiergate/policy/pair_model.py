"""P(the same answer serves both): a logistic model over the features of a pair of prompts.

Linear on purpose: it is small, fast, explains itself by its weights, and a deployment's own refit is a model of the
same shape. Whoever calls it treats any doubt as a miss: features that are not finite give probability 0.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tiergate.policy.error_bound import ErrorCut
from tiergate.policy.pair_features import FEATURES, PromptProfile, compare, compare_vectors
from tiergate.ports import Vector

_LARGEST_EXPONENT = 700.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PairModel:
    """Weights of the pair model; F features, D dimensions of a vector.

    Attributes:
        feature_weight: Shape (F,), float32, in the order of `pair_features.FEATURES`.
        vector_weight: Shape (2 * D,), float32, for [|u - v|, u * v] as `pair_features.compare_vectors` scales them.
        bias: Constant term.
        cuts: The controlled cut of each bound that was calibrated, on the score's own scale.
        digest: Digest of the artifact it came from; empty for a model that was not stored.
        fitted_until: Unix time up to which it may have seen labels of this deployment; 0 for one that saw none.
    """

    feature_weight: NDArray[np.float32]
    vector_weight: NDArray[np.float32]
    bias: float
    cuts: Mapping[float, ErrorCut]
    digest: str = ""
    fitted_until: float = 0.0

    def __post_init__(self) -> None:
        """Check shapes and numbers.

        Raises:
            ValueError: A weight has another shape than the features ask for, or is not finite.
        """
        if self.feature_weight.shape != (len(FEATURES),):
            raise ValueError(f"feature_weight has shape {self.feature_weight.shape}, not ({len(FEATURES)},)")
        if self.vector_weight.ndim != 1 or len(self.vector_weight) % 2:
            raise ValueError(f"vector_weight has shape {self.vector_weight.shape}, not (2 * dimensions,)")
        weights = (self.feature_weight, self.vector_weight, np.array(self.bias))
        if not all(np.isfinite(weight).all() for weight in weights):
            raise ValueError("a weight is not finite")

    @property
    def dimensions(self) -> int:
        """Length of the vectors the model was trained on."""
        return len(self.vector_weight) // 2

    def scores(self, features: NDArray[np.float32], vectors: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the log-odds of many pairs, shape (N,).

        Args:
            features: Shape (N, F).
            vectors: Shape (N, 2 * D), from `compare_vectors`.
        """
        return (
            features.astype(np.float64) @ self.feature_weight
            + vectors.astype(np.float64) @ self.vector_weight
            + self.bias
        )

    def score(self, a: PromptProfile, b: PromptProfile, u: Vector, v: Vector) -> float:
        """Return the log-odds that one answer serves two prompts; minus infinity when they cannot be told.

        Args:
            a: One prompt.
            b: The other.
            u: Unit vector of `a`, shape (D,).
            v: Unit vector of `b`, shape (D,).
        """
        if u.shape != (self.dimensions,) or v.shape != (self.dimensions,):
            return -math.inf
        features = compare(a, b, float(u @ v))
        score = float(self.scores(features[None], compare_vectors(u, v)[None])[0])
        return score if math.isfinite(score) else -math.inf

    def cut_for(self, max_error: float) -> ErrorCut | None:
        """Return the calibrated cut of the loosest bound that is not above `max_error`; None when there is none.

        A cut that controls a smaller error controls a larger one too.
        """
        fitting = [bound for bound, cut in self.cuts.items() if bound <= max_error and cut.controls]
        return self.cuts[max(fitting)] if fitting else None


def probability(score: float) -> float:
    """Return the probability of a log-odds score, finite for every float; 0 for one that is not a number."""
    if math.isnan(score):
        return 0.0
    return 1.0 / (1.0 + math.exp(min(-score, _LARGEST_EXPONENT)))
