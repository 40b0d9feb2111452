import math

from hypothesis import given
from hypothesis import strategies as st

from tiergate.policy.question_load import LOAD_FEATURES, load_features_of


@given(st.text(max_size=500))
def test_every_feature_is_there_and_finite(text: str) -> None:
    said = load_features_of(text)

    assert tuple(said) == LOAD_FEATURES
    assert all(math.isfinite(value) for value in said.values())


def test_it_counts_what_a_word_problem_holds() -> None:
    said = load_features_of("A robe takes 2 bolts of blue fiber and half that much white fiber. How many bolts in all?")

    assert said["numbers"] == math.log1p(1)
    assert said["asks_quantity"] == 1.0
    assert said["no_question_mark"] == 0.0
    assert said["quantity_words"] > 0


def test_it_sees_options_and_negation() -> None:
    said = load_features_of("Which of the following is not a mammal?\nA. cat\nB. shark")

    assert said["options"] == math.log1p(2)
    assert said["negations"] > 0
    assert said["of_the_following"] == 1.0
