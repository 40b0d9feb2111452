"""P(good) of an answer: the group's calibration, else the documented prior, else the router; checks cap all of them."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiergate.decisions import Reason
from tiergate.policy.answer_confidence import (
    BASE_RATE,
    CONFIDENCE_HIGH,
    CONFIDENCE_LOW,
    ROUTER_PRIOR,
    AnswerConfidence,
    decide_answer_confidence,
    reads_text,
)
from tiergate.policy.confidence import decide_confidence
from tiergate.policy.gate_calibration import Evidence, GateCalibration, GroupCalibration

DIGEST = "sha256:" + "0" * 64


def evidence(intercept: float = 0.0, **changes: object) -> Evidence:
    fields = {"intercept": intercept, "prior": 0.0, "prior_mean": 0.0, "answer": {}, "spread": 0.5} | changes
    return Evidence.model_validate(fields)


def calibration(with_confidence: Evidence | None = None, without: Evidence | None = None) -> GateCalibration:
    group = GroupCalibration(
        method="by hand", n=100, n_without_confidence=0, scale="probability",
        knots=(-2.0, 4.0), log_odds=(-3.0, 1.0),
        with_confidence=with_confidence or evidence(), without_confidence=without or evidence(-1.0, spread=2.0),
    )  # fmt: skip
    return GateCalibration(format_version=1, data_digest=DIGEST, groups={"tier-a": group})


def decide(
    signals: dict[str, float],
    *,
    group: str = "tier-a",
    fitted: GateCalibration | None = None,
    prior: float | None = None,
    features: dict[str, float] | None = None,
) -> AnswerConfidence:
    return decide_answer_confidence(signals, model_group=group, calibration=fitted, prior=prior, features=features)


def test_the_groups_calibration_speaks_for_its_answers_and_the_prior_for_others() -> None:
    signals = {"logprob_mean": math.log(0.9)}
    calibrated, other = decide(signals, fitted=calibration()), decide(signals, group="tier-b", fitted=calibration())
    assert calibrated.confidence == pytest.approx(0.44, abs=0.01)
    assert other.confidence == decide(signals).confidence == pytest.approx(decide_confidence(signals)[0])
    assert ROUTER_PRIOR not in calibrated.signals | other.signals


def test_without_token_probabilities_the_interval_is_wider() -> None:
    measured = decide({"logprob_mean": math.log(0.9)}, fitted=calibration())
    missing = decide({}, fitted=calibration(), prior=0.99)
    assert missing.confidence == missing.signals[BASE_RATE] == pytest.approx(1 / (1 + math.e))

    def width(one: AnswerConfidence) -> float:
        return one.signals[CONFIDENCE_HIGH] - one.signals[CONFIDENCE_LOW]

    assert width(missing) > width(measured)


def test_before_outcomes_the_routers_score_speaks_for_an_answer_that_shows_nothing() -> None:
    known = decide({}, prior=0.9)
    assert known.confidence == known.signals[ROUTER_PRIOR] == pytest.approx(0.9)
    assert known.signals[CONFIDENCE_LOW] < 0.5
    assert decide({}) == AnswerConfidence(confidence=None, failure=Reason.NO_SIGNAL)


def test_a_failed_check_caps_a_calibrated_score_too() -> None:
    signals = {"logprob_mean": 0.0, "truncated": 1.0}
    sure = calibration(with_confidence=evidence(5.0))
    assert decide(signals, fitted=sure) == AnswerConfidence(confidence=0.5, failure=Reason.TRUNCATED)
    unsure = decide({"logprob_mean": -1.0, "truncated": 1.0}, fitted=calibration())
    assert unsure.confidence is not None
    assert unsure.confidence < 0.2
    assert decide({"empty": 1.0}, prior=0.99).confidence == 0.05
    assert decide({"empty": 1.0}, prior=0.99, fitted=calibration()).confidence == 0.05


def test_router_and_text_count_where_outcomes_gave_them_weight() -> None:
    fitted = calibration(with_confidence=evidence(prior=1.0, answer={"hedges": -2.0}, answer_mean={"hedges": 0.5}))
    assert reads_text(fitted, "tier-a")
    assert not reads_text(calibration(), "tier-a")
    assert not reads_text(fitted, "tier-b")
    assert not reads_text(None, "tier-a")
    signals = {"logprob_mean": math.log(0.9)}

    def confidence(prior: float, features: dict[str, float] | None) -> float:
        found = decide(signals, fitted=fitted, prior=prior, features=features).confidence
        assert found is not None
        return found

    assert confidence(0.9, {"hedges": 0.5}) > confidence(0.5, {"hedges": 0.5}) > confidence(0.5, {"hedges": 2.0})
    assert confidence(0.5, None) == confidence(0.5, {"hedges": 0.5})


@given(
    signals=st.dictionaries(
        st.sampled_from(["logprob_mean", "truncated", "refusal", "empty"]),
        st.floats(allow_nan=True, allow_infinity=True),
    ),
    prior=st.one_of(st.none(), st.floats(0, 1)),
    fitted=st.booleans(),
)
def test_any_signals_give_a_probability_or_none(
    signals: dict[str, float], prior: float | None, *, fitted: bool
) -> None:
    known = decide(signals, fitted=calibration() if fitted else None, prior=prior)
    assert known.confidence is None or 0.0 <= known.confidence <= 1.0
    assert (known.confidence is None) == (known.failure is Reason.NO_SIGNAL)
    assert all(math.isfinite(value) for value in known.signals.values())
