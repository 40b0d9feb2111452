"""The router's prior when there is no artifact: P(good) of one tier from the prompt, by calibration rows.

A ridge regression of the outcome on the prompt's vector and a few lengths, its strength chosen on left-out folds,
turned into a probability by a logistic on the left-out scores. Where these do not beat the base rate by a standard
error, prompts tell nothing and the prior is the base rate: a noisy prior costs more than none. From a few hundred
rows nothing finer holds: the lengths are shrunk least, the 384 directions of the vector most.
"""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tiergate.adapters.inference_pool import InferencePool
from tiergate.adapters.onnx_embedder import OnnxEmbedder
from tiergate_classifier.folds import left_out
from tiergate_classifier.logistic import fit_logistic, log_loss, log_odds_of
from tiergate_classifier.routing_metrics import SEED

Floats = NDArray[np.float64]

FOLDS = 10
_PENALTIES = (100.0, 300.0, 1000.0, 3000.0, 10_000.0, 100_000.0)
_LENGTH_WEIGHT = 4.0
"""How much less the lengths are shrunk than the directions of the vector: a factor on their scale."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PromptPrior:
    """P(good) of one tier from the prompt.

    Attributes:
        mean: Mean of the inputs, shape (m,).
        weights: Shape (m,).
        intercept: Log-odds at the mean.
        slope: Log-odds per unit of the ridge's score; 0 when prompts tell nothing.
        left_out: Log-odds of the rows it was fitted on, each from the other folds, shape (n,).
    """

    mean: Floats
    weights: Floats
    intercept: float
    slope: float
    left_out: Floats

    def log_odds(self, inputs: Floats) -> Floats:
        """Return the log-odds of a good answer, shape (n,).

        Args:
            inputs: As `prompt_inputs` returns them, shape (n, m).
        """
        return np.asarray(self.intercept + self.slope * ((inputs - self.mean) @ self.weights))


def prompt_inputs(prompts: Sequence[str]) -> Floats:
    """Return the vector of each prompt by the shipped encoder, and its lengths, shape (n, m).

    Raises:
        EmbedderError: The encoder failed.
    """
    embedder = OnnxEmbedder(pool=InferencePool())
    unique = list(dict.fromkeys(prompts))
    embedder.load()
    workers = os.cpu_count() or 1
    parts = [part.tolist() for part in np.array_split(np.arange(len(unique)), workers * 4) if len(part)]
    with ThreadPoolExecutor(workers) as pool:
        vectors = list(pool.map(lambda part: embedder.embed_batch([unique[place] for place in part]), parts))
    places = {prompt: place for place, prompt in enumerate(unique)}
    table = np.concatenate(vectors).astype(np.float64)[[places[prompt] for prompt in prompts]]
    lengths = np.log1p([[len(text), len(text.split()), text.count("\n")] for text in prompts])
    return np.column_stack([table * np.sqrt(table.shape[1]), lengths * _LENGTH_WEIGHT])


def fit_prompt_prior(inputs: Floats, good: Floats, *, seed: int = SEED) -> PromptPrior:
    """Fit the prior of one tier.

    Args:
        inputs: As `prompt_inputs` returns them, shape (n, m).
        good: Outcomes between 0 and 1, shape (n,).
        seed: Seed of the folds.
    """
    scores = np.zeros((len(_PENALTIES), len(good)))
    for fitted, held in left_out(good, FOLDS, seed=seed):
        mean, weights = _fit_ridge(inputs[fitted], good[fitted])
        scores[:, held] = weights @ (inputs[held] - mean).T
    fits = [_fit_slope(score, good) for score in scores]
    losses = [float(log_loss(fit[0] + fit[1] * score, good).mean()) for fit, score in zip(fits, scores, strict=True)]
    best = int(np.argmin(losses))
    mean, weights = _fit_ridge(inputs, good)
    intercept, slope = fits[best]
    if not _tells(intercept + slope * scores[best], good):
        intercept, slope = float(log_odds_of(np.array((good.sum() + 0.5) / (len(good) + 1)))), 0.0
    return PromptPrior(
        mean=mean, weights=weights[best], intercept=intercept, slope=slope, left_out=intercept + slope * scores[best]
    )


def _fit_ridge(inputs: Floats, good: Floats) -> tuple[Floats, Floats]:
    """Return the inputs' mean and the weights for every penalty, shape (penalties, m); one decomposition serves all."""
    mean = inputs.mean(axis=0)
    left, singular, right = np.linalg.svd(inputs - mean, full_matrices=False)
    projected = left.T @ (good - good.mean())
    shrunk = np.array([singular / (singular**2 + penalty) for penalty in _PENALTIES])
    return mean, np.asarray((shrunk * projected) @ right)


def _tells(log_odds: Floats, good: Floats) -> bool:
    """Whether left-out log-odds beat the base rate by more than one standard error."""
    rate = log_odds_of(np.array((good.sum() + 0.5) / (len(good) + 1)))
    gain = log_loss(np.full(len(good), rate), good) - log_loss(log_odds, good)
    return bool(gain.mean() > gain.std() / np.sqrt(len(good)))


def _fit_slope(scores: Floats, good: Floats) -> tuple[float, float]:
    """Return intercept and slope of the log-odds in a left-out score; the slope is not below 0."""
    spread = max(float(scores.std()), 1e-9)
    table = np.column_stack([np.ones(len(good)), scores / spread])
    weights = fit_logistic(table, good, penalty=np.array([1e-3, 4.0]))
    if weights[1] <= 0:
        return float(fit_logistic(table[:, :1], good, penalty=np.array([1e-3]))[0]), 0.0
    return float(weights[0]), float(weights[1] / spread)
