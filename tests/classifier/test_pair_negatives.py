"""Hard negatives: each kind changes what it says, and nothing is left as it was."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiergate_classifier.pair_negatives import kinds, negatives_of

BASES = (
    "How do I get from Munich to Vienna by train in 2024?",
    "is it safe to eat 3 raw eggs in Texas",
    "Did Brazil beat Germany at home?",
    "what is not included in my plan",
    "show the largest increase",
    "when does my shop open",
    "",
)


def made(text: str, seed: int = 1) -> dict[str, tuple[str, str]]:
    return dict(negatives_of(text, random.Random(seed), ["banana"]))


@pytest.mark.parametrize("text", BASES)
def test_two_sides_always_differ(text: str) -> None:
    for seed in range(20):
        for kind, (a, b) in made(text, seed).items():
            assert a != b, kind


def test_every_kind_is_made_of_some_prompt() -> None:
    assert {kind for text in BASES for seed in range(5) for kind in made(text, seed)} == set(kinds())


def test_directions_are_swapped() -> None:
    a, b = made("How do I get from Munich to Vienna by train")["swapped_roles"]
    assert a.endswith("from Munich to Vienna by train")
    assert "from Vienna" in b


def test_names_are_swapped() -> None:
    assert made("Did Brazil beat Germany at home?")["swapped_roles"][1] == "Did Germany beat Brazil at home?"


def test_a_not_is_put_in_or_taken_out() -> None:
    assert made("is it safe to go")["negation"][1] == "is it not safe to go"
    assert made("that is safe")["negation"][1] == "that is not safe"
    assert made("what is not included")["negation"][1] == "what is included"
    assert "negation" not in made("list cats")


def test_an_opposite_is_exchanged() -> None:
    assert "opposite" not in made("list cats")
    assert "decrease" in made("a sharp increase")["opposite"][1] or "reduce" in made("a sharp increase")["opposite"][1]


def test_without_vocabulary_no_word_is_exchanged() -> None:
    assert "content_word" not in negatives_of("sort lists", random.Random(1), [])


@given(st.text(max_size=60), st.integers(0, 50))
def test_every_text_can_be_changed(text: str, seed: int) -> None:
    assert set(made(text, seed)) <= set(kinds())
