"""Confidence: laws over any signals, the prior's stated figures, caps and reasons."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiergate.decisions import Reason
from tiergate.policy.confidence import PRIOR, ConfidenceMapping, decide_confidence, measure_evidence

NAMES = (
    "logprob_mean",
    "refusal",
    "empty",
    "truncated",
    "invalid_json",
    "invalid_tool_arguments",
    "repetition",
)
signals = st.dictionaries(st.sampled_from(NAMES), st.floats(allow_nan=True, allow_infinity=True))
structure = st.dictionaries(st.sampled_from(NAMES[1:]), st.floats(0, 1))
mappings = st.builds(
    ConfidenceMapping,
    intercept=st.floats(-1e6, 1e6),
    slope=st.floats(0, 1e6),
)


@given(signals, mappings)
def test_any_signals_give_a_probability_or_none(
    given_signals: dict[str, float], mapping: ConfidenceMapping
) -> None:
    confidence, reason = decide_confidence(given_signals, mapping)
    assert (confidence, reason) == decide_confidence(given_signals, mapping)
    if confidence is None:
        assert reason is Reason.NO_SIGNAL
    else:
        assert 0.0 <= confidence <= 1.0


@given(structure, st.floats(-1000, 0), st.floats(-1000, 0), mappings)
def test_a_higher_mean_never_lowers_the_confidence(
    rest: dict[str, float], one: float, other: float, mapping: ConfidenceMapping
) -> None:
    low, _ = decide_confidence({**rest, "logprob_mean": min(one, other)}, mapping)
    high, _ = decide_confidence({**rest, "logprob_mean": max(one, other)}, mapping)
    assert low is not None
    assert high is not None
    assert low <= high


@given(st.floats(-20, -1e-6))
def test_the_prior_tells_apart_every_mean(mean: float) -> None:
    lower, _ = decide_confidence({"logprob_mean": mean * 1.01})
    upper, _ = decide_confidence({"logprob_mean": mean})
    assert lower is not None
    assert upper is not None
    assert lower < upper


@pytest.mark.parametrize(
    ("probability", "confidence"), [(0.5, 0.640), (0.71, 0.698), (0.72, 0.701), (0.982, 0.851), (1.0, 0.931)]
)
def test_the_figures_that_the_prior_states(probability: float, confidence: float) -> None:
    told, reason = decide_confidence({"logprob_mean": math.log(probability)})
    assert told == pytest.approx(confidence, abs=0.001)
    assert reason is None


def test_evidence_is_the_log_odds_until_the_doubt_is_cut_off() -> None:
    assert measure_evidence(math.log(0.5)) == pytest.approx(0.0)
    assert measure_evidence(math.log(0.9)) == pytest.approx(math.log(9))
    assert measure_evidence(0.0) == measure_evidence(3.0) == pytest.approx(math.log(1000))


@pytest.mark.parametrize(
    ("signal", "value", "reason"),
    [
        ("refusal", 1.0, Reason.REFUSAL),
        ("empty", 1.0, Reason.EMPTY_ANSWER),
        ("truncated", 1.0, Reason.TRUNCATED),
        ("invalid_json", 1.0, Reason.INVALID_JSON),
        ("invalid_tool_arguments", 1.0, Reason.INVALID_JSON),
        ("repetition", 0.6, Reason.CONFIDENCE_LOW),
    ],
)
def test_a_failed_check_caps_below_the_escalation_cut(signal: str, value: float, reason: Reason) -> None:
    sure, told = decide_confidence({"logprob_mean": 0.0, signal: value})
    assert sure is not None
    assert sure < 0.70
    assert told is reason
    assert decide_confidence({signal: value}) == (sure, reason)
    unsure, _ = decide_confidence(
        {"logprob_mean": -700.0, signal: value}, ConfidenceMapping(intercept=0, slope=1)
    )
    assert unsure is not None
    assert unsure < sure


def test_the_cause_is_named_and_the_lowest_cap_holds() -> None:
    both = decide_confidence({"truncated": 1.0, "invalid_json": 1.0, "logprob_mean": 0.0})
    assert both == (0.10, Reason.TRUNCATED)


def test_passed_checks_alone_are_no_signal() -> None:
    assert decide_confidence({}) == (None, Reason.NO_SIGNAL)
    assert decide_confidence({"refusal": 0.0, "repetition": 0.2}) == (None, Reason.NO_SIGNAL)


def test_the_prior_is_monotone() -> None:
    assert PRIOR.slope > 0
