"""From a request in flight to its record."""

from dataclasses import replace

from tests.unit.hooks.conftest import KEY, Bench, build_bench, completion, request_data

from tiergate.hooks.post_call import after_call
from tiergate.hooks.pre_call import before_call
from tiergate.hooks.record_builder import begin_record, build_record, finish_record
from tiergate.policy.money import Price
from tiergate.telemetry.names import Stage
from tiergate.telemetry.record import DecisionRecord, DecisionStatus


async def record_of(bench: Bench, **changes: object) -> DecisionRecord:
    data = request_data()
    await before_call(bench.pipeline, KEY, data, "acompletion")
    bench.clock.advance(0.5)
    await after_call(bench.pipeline, data, completion(cost_usd=0.01))
    entry = bench.entry()
    assert entry is not None
    for name, value in changes.items():
        setattr(entry, name, value)
    return build_record(bench.pipeline, entry)


async def test_savings_are_the_baselines_price_for_the_same_tokens() -> None:
    bench = build_bench()
    bench.models.prices["tier-frontier"] = Price(input_usd=0.01, output_usd=0.02)
    record = await record_of(bench)
    assert (record.baseline_cost_usd, record.cost_usd) == (0.2, 0.01)
    assert record.saved_usd == 0.2 - 0.01


async def test_without_a_price_nothing_is_claimed(bench: Bench) -> None:
    record = await record_of(bench)
    assert (record.baseline_cost_usd, record.saved_usd) == (None, None)


async def test_a_failed_request_has_no_final_tier(bench: Bench) -> None:
    record = await record_of(bench, status=DecisionStatus.FAILED, gate=None)
    assert (record.final_tier, record.gate.reason) == (None, "call_failed")


async def test_the_strategy_is_a_cascade_only_with_a_gate(bench: Bench) -> None:
    assert (await record_of(bench)).strategy == "cascade"
    assert (await record_of(build_bench(confidence_gate={"enabled": False}))).strategy == "route"
    assert (await record_of(build_bench(intent_router={"enabled": False}))).strategy is None


async def test_prompts_are_kept_only_when_policy_says_so(bench: Bench) -> None:
    assert (await record_of(bench)).prompt is None
    stored = await record_of(build_bench(decision_log={"store_prompts": True}))
    assert stored.prompt == "What is the capital of France?"
    assert stored.embedding is not None


async def test_times_are_counted_from_the_arrival(bench: Bench) -> None:
    record = await record_of(bench)
    assert record.latency_ms == 500
    assert set(record.stage_ms) == {Stage.SEMANTIC_CACHE, Stage.INTENT_ROUTER, Stage.CONFIDENCE_GATE}
    assert record.overhead_ms == record.stage_ms[Stage.SEMANTIC_CACHE] + record.stage_ms[Stage.INTENT_ROUTER]


async def test_the_row_at_the_start_and_at_the_end_have_one_id(bench: Bench) -> None:
    await record_of(bench)
    entry = bench.entry()
    assert entry is not None
    entry.request = replace(entry.request, stream=True)
    begun, finished = begin_record(bench.pipeline, entry), finish_record(bench.pipeline, entry)
    assert begun["x-tiergate-gate"] == "pending"
    assert finished["x-tiergate-gate"] == "trusted"
    assert begun["x-tiergate-decision-id"] == finished["x-tiergate-decision-id"]
    assert len({row["decision_id"] for row in bench.log.rows}) == 1
