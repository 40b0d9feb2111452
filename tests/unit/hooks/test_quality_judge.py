"""Answers graded in the background: three calls, one row written again, no part of the request's cost."""

from typing import Any

import pytest
from tests.unit.hooks.conftest import KEY, Bench, build_bench, completion, request_data

from tiergate.hooks.pipeline import DailySpend
from tiergate.hooks.post_call import after_call
from tiergate.hooks.pre_call import before_call
from tiergate.hooks.response_headers import headers_for

JUDGE = {"model_group": "judge", "share": 1.0, "max_usd_per_day": 1.0}


class Judge:
    """Prefers a text, or a place."""

    def __init__(self, bench: Bench, words: list[str]) -> None:
        self._bench, self._words = bench, iter(words)
        bench.models.answers["tier-frontier"] = completion("The baseline's answer.", cost_usd=0.02)
        bench.models.answers["judge"] = completion("TIE", cost_usd=0.005)
        bench.models.during = self._next

    def _next(self, _call_id: str) -> None:
        if self._bench.models.asked[-1]["model_group"] == "judge":
            self._bench.models.answers["judge"] = completion(next(self._words), cost_usd=0.005)


async def serve(bench: Bench, text: str = "An answer.") -> None:
    data = request_data()
    await before_call(bench.pipeline, KEY, data, "acompletion")
    response = completion(text)
    await after_call(bench.pipeline, data, response)
    headers_for(bench.pipeline, data, response)
    await bench.settle()


@pytest.fixture
def bench() -> Bench:
    return build_bench(quality_judge=JUDGE)


@pytest.mark.parametrize(("words", "score"), [(["FIRST", "SECOND"], 1.0), (["TIE", "TIE"], 0.5), (["?", "TIE"], None)])
async def test_a_graded_answer_gets_its_row_written_again(bench: Bench, words: list[str], score: float | None) -> None:
    Judge(bench, words)
    await serve(bench)
    first, second = bench.log.rows[-2:]
    assert first["judge"] is None
    assert second["judge"] == {"score": score, "probability": 1.0, "cost_usd": pytest.approx(0.03)}
    assert second["cost_usd"] == first["cost_usd"] == pytest.approx(0.001)
    assert second["decision_id"] == first["decision_id"]
    assert len(bench.finished) == 1  # spans and metrics see the request once


async def test_the_judge_sees_both_orders(bench: Bench) -> None:
    Judge(bench, ["TIE", "TIE"])
    await serve(bench, "My own words.")
    shown = [asked["body"]["messages"][1]["content"] for asked in bench.models.asked if asked["model_group"] == "judge"]
    places = [(text.index("My own words."), text.index("The baseline's answer.")) for text in shown]
    assert places[0][0] < places[0][1]
    assert places[1][0] > places[1][1]


async def test_a_judge_that_gives_no_answer_leaves_no_score(bench: Bench) -> None:
    bench.models.answers["tier-frontier"] = completion("The baseline's answer.", cost_usd=0.02)
    await serve(bench)
    assert bench.row["judge"] == {"score": None, "probability": 1.0, "cost_usd": pytest.approx(0.02)}


@pytest.mark.parametrize("sections", [{}, {"quality_judge": JUDGE | {"share": 0.0}}])
async def test_nothing_is_graded_unless_policy_says_so(sections: dict[str, Any]) -> None:
    bench = build_bench(**sections)
    await serve(bench)
    assert not bench.models.asked


async def test_the_baseline_s_own_answer_is_not_graded() -> None:
    bench = build_bench({"simple": 0.1, "medium": 0.1, "frontier": 1.0}, quality_judge=JUDGE)
    await serve(bench)
    assert not bench.models.asked


async def test_the_day_s_money_ends_grading_and_a_new_day_begins_anew(bench: Bench) -> None:
    bench.pipeline.judge_spend.add(bench.clock.now(), 1.0)
    await serve(bench)
    assert not bench.models.asked
    spend = DailySpend()
    spend.add(0.0, 0.4)
    spend.add(10.0, 0.4)
    assert spend.at(20.0) == pytest.approx(0.8)
    assert spend.at(90_000.0) == 0.0
