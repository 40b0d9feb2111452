"""A hedge on its way through the hooks: won, lost, failed, never begun, ended with its request."""

import asyncio
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from litellm import ModelResponse
from tests.unit.hooks.conftest import KEY, SURE, TIERS, UNSURE, Bench, build_bench, completion, request_data

from tiergate.decisions import HedgeOutcome
from tiergate.errors import EscalationError
from tiergate.exchange import Call
from tiergate.hooks.attempts import after_failed_attempt, before_attempt
from tiergate.hooks.failure import after_failure
from tiergate.hooks.hedge import start_hedge
from tiergate.hooks.post_call import after_call
from tiergate.hooks.pre_call import before_call
from tiergate.hooks.response_headers import headers_for
from tiergate.policy.latency import GROWTH, MIN_MS, find_bucket

STRONG_MS = 480.0
FITTING_MS = MIN_MS * GROWTH ** (find_bucket(STRONG_MS) + 0.5)
"""What the stronger tier is predicted to take; two milliseconds more let its hedge begin after two."""
LIKELY = {"p95_budget_ms": FITTING_MS + 2, "hedge": {}}
UNCACHED = {"semantic_cache": {"enabled": False}}
DOUBTFUL = {"simple": 0.4, "medium": 0.98, "frontier": 0.99}


def hedging_bench(*, strong_ms: float = STRONG_MS, **sections: Any) -> Bench:
    """A bench whose cheap tier is doubtful and whose strong one just fits the budget: a hedge begins at once."""
    defaults = {"latency": LIKELY, "intent_router": {"min_quality": 0.0}, **UNCACHED}
    bench = build_bench(DOUBTFUL, **(defaults | sections))
    for _ in range(30):
        for tier, ms in (("simple", 20), ("medium", strong_ms), ("frontier", strong_ms)):
            call = Call(tier=tier, model_group=f"tier-{tier}", ms=ms)
            bench.pipeline.latency.add_call(call, bench.clock.monotonic())
    return bench


class Strong:
    """A stronger tier's answer that comes when it is let go."""

    def __init__(self, answer: ModelResponse | Exception) -> None:
        self.answer, self.go = answer, asyncio.Event()

    async def __call__(self, _call_id: str) -> ModelResponse:
        await self.go.wait()
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


async def begin(bench: Bench, **fields: Any) -> dict[str, Any]:
    data = request_data(**fields)
    await before_call(bench.pipeline, KEY, data, "acompletion")
    start_hedge(bench.pipeline, data)
    before_attempt(bench.pipeline, data)
    return data


async def until_asked(bench: Bench) -> None:
    for _ in range(5000):
        if bench.models.asked:
            return
        await asyncio.sleep(0.001)
    raise AssertionError("no hedge began")


async def end(bench: Bench, data: dict[str, Any], answer: ModelResponse) -> tuple[Any, dict[str, str]]:
    final = await after_call(bench.pipeline, data, answer)
    headers = headers_for(bench.pipeline, data, answer if final is None else final)
    assert headers is not None
    return final, headers


def weak(cost_usd: float = 0.001) -> ModelResponse:
    return completion("Weak.", logprob=UNSURE, cost_usd=cost_usd)


async def test_the_gate_takes_the_call_that_runs_and_makes_no_other() -> None:
    bench = hedging_bench()
    bench.models.answers["tier-medium"] = strong = Strong(completion("Better.", cost_usd=0.02, model="model-y"))
    data = await begin(bench)
    await until_asked(bench)
    asyncio.get_running_loop().call_later(0.01, strong.go.set)
    final, headers = await end(bench, data, weak())
    assert final is strong.answer
    assert headers["x-tiergate-cost-usd"] == "0.02100000"
    row = bench.row
    assert (row["gate"]["outcome"], row["final_tier"]) == ("escalated", "medium")
    assert (row["hedge"]["outcome"], row["hedge"]["reason"], row["hedge"]["tier"]) == (
        "won", "escalation_likely", "medium",
    )  # fmt: skip
    assert [(call["tier"], call["hedge"], call["status"]) for call in row["calls"]] == [
        ("simple", False, "ok"),
        ("medium", True, "ok"),
    ]
    assert len(bench.models.asked) == 1
    assert len(bench.pipeline.registry) == 0


async def test_the_hedge_has_the_callers_identity_and_a_call_id_of_its_own() -> None:
    bench = hedging_bench()
    bench.models.answers["tier-medium"] = completion("Better.")
    data = await begin(bench, metadata={"tags": ["a"]})
    await until_asked(bench)
    (asked,) = bench.models.asked
    assert asked["metadata"] == {"user_api_key": "hashed-key-of-a", "tags": ["a"]}
    assert asked["metadata"]["tags"] is not data["metadata"]["tags"]
    assert asked["call_id"] != data["litellm_call_id"]
    assert bench.pipeline.registry.holds(asked["call_id"])


