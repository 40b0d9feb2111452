"""The word lists: lower case, no word in two places where one would hide the other, opposites go both ways."""

from collections.abc import Collection

import pytest

from tiergate.policy import pair_words

SETS = {
    name: getattr(pair_words, name)
    for name in (
        "FUNCTION_WORDS", "COURTESY", "NEGATIONS", "QUANTIFIERS", "COMPARATIVES", "LANGUAGE_NAMES", "FORMATS", "ASKED",
        "EVEN_HANDED",
    )
}  # fmt: skip
MAPS = {
    name: getattr(pair_words, name)
    for name in (
        "CONTRACTIONS",
        "UNITS",
        "DATES",
        "QUESTION_WORDS",
        "PERSONS",
        "ASKED_NOUNS",
        "OWNERS",
        "NUMBER_WORDS",
        "MULTIPLIERS",
    )
}


@pytest.mark.parametrize("words", [*SETS.values(), *MAPS.values(), pair_words.ANTONYMS], ids=[*SETS, *MAPS, "ANTONYMS"])
def test_words_are_single_and_in_lower_case(words: Collection[str]) -> None:
    assert words
    assert [word for word in words if word != word.lower() or not word.strip() or " " in word] == []


@pytest.mark.parametrize("name", ["UNITS", "DATES"])
def test_a_name_of_a_group_stands_for_itself(name: str) -> None:
    groups = MAPS[name]
    assert [value for value in groups.values() if groups[value] != value] == []


def test_units_and_dates_do_not_share_words() -> None:
    assert set(pair_words.UNITS) & set(pair_words.DATES) == set()


def test_opposites_go_both_ways_and_never_to_the_word_itself() -> None:
    for word, others in pair_words.ANTONYMS.items():
        assert word not in others
        assert all(word in pair_words.ANTONYMS[other] for other in others)


def test_words_that_carry_meaning_are_no_function_words() -> None:
    """A word that is dropped as filler may not be one that another feature reads."""
    read = pair_words.NEGATIONS | pair_words.UNITS.keys() | pair_words.DATES.keys() | pair_words.LANGUAGE_NAMES
    assert pair_words.FUNCTION_WORDS & read == set()


def test_courtesy_is_no_negation_quantity_or_comparison() -> None:
    loud = pair_words.NEGATIONS | pair_words.QUANTIFIERS | pair_words.COMPARATIVES | pair_words.ASKED
    assert pair_words.COURTESY & loud == set()


def test_contractions_end_in_words_that_the_other_lists_know() -> None:
    turned = [text for text in pair_words.CONTRACTIONS.values() if text.endswith(" not")]
    assert len(turned) > 10
    assert "not" in pair_words.NEGATIONS
    assert [short for short, text in pair_words.CONTRACTIONS.items() if short in text.split()] == []


def test_numerals_rise_in_their_order() -> None:
    names = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
    assert [pair_words.NUMBER_WORDS[name] for name in names] == list(range(13))
    assert pair_words.MULTIPLIERS["bn"] == pair_words.MULTIPLIERS["billion"] == 10**9


def test_the_commonest_words_tell_languages_apart() -> None:
    languages = pair_words.STOPWORDS_BY_LANGUAGE
    for name, words in languages.items():
        others = frozenset().union(*(other for each, other in languages.items() if each != name))
        assert len(words - others) >= 3, name
