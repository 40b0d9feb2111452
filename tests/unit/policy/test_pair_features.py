"""Laws of the comparison, and that every feature moves with the fact it is named after."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiergate.policy.pair_features import FEATURES, compare, compare_vectors, profile_of

VOCABULARY = (
    "how",
    "do",
    "I",
    "get",
    "from",
    "Munich",
    "to",
    "Vienna",
    "not",
    "3",
    "5",
    "days",
    "pay_x",
    "%",
    "when",
    "my",
)
WORDS = st.lists(st.sampled_from(VOCABULARY), max_size=12).map(" ".join)
TEXTS = st.one_of(WORDS, st.text(max_size=200))
SHARES = ("jaccard", "containment", "_order", "rare_shared", "length_ratio")


def values(a: str, b: str, cosine: float = 0.9) -> dict[str, float]:
    return dict(zip(FEATURES, map(float, compare(profile_of(a), profile_of(b), cosine)), strict=True))


@given(TEXTS, TEXTS, st.floats(-1, 1))
def test_the_order_of_the_two_does_not_matter(a: str, b: str, cosine: float) -> None:
    one, other = compare(profile_of(a), profile_of(b), cosine), compare(profile_of(b), profile_of(a), cosine)
    np.testing.assert_allclose(one, other, atol=1e-6)


@given(TEXTS, TEXTS, st.floats(allow_nan=True, allow_infinity=True))
def test_every_feature_is_finite_for_every_text_and_cosine(a: str, b: str, cosine: float) -> None:
    assert np.isfinite(compare(profile_of(a), profile_of(b), cosine)).all()


@given(TEXTS)
def test_between_equal_prompts_nothing_changed_and_everything_is_shared(text: str) -> None:
    found = values(text, text, 1.0)
    for name, value in found.items():
        if any(
            part in name for part in ("changed", "one_sided", "lost", "antonyms", "exchanged", "breaks", "difference")
        ):
            assert value == 0.0, name
    for name in ("word_jaccard", "content_jaccard", "containment_low", "character_order", "word_order", "length_ratio"):
        assert found[name] == 1.0, name


@pytest.mark.parametrize(
    ("name", "a", "b"),
    [
        ("numbers_changed", "top 10 clients", "top 20 clients"),
        ("numbers_one_sided", "top clients", "top 20 clients"),
        ("dates_changed", "due in April", "due in June"),
        ("dates_one_sided", "due", "due in June"),
        ("units_changed", "size in feet", "size in metres"),
        ("units_one_sided", "size", "size in metres"),
        ("negation_changed", "is it safe", "is it not safe"),
        ("names_changed", "ship to Oslo", "ship to Rome"),
        ("names_one_sided", "ship it", "ship it to Rome"),
        ("codes_changed", "call get_a", "call get_b"),
        ("comparatives_changed", "the cheapest car", "the fastest car"),
        ("quantifiers_changed", "delete all rows", "delete some rows"),
        ("antonyms", "buy shares", "sell shares"),
        ("languages_asked_changed", "say it in french", "say it in german"),
        ("formats_changed", "as json", "as yaml"),
        ("persons_changed", "her leave", "his leave"),
        ("question_kind_changed", "how is it", "why is it"),
        ("question_kind_one_sided", "why it fails", "it fails"),
        ("asked_changed", "when did it end", "where did it end"),
        ("text_language_changed", "what is the time", "wie ist das und was"),
        ("order_changed", "dogs chase cats", "cats chase dogs"),
        ("order_breaks", "dogs chase cats", "cats chase dogs"),
        ("blocks_exchanged", "dogs chase cats", "cats chase dogs"),
        ("blocks_exchanged", "big dogs", "dogs big"),
        ("direction_changed", "from Oslo to Rome", "from Rome to Oslo"),
        ("same_words_other_order", "dogs chase cats", "cats chase dogs"),
        ("head_changed", "sort lists", "merge lists"),
        ("tail_changed", "sort lists", "sort sets"),
        ("one_word_swapped", "sort lists", "sort sets"),
        ("spelling_lost_high", "opening hours", "opening times"),
        ("log_words_difference", "one", "one and two"),
        ("a_fact_changed", "when did it end", "where did it end"),
        ("a_fact_changed", "how did it end", "why did it end"),
        ("a_fact_changed", "what year did it end", "where did it end"),
        ("a_fact_changed", "lock my card", "lock his card"),
        ("roles_exchanged", "Oslo pays Rome", "Rome pays Oslo"),
        ("facts_changed", "pay 3 euros", "pay 5 dollars"),
        ("a_fact_changed", "delete all rows", "delete some rows"),
    ],
)
def test_a_feature_moves_with_its_fact(name: str, a: str, b: str) -> None:
    assert values(a, b)[name] > values(a, a)[name]


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("delete all rows", "delete rows"),
        ("how do I pay", "how can you pay"),
        ("what time does it open", "when does it open"),
        ("lock my card", "lock the card"),
        ("give me five ideas", "give me 5 ideas please"),
    ],
)
def test_what_a_paraphrase_does_changes_no_fact(a: str, b: str) -> None:
    assert values(a, b)["a_fact_changed"] == 0.0
    assert values(a, b)["facts_changed"] == 0.0


def test_more_changes_count_for_more() -> None:
    one, two = values("pay 3 euros", "pay 5 euros"), values("pay 3 euros", "pay 5 dollars")
    assert two["facts_changed"] > one["facts_changed"] > 0.0
    assert two["a_fact_changed"] == one["a_fact_changed"] == 1.0


def test_a_clause_put_first_is_no_exchange() -> None:
    a = "compute monthly active users, grouped by country"
    assert values(a, "grouped by country, compute monthly active users")["blocks_exchanged"] == 0.0


def test_a_misspelt_word_is_forgiven_more_than_another_word() -> None:
    typo, other = values("opening hours", "opening huors"), values("opening hours", "opening times")
    assert typo["spelling_lost_high"] < other["spelling_lost_high"]


def test_numbers_are_the_same_in_digits_and_in_words() -> None:
    assert values("give me five ideas", "give me 5 ideas")["numbers_changed"] == 0.0


def test_the_middle_of_a_long_text_counts() -> None:
    a = "x" * 9000 + "one" + "y" * 9000
    assert values(a, a.replace("one", "two"))["middle_changed"] == 1.0


def test_vector_features_are_symmetric_and_scaled() -> None:
    rng = np.random.default_rng(1)
    u, v = (w / np.linalg.norm(w) for w in rng.normal(size=(2, 384)).astype(np.float32))
    pair = compare_vectors(u, v)
    np.testing.assert_allclose(pair, compare_vectors(v, u))
    np.testing.assert_allclose(pair, compare_vectors(u[None], v[None])[0])
    assert pair.shape == (768,)
    assert math.isclose(float(pair[384:].sum()) / 384, float(u @ v), abs_tol=1e-5)
