"""From the signals of an answer to P(the answer is good).

Until a team has calibrated on its own outcomes, a documented prior speaks. It turns the mean log-
probability m of the tokens into evidence, the log-odds of the probability p = exp(m) with the doubt 1 - p
cut off at 0.001, and that into P(good) = 1 / (1 + exp(-(intercept + slope * evidence))).

Slope: fitted on 14 models and five multiple-choice sets (benchmarks/fit_confidence_prior.py; the figures
are in benchmarks/results/confidence_prior.json), one slope for all models and one intercept for each.
With the slope of the other 13 models and its own accuracy, a left-out model has a calibration error of
0.057 on average and 0.095 at most; its bare probability has 0.206 and 0.404. The slope is well below 1:
models are surer than they are right.

Intercept: the fit cannot know how often a team's cheap tier is right, so the base rate is a choice: 0.80,
between the two models of the data that are nearest to today's cheap tiers (0.78 and 0.86). The intercept is
the one at which the mean prediction over a model's evidence is 0.80, averaged over the 14 models (0.85 would
give 0.94, 0.90 would give 1.42). With it, a mean token probability below 0.72 is below 0.70, and one of at
least 0.982 is at least 0.85. The data is one answer token each; for long free-form answers the prior is an
extrapolation, and calibration replaces it.

An answer that fails a structural check is capped, whatever its tokens say. The caps are judgement, not
measurement: each is below 0.70, lower where the answer is of less use.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from tiergate.decisions import Reason

MIN_DOUBT = 1e-3
MAX_REPETITION = 0.6
"""From this share of repeated 4-grams on, an answer counts as stuck in a loop."""
_MAX_EXPONENT = 700.0
_LEAST_LOGPROB = -700.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfidenceMapping:
    """A logistic from the evidence of an answer to P(good).

    Attributes:
        intercept: Log-odds of a good answer at evidence 0 (mean token probability 0.5).
        slope: What one unit of evidence is worth; not below 0.
    """

    intercept: float
    slope: float


PRIOR = ConfidenceMapping(intercept=0.575, slope=0.293)
"""The mapping until a team has calibrated; see the module's docstring."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Check:
    """A structural check: the signal, the value from which on it fails, the cap, and the reason given."""

    signal: str
    fails_from: float
    max_confidence: float
    reason: Reason


_CHECKS = (
    # The first that fails gives the reason: a cause goes before its consequence (a cut answer, broken JSON).
    _Check(signal="refusal", fails_from=0.5, max_confidence=0.30, reason=Reason.REFUSAL),
    _Check(signal="empty", fails_from=0.5, max_confidence=0.05, reason=Reason.EMPTY_ANSWER),
    _Check(signal="truncated", fails_from=0.5, max_confidence=0.50, reason=Reason.TRUNCATED),
    _Check(signal="invalid_json", fails_from=0.5, max_confidence=0.10, reason=Reason.INVALID_JSON),
    _Check(signal="invalid_tool_arguments", fails_from=0.5, max_confidence=0.10, reason=Reason.INVALID_JSON),
    _Check(signal="repetition", fails_from=MAX_REPETITION, max_confidence=0.30, reason=Reason.CONFIDENCE_LOW),
)


def decide_confidence(
    signals: Mapping[str, float], mapping: ConfidenceMapping = PRIOR
) -> tuple[float | None, Reason | None]:
    """Return P(the answer is good), and why where the reason is more than the number.

    Args:
        signals: Signals of the answer, as `signals.measure_signals` gives them.
        mapping: From evidence to P(good).

    Returns:
        A number in [0, 1] and None; or the capped number and the failed check's reason; or None and
        `NO_SIGNAL` when the answer passes every check and its provider gave no log-probabilities.
    """
    cap, reason = find_cap(signals)
    mean = signals.get("logprob_mean", math.nan)
    if math.isfinite(mean):
        score = _apply(mapping, measure_evidence(mean))
        return score if cap is None else min(score, cap), reason
    return (None, Reason.NO_SIGNAL) if cap is None else (cap, reason)


def find_cap(signals: Mapping[str, float]) -> tuple[float, Reason] | tuple[None, None]:
    """Return the most that P(good) may be for the checks that the answer fails, and the first failed one's reason.

    Args:
        signals: Signals of the answer, as `signals.measure_signals` gives them.

    Returns:
        None and None when it passes them all.
    """
    failed = [check for check in _CHECKS if signals.get(check.signal, 0.0) >= check.fails_from]
    return (min(check.max_confidence for check in failed), failed[0].reason) if failed else (None, None)


def measure_evidence(logprob_mean: float) -> float:
    """Return the log-odds of the mean token probability, the doubt cut off at 0.001.

    Args:
        logprob_mean: Mean log-probability per token, finite; above 0 counts as 0.
    """
    mean = min(0.0, max(_LEAST_LOGPROB, logprob_mean))
    return mean - math.log(max(MIN_DOUBT, -math.expm1(mean)))


def _apply(mapping: ConfidenceMapping, evidence: float) -> float:
    score = mapping.intercept + mapping.slope * evidence
    return 1.0 / (1.0 + math.exp(min(_MAX_EXPONENT, -score)))
