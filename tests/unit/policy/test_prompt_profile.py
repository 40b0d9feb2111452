"""What is read of one prompt."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiergate.policy.prompt_profile import MAX_CHARACTERS, profile_of


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("five apples", {"5": 1}),
        ("twenty-five apples", {"25": 1}),
        ("twenty five apples", {"25": 1}),
        ("1,000 users", {"1000": 1}),
        ("1000 users", {"1000": 1}),
        ("80k a year", {"80000": 1}),
        ("two hundred pages", {"200": 1}),
        ("2.5 litres", {"2.5": 1}),
        ("2,5 litres", {"2.5": 1}),
        ("3 and 3 and 4", {"3": 2, "4": 1}),
        ("release 1.2.3.4", {"1.2.3.4": 1}),
        ("no figure", {}),
    ],
)
def test_numbers_are_read_by_value(text: str, numbers: dict[str, int]) -> None:
    assert profile_of(text).numbers == numbers


@pytest.mark.parametrize(
    ("text", "dates"),
    [
        ("in Jan 2024", {"january", "2024"}),
        ("by Tuesdays", {"tuesday"}),
        ("on 2024-05-01", {"1-2024-5"}),
        ("on 1/5/2024", {"1-2024-5"}),
        ("tomorrow", {"tomorrow"}),
    ],
)
def test_dates_are_no_numbers(text: str, dates: set[str]) -> None:
    profile = profile_of(text)
    assert profile.dates == dates
    assert not profile.numbers


def test_units_and_currencies_have_one_name_each() -> None:
    assert profile_of("10 kilometres for $5").units == {"km", "usd"}


def test_contractions_are_written_out_and_courtesy_is_left_out() -> None:
    assert profile_of("Please, what's new? Thanks").words == profile_of("what is new").words


def test_negations_are_counted() -> None:
    assert profile_of("don't go without me").negations == 2


def test_names_are_capitals_inside_a_sentence() -> None:
    assert profile_of("Trains from Munich to Vienna's centre").names == {"munich", "vienna"}


def test_in_a_shout_capitals_say_nothing() -> None:
    assert profile_of("WHERE IS MY ORDER NOW").names == frozenset()


def test_codes_are_found() -> None:
    assert {"py3", "my_table", "--force"} <= profile_of("run py3 on my_table with --force").codes


@pytest.mark.parametrize(
    ("text", "kind"),
    [("how many cats", "how many"), ("how do cats", "how"), ("Is it", "yes_no"), ("list cats", ""), ("how", "how")],
)
def test_the_kind_of_question_is_read(text: str, kind: str) -> None:
    assert profile_of(text).question == kind


def test_who_when_where_and_why_are_kept() -> None:
    assert profile_of("whose car, and when").asked == {"who", "when"}


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("wie ist das und was", "de"),
        ("what is the time", "en"),
        ("привет", "cyrillic"),
        ("你好", "cjk"),
        ("zzz", ""),
        ("\ue000", ""),
    ],
)
def test_the_language_is_guessed(text: str, language: str) -> None:
    assert profile_of(text).language == language


def test_directions_are_read() -> None:
    assert profile_of("a train from Munich to Vienna").directions == {("munich", "vienna")}
    assert profile_of("convert euros to dollars").directions == {("euros", "dollars")}


def test_of_a_long_text_the_middle_is_kept_for_comparison() -> None:
    long = "a " * (3 * MAX_CHARACTERS)
    assert len(profile_of(long).middle) == len(long) - 2 * MAX_CHARACTERS
    assert not profile_of("short").middle


@given(st.text(max_size=400))
def test_every_text_can_be_read(text: str) -> None:
    profile = profile_of(text)
    assert profile_of(text).words == profile.words
    assert profile.negations >= 0
