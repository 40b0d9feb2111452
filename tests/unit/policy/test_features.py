import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiergate.policy.features import _FEATURES_OF_STEM as STEMS
from tiergate.policy.features import FEATURES, MAX_CHARACTERS, features_of

SHARES = ("quoted_share", "digit_share", "non_ascii_share", "upper_share")


@given(st.text())
def test_every_text_has_every_feature_finite_and_the_same_twice(text: str) -> None:
    features = features_of(text)

    assert tuple(features) == FEATURES
    assert all(math.isfinite(value) and value >= 0 for value in features.values())
    assert features_of(text) == features


@given(st.text())
def test_shares_lie_between_0_and_1(text: str) -> None:
    assert all(0 <= features_of(text)[name] <= 1 for name in SHARES)


@given(st.text(), st.text())
def test_a_longer_text_is_not_measured_shorter(text: str, more: str) -> None:
    assert features_of(text + more)["log_characters"] >= features_of(text)["log_characters"]


def test_names_are_unique() -> None:
    assert len(set(FEATURES)) == len(FEATURES)


@pytest.mark.parametrize(
    ("name", "prompt", "count"),
    [
        ("questions", "Why? And how?", 2),
        ("sentences", "One. Two! Three", 2),
        ("question_words", "What is it and why", 3),
        ("imperatives", "Write a poem, then translate it", 2),
        ("reasoning_words", "Prove it and justify the assumptions", 3),
        ("constraints", "must be under ten words, without adjectives", 3),
        ("first_person", "I think my idea is ours", 2),
        ("format_asked", "as JSON in a table", 2),
        ("length_asked", "in 100 words or 5 sentences", 2),
        ("code_marks", "x = foo() => {y}", 4),
        ("mathematics_marks", "x^2 + y^2 = 1", 4),
        ("list_marks", "a, b; c: d", 3),
        ("money_marks", "$5 or 3%", 2),
        ("finance_words", "My mortgage and the remortgaging", 2),
        ("legal_words", "The landlord's contract, evicted", 3),
        ("health_words", "fever and a rash", 2),
        ("code_words", "a python function", 2),
        ("data_words", "statistics of a csv", 2),
        ("customer_words", "refund my order", 2),
        ("log_lines", "a\nb\nc", 2),
    ],
)
def test_counts_are_log_of_one_more(name: str, prompt: str, count: int) -> None:
    assert features_of(prompt)[name] == pytest.approx(math.log1p(count))


@pytest.mark.parametrize(
    ("name", "prompt", "share"),
    [
        ("quoted_share", 'ab "cd"', 4 / 7),
        ("digit_share", "a1b22", 3 / 5),
        ("non_ascii_share", "aé", 1 / 2),
        ("upper_share", "ABcd", 1 / 2),
    ],
)
def test_shares_are_of_the_characters(name: str, prompt: str, share: float) -> None:
    assert features_of(prompt)[name] == pytest.approx(share)


def test_a_word_counts_in_whole_only() -> None:
    assert features_of("contractor lawn taxonomy")["finance_words"] == 0
    assert features_of("flaw")["legal_words"] == 0


def test_lengths_are_those_of_the_whole_text_and_counts_those_of_its_start() -> None:
    short, long = features_of("why " * (MAX_CHARACTERS // 4)), features_of("why " * MAX_CHARACTERS)

    assert long["log_characters"] == pytest.approx(math.log1p(4 * MAX_CHARACTERS))
    assert long["log_words"] == pytest.approx(math.log1p(MAX_CHARACTERS), rel=1e-3)
    assert long["question_words"] == short["question_words"]


def test_every_stem_is_as_long_as_what_is_looked_up() -> None:
    assert {len(stem) for stem in STEMS} == {6}
