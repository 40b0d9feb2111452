"""Sessions and latency budgets on their way through the hooks."""

from typing import Any

import pytest
from litellm.types.utils import PromptTokensDetailsWrapper
from tests.unit.hooks.conftest import (
    KEY,
    OTHER_KEY,
    TIERS,
    UNSURE,
    Bench,
    build_bench,
    completion,
    request_data,
)

from tiergate.domain_settings import Domain
from tiergate.exchange import Call
from tiergate.hooks.post_call import after_call
from tiergate.hooks.pre_call import before_call
from tiergate.hooks.response_headers import headers_for
from tiergate.policy.money import Price

STICKY = {"session": {"sticky": True}, "controls": ["session_id", "latency_budget_ms"]}
TOOL = {"type": "function", "function": {"name": "read", "parameters": {"type": "object"}}}


async def ask(bench: Bench, *, key: Any = KEY, logprob: float | None = None, **fields: Any) -> dict[str, Any]:
    data = request_data(fields.pop("prompt", "What is the capital of France?"), **fields)
    await before_call(bench.pipeline, key, data, "acompletion")
    answer = completion("An answer.") if logprob is None else completion("An answer.", logprob=logprob)
    final = await after_call(bench.pipeline, data, answer)
    headers_for(bench.pipeline, data, final or answer)
    return dict(bench.row)


def of_session(name: str) -> dict[str, Any]:
    return {"tiergate": {"session_id": name}}


async def test_a_session_keeps_the_tier_that_it_was_escalated_to() -> None:
    bench = build_bench(semantic_cache={"enabled": False}, **STICKY)
    bench.models.answers["tier-medium"] = completion("Better.")
    first = await ask(bench, logprob=UNSURE, metadata=of_session("a"))
    again = await ask(bench, metadata=of_session("a"))
    other = await ask(bench, metadata=of_session("b"))
    stranger = await ask(bench, metadata=of_session("a"), key=OTHER_KEY)
    assert (first["route"]["tier"], first["final_tier"]) == ("simple", "medium")
    assert (again["route"]["tier"], again["route"]["reason"]) == ("medium", "session_sticky")
    assert first["session"] == again["session"] != other["session"] != stranger["session"]
    assert other["route"]["tier"] == stranger["route"]["tier"] == "simple"
    assert again["session"] != "a"


async def test_a_session_is_forgotten_after_its_time() -> None:
    bench = build_bench(semantic_cache={"enabled": False}, **(STICKY | {"session": {"sticky": True, "ttl_s": 60}}))
    bench.models.answers["tier-medium"] = completion("Better.")
    await ask(bench, logprob=UNSURE, metadata=of_session("a"))
    bench.clock.advance(61)
    assert (await ask(bench, metadata=of_session("a")))["route"]["tier"] == "simple"


async def test_a_growing_conversation_is_one_session() -> None:
    bench = build_bench(semantic_cache={"enabled": False}, **STICKY)
    bench.models.answers["tier-medium"] = completion("Better.")
    first = await ask(bench, logprob=UNSURE)
    turns = [{"role": "user", "content": "What is the capital of France?"}, {"role": "assistant", "content": "Paris"}]
    data = request_data("And of Spain?")
    data["messages"] = [*turns, *data["messages"]]
    await before_call(bench.pipeline, KEY, data, "acompletion")
    entry = bench.entry()
    assert entry is not None
    assert entry.session == first["session"]
    assert data["model"] == "tier-medium"


async def test_a_task_that_repeats_a_failing_tool_call_is_escalated() -> None:
    bench = build_bench(**STICKY)
    loop: list[dict[str, Any]] = []
    for place in range(2):
        call = {"id": f"c{place}", "type": "function", "function": {"name": "read", "arguments": '{"file": "a"}'}}
        loop.append({"role": "assistant", "content": None, "tool_calls": [call]})
        loop.append({"role": "tool", "tool_call_id": f"c{place}", "content": "Error: no such file"})
    data = request_data("Read the file.", tools=[TOOL])
    data["messages"] += loop
    await before_call(bench.pipeline, KEY, data, "acompletion")
    entry = bench.entry()
    assert entry is not None
    assert (entry.route.tier, entry.route.reason.value) == ("medium", "failing_tool_loop")