async def test_a_hedge_that_loses_runs_to_its_end_and_its_cost_is_written_then() -> None:
    bench = hedging_bench(session={"sticky": True})
    bench.models.answers["tier-medium"] = strong = Strong(completion("Better.", cost_usd=0.02))
    data = await begin(bench)
    await until_asked(bench)
    final, headers = await end(bench, data, completion("Sure.", cost_usd=0.001))
    assert final is None
    assert (headers["x-tiergate-gate"], headers["x-tiergate-tier"]) == ("trusted", "simple")
    assert "x-tiergate-confidence" in headers
    assert not {"x-tiergate-cost-usd", "x-tiergate-saved-usd"} & set(headers)
    assert (bench.row["hedge"]["outcome"], bench.row["cost_usd"]) == ("running", 0.001)
    assert (bench.finished, len(bench.pipeline.registry)) == ([], 1)
    bench.clock.advance(0.5)
    strong.go.set()
    await bench.settle()
    row = bench.row
    assert (row["hedge"]["outcome"], row["cost_usd"], row["final_tier"]) == ("lost", 0.021, "simple")
    assert [(call["tier"], call["hedge"], call["ms"]) for call in row["calls"]] == [
        ("simple", False, 0.0),
        ("medium", True, pytest.approx(500)),
    ]
    assert row["latency_ms"] < 500
    assert (len(bench.finished), len(bench.pipeline.registry)) == (1, 0)


async def test_a_hedge_that_lost_before_the_cheap_answer_came_is_in_the_headers() -> None:
    bench = hedging_bench()
    bench.models.answers["tier-medium"] = completion("Better.", cost_usd=0.02)
    data = await begin(bench)
    await until_asked(bench)
    await asyncio.sleep(0.01)
    _, headers = await end(bench, data, completion("Sure.", cost_usd=0.001))
    assert headers["x-tiergate-cost-usd"] == "0.02100000"
    assert bench.row["hedge"]["outcome"] == "lost"
    assert [call["tier"] for call in bench.row["calls"]] == ["simple", "medium"]


@pytest.mark.swallows
async def test_a_hedge_that_failed_before_is_as_if_it_had_not_been() -> None:
    bench = hedging_bench()
    bench.models.answers["tier-medium"] = EscalationError("down")
    data = await begin(bench)
    await until_asked(bench)
    await asyncio.sleep(0.01)
    hedge_id = bench.models.asked[0]["call_id"]
    after_failed_attempt(bench.pipeline, data | {"litellm_call_id": hedge_id}, ConnectionError("down"))
    bench.models.answers["tier-medium"] = better = completion("Better.", cost_usd=0.02)
    final, _ = await end(bench, data, weak())
    assert final is better
    assert bench.row["hedge"]["outcome"] == "failed"
    assert [(call["tier"], call["hedge"], call["status"]) for call in bench.row["calls"]] == [
        ("medium", True, "ConnectionError"),
        ("simple", False, "ok"),
        ("medium", False, "ok"),
    ]


@pytest.mark.swallows
async def test_a_hedge_that_fails_while_it_is_waited_for_leaves_the_weak_answer() -> None:
    bench = hedging_bench()
    bench.models.answers["tier-medium"] = strong = Strong(EscalationError("down"))
    data = await begin(bench)
    await until_asked(bench)
    asyncio.get_running_loop().call_later(0.01, strong.go.set)
    final, headers = await end(bench, data, weak())
    assert final is None
    assert headers["x-tiergate-cost-usd"] == "0.00100000"
    assert (bench.row["gate"]["reason"], bench.row["hedge"]["outcome"]) == ("escalation_failed", "failed")
    assert [(call["tier"], call["status"]) for call in bench.row["calls"]] == [
        ("simple", "ok"),
        ("medium", "EscalationError"),
    ]
    assert len(bench.models.asked) == 1


@pytest.mark.swallows
async def test_a_hedge_past_the_escalation_budget_is_ended() -> None:
    bench = hedging_bench(confidence_gate={"escalation_budget_ms": 20})
    bench.models.answers["tier-medium"] = Strong(completion("Late."))
    data = await begin(bench)
    await until_asked(bench)
    final, _ = await end(bench, data, weak())
    await bench.settle()
    assert final is None
    assert (bench.row["gate"]["reason"], bench.row["hedge"]["outcome"]) == ("escalation_failed", "failed")
    assert (bench.row["calls"][1]["status"], bench.row["cost_usd"]) == ("TimeoutError", 0.001)


