"""The middle band: judge and self-consistency, their verdicts, costs and failures."""

import re
from typing import Any

import pytest
from tests.unit.hooks.conftest import KEY, SURE, Bench, build_bench, completion, request_data

from tiergate.errors import EscalationError
from tiergate.hooks.post_call import after_call
from tiergate.hooks.pre_call import before_call
from tiergate.hooks.response_headers import headers_for

MIDDLE = -0.1
"""A mean log-probability between the two cuts."""
JUDGE = {"verifier": {"kind": "judge", "model_group": "tier-judge"}}
AGAIN = {"verifier": {"kind": "self_consistency", "samples": 2}}


async def ask(bench: Bench, first: Any) -> tuple[Any, dict[str, str]]:
    data = request_data()
    await before_call(bench.pipeline, KEY, data, "acompletion")
    final = await after_call(bench.pipeline, data, first)
    headers = headers_for(bench.pipeline, data, final or first)
    assert headers is not None
    return final, headers


def judge(bench: Bench, *, good: bool | None) -> None:
    async def answer(_call_id: str) -> Any:
        system = bench.models.asked[-1]["body"]["messages"][0]["content"]
        code = re.search(r"the code ([0-9a-f]{32})", system)
        assert code is not None
        verdict = f'{{"code": "{code[1]}", "good": {str(good).lower()}}}'
        return completion("no verdict" if good is None else verdict, cost_usd=0.003)

    bench.models.answers["tier-judge"] = answer


async def test_an_answer_that_the_judge_accepts_is_kept_and_its_cost_counted() -> None:
    bench = build_bench(confidence_gate=JUDGE)
    judge(bench, good=True)
    final, headers = await ask(bench, completion("Perhaps.", logprob=MIDDLE))
    assert final is None
    assert headers["x-tiergate-gate"] == "verified"
    assert (bench.row["gate"]["reason"], bench.row["gate"]["verifier"]) == ("verifier_kept", "judge")
    assert [(call["tier"], call["model_group"]) for call in bench.row["calls"]] == [
        ("simple", "tier-simple"),
        (None, "tier-judge"),
    ]
    assert bench.row["cost_usd"] == pytest.approx(0.004)


async def test_an_answer_that_the_judge_rejects_is_escalated() -> None:
    bench = build_bench(confidence_gate=JUDGE)
    judge(bench, good=False)
    bench.models.answers["tier-medium"] = completion("Better.", logprob=MIDDLE, cost_usd=0.01)
    final, headers = await ask(bench, completion("Perhaps.", logprob=MIDDLE))
    assert final.choices[0].message.content == "Better."
    assert (headers["x-tiergate-gate"], headers["x-tiergate-tier"]) == ("escalated", "medium")
    assert bench.row["gate"]["reason"] == "verifier_rejected"
    assert bench.row["cost_usd"] == pytest.approx(0.014)


@pytest.mark.swallows
@pytest.mark.parametrize("answer", [None, EscalationError("down")])
async def test_a_judge_without_a_verdict_leaves_the_answer_and_is_recorded(answer: Any) -> None:
    bench = build_bench(confidence_gate=JUDGE)
    if answer is None:
        judge(bench, good=None)
    else:
        bench.models.answers["tier-judge"] = answer
    final, headers = await ask(bench, completion("Perhaps.", logprob=MIDDLE))
    assert final is None
    assert headers["x-tiergate-gate"] == "verified"
    assert bench.row["gate"]["reason"] == "verifier_failed"


@pytest.mark.parametrize(
    ("sample", "gate"), [("The capital is Paris", "verified"), ("Something else entirely", "escalated")]
)
async def test_samples_that_agree_keep_the_answer(sample: str, gate: str) -> None:
    bench = build_bench(confidence_gate=AGAIN)
    bench.models.answers = {
        "tier-simple": completion(sample, cost_usd=0.001),
        "tier-medium": completion("Better.", logprob=SURE),
    }
    _, headers = await ask(bench, completion("The capital is Paris.", logprob=MIDDLE))
    assert headers["x-tiergate-gate"] == gate
    assert [call["model_group"] for call in bench.row["calls"]][:3] == ["tier-simple"] * 3
    assert bench.models.asked[0]["body"]["temperature"] == 0.7


@pytest.mark.parametrize("gate", [{**JUDGE, "max_escalations": 0}, {}])
async def test_nobody_is_asked_when_nothing_could_come_of_it(gate: dict[str, Any]) -> None:
    bench = build_bench(confidence_gate=gate)
    _, headers = await ask(bench, completion("Perhaps.", logprob=MIDDLE))
    assert headers["x-tiergate-gate"] == "verified"
    assert not bench.models.asked
