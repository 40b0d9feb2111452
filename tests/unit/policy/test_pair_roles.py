"""Roles: what changes place is told from what is only put otherwise, and the order of the two prompts never matters."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiergate.policy.pair_roles import WORDS_READ, are_exchanged

WORDS = st.lists(st.sampled_from("alice bob pays from to the and when new york".split()), max_size=12)  # noqa: SIM905 - words


def exchanged(a: str, b: str) -> bool:
    return are_exchanged(a.split(), b.split())


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("alice pays bob", "bob pays alice"),
        ("what happens when the buyer sues the seller", "when the seller sues the buyer what happens"),
        ("flights from new york to boston", "cheap flights from boston to new york"),
        ("does my phone charge your laptop", "does your laptop charge my phone"),
        ("can my employer read my emails before hr", "can hr read my emails before my employer"),
    ],
)
def test_two_that_change_places_are_found(a: str, b: str) -> None:
    assert exchanged(a, b)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("alice pays bob", "alice pays bob"),
        ("alice pays bob", "how much does alice pay bob"),
        ("compare rust and go for servers", "compare go and rust for servers"),
        ("is rust or go faster", "is go or rust faster"),
        ("big dogs", "dogs big"),
        ("group users by country in june", "in june group users by country"),
        ("", "alice pays bob"),
    ],
)
def test_what_is_only_put_otherwise_is_left_alone(a: str, b: str) -> None:
    assert not exchanged(a, b)


@given(WORDS, WORDS)
def test_the_order_of_the_prompts_does_not_matter(a: list[str], b: list[str]) -> None:
    assert are_exchanged(a, b) == are_exchanged(b, a)


@given(WORDS)
def test_a_prompt_exchanges_nothing_with_itself(words: list[str]) -> None:
    assert not are_exchanged(words, words)


def test_only_the_beginning_of_a_long_prompt_is_read() -> None:
    start = ["word"] * WORDS_READ
    assert not are_exchanged([*start, "alice", "pays", "bob"], [*start, "bob", "pays", "alice"])