async def test_a_cheap_answer_in_time_leaves_the_hedge_unbegun() -> None:
    bench = hedging_bench(strong_ms=100)
    data = await begin(bench)
    final, headers = await end(bench, data, completion("Sure.", cost_usd=0.001))
    assert final is None
    assert headers["x-tiergate-cost-usd"] == "0.00100000"
    assert (bench.row["hedge"]["outcome"], bench.row["hedge"]["reason"]) == ("skipped", "answered_in_time")
    assert bench.models.asked == []


async def test_a_weak_answer_in_time_is_escalated_as_ever() -> None:
    bench = hedging_bench(strong_ms=100)
    bench.models.answers["tier-medium"] = better = completion("Better.")
    data = await begin(bench)
    final, _ = await end(bench, data, weak())
    assert final is better
    assert bench.row["hedge"]["reason"] == "answered_in_time"
    assert [call["hedge"] for call in bench.row["calls"]] == [False, False]


async def test_a_cheap_tier_that_fails_leaves_litellms_error_and_the_hedge_runs_to_its_end() -> None:
    bench = hedging_bench()
    bench.models.answers["tier-medium"] = strong = Strong(completion("Better.", cost_usd=0.02))
    data = await begin(bench)
    await until_asked(bench)
    after_failed_attempt(bench.pipeline, data, ConnectionError("gone"))
    after_failure(bench.pipeline, data)
    assert headers_for(bench.pipeline, data, None) is not None
    strong.go.set()
    await bench.settle()
    assert (bench.row["status"], bench.row["hedge"]["outcome"], bench.row["cost_usd"]) == ("failed", "lost", 0.02)


async def test_a_request_that_is_cut_off_ends_its_hedge() -> None:
    bench = hedging_bench()
    bench.models.answers["tier-medium"] = Strong(completion("Better."))
    data = await begin(bench)
    await until_asked(bench)
    after_failure(bench.pipeline, data)
    headers_for(bench.pipeline, data, None)
    await bench.settle()
    assert bench.row["hedge"]["outcome"] == "cancelled"
    assert [(call["tier"], call["status"], call["cost_usd"]) for call in bench.row["calls"]] == [
        ("medium", "cancelled", 0.0)
    ]


async def test_a_request_that_another_hook_refuses_asks_nobody() -> None:
    bench = hedging_bench()
    data = request_data()
    await before_call(bench.pipeline, KEY, data, "acompletion")
    await asyncio.sleep(0.01)
    after_failure(bench.pipeline, data)
    headers_for(bench.pipeline, data, None)
    assert (bench.row["hedge"]["outcome"], bench.row["hedge"]["reason"]) == ("skipped", "call_failed")
    assert bench.models.asked == []


async def test_a_fallback_of_the_first_call_begins_no_second_hedge() -> None:
    bench = hedging_bench()
    bench.models.answers["tier-medium"] = completion("Better.", cost_usd=0.02)
    data = await begin(bench)
    await until_asked(bench)
    start_hedge(bench.pipeline, data)
    await asyncio.sleep(0.01)
    start_hedge(bench.pipeline, data | {"litellm_call_id": bench.models.asked[0]["call_id"]})
    start_hedge(bench.pipeline, {"litellm_call_id": "unknown"})
    await end(bench, data, weak())
    assert len(bench.models.asked) == 1


async def test_an_entry_that_is_swept_while_its_hedge_runs_is_recorded_once() -> None:
    bench = hedging_bench()
    bench.models.answers["tier-medium"] = strong = Strong(completion("Better.", cost_usd=0.02))
    data = await begin(bench)
    await until_asked(bench)
    await end(bench, data, completion("Sure."))
    bench.clock.advance(10_000)
    await before_call(bench.pipeline, KEY, request_data() | {"litellm_call_id": "call-2"}, "acompletion")
    assert (len(bench.finished), bench.row["hedge"]["outcome"]) == (1, "running")
    strong.go.set()
    await bench.settle()
    assert len(bench.finished) == 1


async def test_a_running_hedge_is_waited_for_where_a_new_call_would_break_the_budget() -> None:
    bench = hedging_bench()
    bench.models.answers["tier-medium"] = strong = Strong(completion("Better."))
    data = await begin(bench)
    await until_asked(bench)
    bench.clock.advance(0.3)
    asyncio.get_running_loop().call_later(0.01, strong.go.set)
    final, _ = await end(bench, data, weak())
    assert final is strong.answer
    assert bench.row["gate"]["outcome"] == "escalated"