def slow_tier(bench: Bench, tier: str, ms: float) -> None:
    for _ in range(30):
        call = Call(tier=tier, model_group=f"tier-{tier}", ms=ms)
        bench.pipeline.latency.add_call(call, bench.clock.monotonic())


@pytest.mark.parametrize(
    ("control", "tier", "reason"),
    [(None, "medium", "latency_budget"), (5000, "simple", "score_meets_quality")],
)
async def test_a_cascade_that_breaks_the_budget_is_not_started(control: int | None, tier: str, reason: str) -> None:
    bench = build_bench(latency={"p95_budget_ms": 500}, **STICKY)
    slow_tier(bench, "simple", 300)
    slow_tier(bench, "medium", 400)
    metadata = {} if control is None else {"tiergate": {"latency_budget_ms": control}}
    row = await ask(bench, metadata=metadata)
    assert (row["route"]["tier"], row["route"]["reason"]) == (tier, reason)


async def test_an_escalation_that_no_longer_fits_is_skipped_and_recorded() -> None:
    bench = build_bench(latency={"p95_budget_ms": 500})
    slow_tier(bench, "simple", 100)
    slow_tier(bench, "medium", 900)
    row = await ask(bench, logprob=UNSURE)
    assert (row["gate"]["outcome"], row["gate"]["reason"]) == ("skipped", "latency_budget")
    assert not bench.models.asked


async def test_a_tier_that_nobody_asked_for_long_gets_another_chance() -> None:
    bench = build_bench(latency={"p95_budget_ms": 500}, semantic_cache={"enabled": False})
    slow_tier(bench, "simple", 300)
    slow_tier(bench, "medium", 400)
    bench.clock.advance(1200)
    assert (await ask(bench))["route"]["tier"] == "simple"


def planning_bench(scores: tuple[float, float, float], usd: tuple[float, float, float], **sections: Any) -> Bench:
    """A bench with `strategy: auto` and a price for each token of each tier."""
    bench = build_bench(
        dict(zip(TIERS, scores, strict=True)), semantic_cache={"enabled": False}, **({"strategy": "auto"} | sections)
    )
    for tier, price in zip(TIERS, usd, strict=True):
        bench.models.prices[f"tier-{tier}"] = Price(input_usd=price, output_usd=price, cached_input_usd=price / 10)
    return bench


QUALITY = {"intent_router": {"min_quality": 0.85}}


async def test_a_cheap_tier_is_asked_first_where_the_gate_makes_it_good_enough() -> None:
    bench = planning_bench((0.75, 0.95, 0.99), (0.001, 0.01, 0.1), **QUALITY)
    bench.models.answers["tier-medium"] = completion("Better.")
    row = await ask(bench, logprob=UNSURE)
    assert (row["route"]["tier"], row["route"]["reason"]) == ("simple", "lowest_expected_cost")
    assert row["route"]["plan"] == ["simple", "medium"]
    assert (row["strategy"], row["gate"]["outcome"], row["final_tier"]) == ("cascade", "escalated", "medium")
    plans = {tuple(plan["tiers"]): plan for plan in row["route"]["plans"]}
    chosen = plans["simple", "medium"]
    assert chosen["calls_usd"] == pytest.approx(307 * (0.001 + chosen["escalation_probability"] * 0.01))
    assert chosen["expected_usd"] == min(plan["expected_usd"] for plan in plans.values() if plan["quality"] >= 0.85)


