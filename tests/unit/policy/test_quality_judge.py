import pytest

from tiergate.policy.quality_judge import (
    MAX_CHARACTERS,
    Verdict,
    build_question,
    decide_sampled,
    decide_score,
    parse_verdict,
)
from tiergate.settings_experiments import QualityJudge

JUDGE = QualityJudge(model_group="judge", share=0.1, max_usd_per_day=1.0)


def test_the_stated_share_is_sampled_until_the_money_is_spent() -> None:
    sampled = [decide_sampled(JUDGE, f"d-{n}", spent_usd=0.5) for n in range(3000)]
    assert sum(sampled) / 3000 == pytest.approx(0.1, abs=0.02)
    assert not any(decide_sampled(JUDGE, f"d-{n}", spent_usd=1.0) for n in range(300))
    assert not any(decide_sampled(None, f"d-{n}", spent_usd=0.0) for n in range(300))


def test_the_question_holds_both_answers_in_order_and_is_cut() -> None:
    system, user = build_question("Why?", "one", "x" * (MAX_CHARACTERS + 5))
    assert system["role"] == "system"
    assert user["content"].index("one") < user["content"].index("xxx")
    assert user["content"].count("x") == MAX_CHARACTERS


@pytest.mark.parametrize(
    ("text", "verdict"),
    [("FIRST", "first"), (" second. ", "second"), ("*Tie*", "tie"), ("", None), ("The first", None), ("MAYBE", None)],
)
def test_a_verdict_is_one_word(text: str, verdict: Verdict | None) -> None:
    assert parse_verdict(text) == verdict


@pytest.mark.parametrize(
    ("straight", "swapped", "score"),
    [
        ("first", "second", 1.0),
        ("second", "first", 0.0),
        ("first", "first", 0.5),
        ("tie", "first", 0.5),
        (None, "first", None),
        ("first", None, None),
    ],
)
def test_only_a_verdict_that_survives_the_swap_counts(
    straight: Verdict | None, swapped: Verdict | None, score: float | None
) -> None:
    assert decide_score(straight, swapped) == score
