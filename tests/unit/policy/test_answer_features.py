"""Every text has features, all finite; the ones that matter move the right way."""

import math

from hypothesis import given
from hypothesis import strategies as st

from tiergate.policy.answer_features import ANSWER_FEATURES, answer_features_of


@given(st.text(), st.text())
def test_every_text_has_every_feature_and_all_are_finite(answer: str, prompt: str) -> None:
    features = answer_features_of(answer, prompt)
    assert tuple(features) == ANSWER_FEATURES
    assert all(math.isfinite(value) for value in features.values())
    for share in ("digit_share", "mathematics_share", "repetition", "unfinished", "prompt_overlap"):
        assert 0 <= features[share] <= 1


def test_an_empty_answer_is_short_and_unfinished() -> None:
    features = answer_features_of("", "Why?")
    assert features["log_characters"] == 0
    assert features["unfinished"] == 1
    assert features["repetition"] == 0


def test_hedging_refusing_and_looping_are_counted() -> None:
    plain = answer_features_of("The answer is (B).", "Which one?")
    hedged = answer_features_of("It might perhaps be (B), but I cannot say.", "Which one?")
    looping = answer_features_of("so it goes on " * 20, "Which one?")
    assert hedged["hedges"] > plain["hedges"] == 0
    assert hedged["refusals"] > plain["refusals"] == 0
    assert plain["conclusions"] > 0
    assert looping["repetition"] > 0.8 > plain["repetition"]
    assert looping["unfinished"] == 1
    assert plain["unfinished"] == 0


def test_a_very_long_answer_counts_its_whole_length() -> None:
    assert answer_features_of("x" * 100_000, "")["log_characters"] == math.log1p(100_000)
