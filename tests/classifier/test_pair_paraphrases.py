"""Paraphrases keep every fact."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiergate.policy.pair_features import profile_of
from tiergate_classifier.pair_paraphrases import paraphrase

PROMPTS = (
    "How do I buy 3 tickets from Munich to Vienna?",
    "What is the price of 12 eggs in euros?",
    "Explain how a big car works.",
    "Write a short email to my doctor.",
    "Can I cancel my order?",
    "Why is the sky blue?",
    "When does the shop open on Monday?",
    "I want to talk to a person",
    "If it rains all day, what can we do inside?",
    "what's new",
    "that is new",
)


@pytest.mark.parametrize("text", PROMPTS)
def test_facts_stay(text: str) -> None:
    facts = profile_of(text)
    for seed in range(40):
        other = profile_of(paraphrase(text, random.Random(seed), 3))
        assert other.numbers == facts.numbers
        assert other.negations == facts.negations
        assert other.asked <= facts.asked


def test_most_tries_change_something() -> None:
    changed = sum(paraphrase(text, random.Random(seed)) != text for text in PROMPTS for seed in range(20))
    assert changed == len(PROMPTS) * 20


def test_the_same_seed_gives_the_same_words() -> None:
    assert paraphrase(PROMPTS[0], random.Random(3)) == paraphrase(PROMPTS[0], random.Random(3))


@given(st.text(max_size=60), st.integers(0, 30))
def test_every_text_can_be_put_otherwise(text: str, seed: int) -> None:
    assert isinstance(paraphrase(text, random.Random(seed)), str)
