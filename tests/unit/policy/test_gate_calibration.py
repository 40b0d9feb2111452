"""The calibrated score keeps the order of confidences, is honest without one, and its file is checked."""

import json
import math
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiergate.errors import ArtifactError
from tiergate.policy.answer_features import ANSWER_FEATURES, answer_features_of
from tiergate.policy.confidence import PRIOR, ConfidenceMapping, decide_confidence
from tiergate.policy.gate_calibration import (
    Evidence,
    GateCalibration,
    GroupCalibration,
    dump_gate_calibration,
    parse_gate_calibration,
    score_by_prior,
)

NOTHING = Evidence(intercept=0.0, prior=0.0, prior_mean=0.0, answer={}, spread=0.1)


def _group(**changes: Any) -> GroupCalibration:
    fields: dict[str, Any] = {
        "method": "test",
        "n": 100,
        "n_without_confidence": 10,
        "scale": "probability",
        "knots": (-1.0, 0.0, 2.0),
        "log_odds": (-2.0, -0.5, 1.0),
        "with_confidence": NOTHING,
        "without_confidence": Evidence(intercept=0.4, prior=0.5, prior_mean=-1.0, answer={"hedges": -1.0}, spread=1.0),
    }
    return GroupCalibration.model_validate(fields | changes)


def _whole(**changes: Any) -> GateCalibration:
    return GateCalibration(format_version=1, data_digest="sha256:" + "0" * 64, groups={"cheap": _group(**changes)})


@given(st.lists(st.floats(1e-9, 1 - 1e-9), min_size=2, max_size=20, unique=True))
def test_calibration_never_changes_the_order_of_confidences(confidences: list[float]) -> None:
    group = _group()
    ordered = sorted(confidences)
    mapped = [group.map_confidence(one) for one in ordered]
    assert mapped == sorted(mapped)
    for left, right in pairwise(ordered):
        if right - left > 1e-6:
            assert group.map_confidence(left) < group.map_confidence(right)


@given(
    st.one_of(st.none(), st.floats()),
    st.one_of(st.none(), st.floats(0, 1)),
    st.one_of(st.none(), st.text().map(lambda text: answer_features_of(text, "why"))),
)
def test_every_score_is_a_probability_inside_its_interval(
    confidence: float | None, prior: float | None, answer: dict[str, float] | None
) -> None:
    for group in (_group(), _group(scale="number"), _group(knots=(), log_odds=())):
        score = group.score(confidence, prior=prior, answer=answer)
        assert 0 <= score.low <= score.probability <= score.high <= 1
        assert score.calibrated


def test_between_and_at_the_knots_the_map_is_linear() -> None:
    group = _group(scale="number")
    assert group.map_confidence(0.0) == -0.5
    assert group.map_confidence(1.0) == pytest.approx(0.25)
    assert group.map_confidence(3.0) > 1.0
    assert group.map_confidence(-3.0) < -2.0


def test_without_a_confidence_the_score_is_wider_and_made_of_prior_and_text() -> None:
    group = _group()
    with_one, without = group.score(0.5), group.score(None, prior=0.5, answer={"hedges": 1.0})
    assert without.probability == pytest.approx(1 / (1 + math.exp(0.6)))
    assert without.high - without.low > with_one.high - with_one.low
    assert group.score(math.nan) == group.score(None)
    assert group.score(None).probability == pytest.approx(1 / (1 + math.exp(0.1)))


def test_a_group_without_outcomes_goes_by_the_documented_prior() -> None:
    whole = _whole()
    assert whole.score("cheap", 0.5).calibrated
    assert whole.score("other", 0.5) == score_by_prior(0.5)
    assert not score_by_prior(0.5).calibrated
    expected, _ = decide_confidence(
        {"logprob_mean": math.log(0.9)}, ConfidenceMapping(intercept=PRIOR.intercept, slope=PRIOR.slope)
    )
    assert score_by_prior(0.9).probability == pytest.approx(expected)


@pytest.mark.parametrize("confidence", [None, 1.5, -0.1, math.nan])
def test_the_prior_makes_up_nothing_without_a_probability(confidence: float | None) -> None:
    assert score_by_prior(confidence).probability == 0.5
    assert score_by_prior(confidence, prior=0.8).probability == pytest.approx(0.8)
    assert score_by_prior(confidence).high - score_by_prior(confidence).low > 0.7


def test_what_is_written_is_what_is_read() -> None:
    whole = _whole(escalate_below=0.6, trust_from=0.8)
    text = dump_gate_calibration(whole)
    assert parse_gate_calibration(text, "f") == whole
    assert dump_gate_calibration(parse_gate_calibration(text, "f")) == text
    assert whole.digest == parse_gate_calibration(text, "f").digest
    assert whole.digest != _whole().digest


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"knots": [0.0, 0.0, 1.0]}, "knots do not rise"),
        ({"log_odds": [0.0, 1.0, 0.5]}, "log_odds do not rise"),
        ({"knots": [0.0]}, "differ in length"),
        ({"escalate_below": 0.9, "trust_from": 0.8}, "escalate_below is above"),
        ({"n": -1}, "greater than or equal"),
        ({"surprise": 1}, "Extra inputs"),
        (
            {"with_confidence": {"intercept": 0, "prior": 0, "prior_mean": 0, "answer": {"charm": 1.0}, "spread": 0}},
            "charm",
        ),
    ],
)
def test_a_file_that_does_not_fit_together_is_refused(changes: dict[str, Any], named: str) -> None:
    content = json.loads(dump_gate_calibration(_whole()))
    content["groups"]["cheap"] |= changes
    with pytest.raises(ArtifactError, match=named):
        parse_gate_calibration(json.dumps(content), "gate_calibration.json")


@pytest.mark.parametrize("text", ["", "[]", "{}", "nonsense", '{"format_version": 2}', "[" * 100_000])
def test_a_file_of_another_kind_or_version_is_refused(text: str) -> None:
    with pytest.raises(ArtifactError, match="format_version"):
        parse_gate_calibration(text, "gate_calibration.json")


def test_every_feature_of_an_answer_may_weigh_something() -> None:
    group = _group(
        with_confidence=Evidence(
            intercept=0.0, prior=1.0, prior_mean=0.0, answer=dict.fromkeys(ANSWER_FEATURES, 0.1), spread=0.0
        )
    )
    features = answer_features_of("a plain answer.", "a question")
    assert group.score(0.5, answer=features).probability > group.score(0.5).probability
    assert group.score(0.5, prior=0.9).probability > group.score(0.5, prior=0.1).probability