async def test_a_straight_plan_takes_a_doubtful_answer_but_not_a_defective_one() -> None:
    bench = planning_bench((0.1, 0.95, 0.99), (0.009, 0.01, 0.1), **QUALITY)
    bench.models.answers["tier-frontier"] = completion("Better.")
    row = await ask(bench, logprob=UNSURE)
    assert (row["route"]["plan"], row["strategy"]) == (["medium"], "route")
    assert (row["gate"]["outcome"], row["gate"]["reason"]) == ("skipped", "straight_plan")
    data = request_data()
    await before_call(bench.pipeline, KEY, data, "acompletion")
    refusal = completion("I'm sorry, but I can't help with that.", finish_reason="content_filter")
    await after_call(bench.pipeline, data, refusal)
    assert [asked["model_group"] for asked in bench.models.asked] == ["tier-frontier"]


async def test_a_session_stays_where_its_prompt_is_cached() -> None:
    sections = STICKY | {"intent_router": {"min_quality": 0.5}, "confidence_gate": {"enabled": False}}
    bench = planning_bench((0.1, 0.9, 0.95), (0.001, 0.01, 0.0101), **sections)
    usage = {"prompt_tokens": 1000, "completion_tokens": 5, "total_tokens": 1005}
    data = request_data(metadata=of_session("a"))
    await before_call(bench.pipeline, KEY, data, "acompletion")
    answer = completion("An answer.", usage=usage)
    answer.usage.prompt_tokens_details = PromptTokensDetailsWrapper(cached_tokens=900)
    await after_call(bench.pipeline, data, answer)
    headers_for(bench.pipeline, data, answer)
    row = await ask(bench, metadata=of_session("a"))
    lost = {plan["tiers"][0]: plan["switching_usd"] for plan in row["route"]["plans"]}
    assert lost == {"medium": 0.0, "frontier": pytest.approx(900 * 0.009)}
    assert row["route"]["tier"] == "medium"


async def test_time_that_is_worth_something_takes_the_faster_tier() -> None:
    bench = planning_bench((0.9, 0.9, 0.9), (0.001, 0.002, 0.1), latency={"usd_per_s": 1.0}, **QUALITY)
    slow_tier(bench, "simple", 3000)
    slow_tier(bench, "medium", 300)
    slow_tier(bench, "frontier", 5000)
    row = await ask(bench)
    assert (row["route"]["tier"], row["route"]["reason"]) == ("medium", "lowest_expected_cost")
    chosen = next(plan for plan in row["route"]["plans"] if plan["tiers"] == row["route"]["plan"])
    assert chosen["latency_usd"] == pytest.approx(0.3, rel=0.1)


async def test_without_prices_nothing_is_planned() -> None:
    row = await ask(build_bench(strategy="auto"))
    assert (row["route"]["tier"], row["route"]["plan"], row["route"]["plans"]) == ("simple", [], [])


async def test_route_asks_one_tier() -> None:
    bench = build_bench(strategy="route")
    row = await ask(bench, logprob=UNSURE)
    assert (row["strategy"], row["gate"]["reason"], bench.models.asked) == ("route", "straight_plan", [])


DOMAINS = {"code": Domain(strategy="route"), "chat": Domain(strategy="auto")}


@pytest.mark.parametrize(
    ("domain", "strategy", "gate", "asked"),
    [
        ("code", "route", "skipped", []),
        ("chat", "cascade", "escalated", ["tier-medium"]),
        ("general", "cascade", "escalated", ["tier-frontier"]),
    ],
)
async def test_a_domain_has_its_own_strategy(domain: str, strategy: str, gate: str, asked: list[str]) -> None:
    bench = planning_bench((0.75, 0.95, 0.99), (0.001, 0.01, 0.1), strategy="cascade", **QUALITY)
    bench.pipeline = bench.pipeline.with_policy(bench.pipeline.policy.model_copy(update={"domains": DOMAINS}))
    bench.classifier.domain_scores = {domain: 0.9}
    for tier in ("medium", "frontier"):
        bench.models.answers[f"tier-{tier}"] = completion("Better.")
    row = await ask(bench, logprob=UNSURE)
    assert (row["strategy"], row["gate"]["outcome"]) == (strategy, gate)
    assert [one["model_group"] for one in bench.models.asked] == asked
    assert row["route"]["strategy_domain"] == (domain if domain != "general" else None)
    assert bool(row["route"]["plans"]) is (domain == "chat")