async def test_a_hedge_that_runs_past_the_budget_is_not_waited_for_but_one_that_is_there_is_taken() -> None:
    for there, outcome in ((False, "skipped"), (True, "escalated")):
        bench = hedging_bench()
        bench.models.answers["tier-medium"] = strong = Strong(completion("Better."))
        data = await begin(bench)
        await until_asked(bench)
        bench.clock.advance(0.6)
        if there:
            strong.go.set()
            await asyncio.sleep(0.01)
        await end(bench, data, weak())
        strong.go.set()
        await bench.settle()
        assert bench.row["gate"]["outcome"] == outcome
        assert bench.row["hedge"]["outcome"] == ("won" if there else "lost")


FINANCE = "Is my loan sound?"
NEVER: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({"mode": "shadow"}, {}, "shadow_mode"),
    ({"confidence_gate": {"max_escalations": 0}}, {}, "max_escalations"),
    ({"confidence_gate": {"stream": {"mode": "hold"}}}, {"stream": True}, "streamed"),
    ({}, {"prompt": FINANCE}, "domain_bypass"),
    ({"controls": ["start_tier"]}, {"metadata": {"tiergate": {"start_tier": "frontier"}}}, "strongest_tier"),
    ({"strategy": "route"}, {}, "straight_plan"),
    ({"intent_router": {"enabled": False}}, {}, "disabled"),
]


@pytest.mark.parametrize(("sections", "fields", "reason"), NEVER)
async def test_what_is_never_hedged(sections: dict[str, Any], fields: dict[str, Any], reason: str) -> None:
    bench = hedging_bench(**sections)
    bench.classifier.domain_scores = {"finance" if fields.get("prompt") == FINANCE else "general": 0.9}
    await begin(bench, **fields)
    await asyncio.sleep(0.02)
    entry = bench.entry()
    assert entry is not None
    assert entry.hedge is not None
    assert (entry.hedge.outcome, entry.hedge.reason.value) == (HedgeOutcome.SKIPPED, reason)
    assert entry.hedged is None
    assert bench.models.asked == []


answers = st.builds(
    completion,
    st.sampled_from(["", "One answer."]),
    logprob=st.sampled_from([SURE, -0.5, UNSURE, None]),
    cost_usd=st.floats(0, 10),
)


@pytest.mark.swallows
@given(
    first=answers | st.none(),
    strong=answers | st.none(),
    before=st.booleans(),
    limit=st.integers(0, 3),
    domain=st.sampled_from(["general", "finance"]),
)
def test_costs_sum_exactly_and_one_hedge_begins_at_most(
    first: ModelResponse | None, strong: ModelResponse | None, limit: int, domain: str, *, before: bool
) -> None:
    async def walk() -> Bench:
        bench = hedging_bench(confidence_gate={"max_escalations": limit})
        bench.classifier.domain_scores = {domain: 0.9}
        late = Strong(EscalationError("down") if strong is None else strong)
        bench.models.answers = {"tier-medium": late, "tier-frontier": completion("Best.", cost_usd=0.3)}
        data = await begin(bench)
        await asyncio.sleep(0.005)
        if before:
            late.go.set()
            await asyncio.sleep(0)
        else:
            asyncio.get_running_loop().call_later(0.002, late.go.set)
        if first is None:
            after_failed_attempt(bench.pipeline, data, ConnectionError("gone"))
            after_failure(bench.pipeline, data)
            headers_for(bench.pipeline, data, None)
        else:
            await end(bench, data, first)
        await bench.settle()
        return bench

    bench = asyncio.run(walk())
    row = bench.row
    paid = [call for call in row["calls"] if call["status"] == "ok"]
    assert row["cost_usd"] == math.fsum(call["cost_usd"] for call in row["calls"])
    scripted = {"simple": first, "medium": strong}
    for call in paid:
        answer = scripted.get(call["tier"], first)
        if call["tier"] != "frontier" and answer is not None:
            assert call["cost_usd"] == answer._hidden_params["response_cost"]
    hedges = [call for call in row["calls"] if call["hedge"]]
    assert len(hedges) <= 1
    asked = [one["model_group"] for one in bench.models.asked]
    if strong is not None:
        assert asked.count("tier-medium") == sum(call["tier"] == "medium" for call in row["calls"]) <= 1
    assert len(asked) <= min(limit, len(TIERS) - 1) + bool(hedges)
    assert len(bench.finished) == 1
    assert row["hedge"]["outcome"] not in {"planned", "running"}
    if limit == 0 or domain == "finance":
        assert hedges == []
        assert row["hedge"]["outcome"] == "skipped"
