"""P(an answer is good) for the gate in force: signals, calibration of the model group, router's prior, checks.

Two things speak. The calibration of the model group, where there is one, maps the mean token probability (the number
that `confidence|TIER` of an outcome table holds) and, where they helped on outcomes, the router's prior and the
answer's text. Without one the documented prior of `confidence` speaks, and where there are no token probabilities the
router's score. An answer that fails a structural check is capped as in `confidence`, calibrated or not: outcomes of
whole answers say little of broken ones.

A score without token probabilities is honest but wide. Its 90 % interval goes into the signals, so that a record shows
how much is known, and `confidence_gate` asks a verifier about an answer that may be weak for all that is known.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from tiergate.decisions import Reason
from tiergate.policy.confidence import find_cap
from tiergate.policy.gate_calibration import GateCalibration, GateScore, GroupCalibration, score_by_prior

ROUTER_PRIOR = "router_prior"
"""Signal: the router's score of the tier, where it is all that is known of the answer."""
BASE_RATE = "base_rate"
"""Signal: what outcomes say of answers of this group without token probabilities, where that is all that is known."""
CONFIDENCE_LOW, CONFIDENCE_HIGH = "confidence_low", "confidence_high"
"""Signals: ends of the 90 % interval of the confidence."""
UNMEASURED = frozenset({ROUTER_PRIOR, BASE_RATE})
"""Signals that stand for an answer which shows nothing to judge it by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerConfidence:
    """What is known of an answer.

    Attributes:
        confidence: P(good); None when nothing is known.
        failure: The failed structural check, `NO_SIGNAL` when nothing is known, else None.
        signals: What is added to the answer's signals.
    """

    confidence: float | None
    failure: Reason | None
    signals: Mapping[str, float] = field(default_factory=dict)


def reads_text(calibration: GateCalibration | None, model_group: str) -> bool:
    """Tell whether the features of the answer's text weigh anything for a model group."""
    group = None if calibration is None else calibration.groups.get(model_group)
    return group is not None and bool(group.with_confidence.answer or group.without_confidence.answer)


def decide_answer_confidence(
    signals: Mapping[str, float],
    *,
    model_group: str,
    calibration: GateCalibration | None,
    prior: float | None,
    features: Mapping[str, float] | None,
) -> AnswerConfidence:
    """Return P(the answer is good), how wide that is, and why it is low where a check failed.

    Args:
        signals: Signals of the answer, as `signals.measure_signals` gives them.
        model_group: Model group that answered.
        calibration: Calibrations by model group; None before there are any.
        prior: The router's P(good) of the tier before it answered; None when there is none.
        features: Surface features of the answer's text; None when they were not measured.
    """
    cap, failure = find_cap(signals)
    group = None if calibration is None else calibration.groups.get(model_group)
    mean = signals.get("logprob_mean", math.nan)
    raw = math.exp(min(0.0, mean)) if math.isfinite(mean) else None
    if cap is not None and group is None and raw is None:
        # The router's score was given before the answer was broken.
        return AnswerConfidence(confidence=cap, failure=failure)
    score = _score(group, raw, prior, features)
    if score is None:
        return AnswerConfidence(confidence=None, failure=Reason.NO_SIGNAL)
    if cap is not None:
        return AnswerConfidence(confidence=min(score.probability, cap), failure=failure)
    added = {CONFIDENCE_LOW: score.low, CONFIDENCE_HIGH: score.high}
    confidence = prior if prior is not None and group is None and raw is None else score.probability
    if raw is None:
        added[ROUTER_PRIOR if group is None else BASE_RATE] = confidence
    return AnswerConfidence(confidence=confidence, failure=None, signals=added)


def _score(
    group: GroupCalibration | None, raw: float | None, prior: float | None, features: Mapping[str, float] | None
) -> GateScore | None:
    """Return the score with its interval; None when nothing is known."""
    if group is not None:
        return group.score(raw, prior=prior, answer=features)
    return None if raw is None and prior is None else score_by_prior(raw, prior=prior)
