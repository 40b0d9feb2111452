"""Before the call: where a request is sent, what is kept of it, and whom a forged call id cannot reach."""

import asyncio
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from fastapi import HTTPException
from hypothesis import given
from hypothesis import strategies as st
from litellm.proxy._types import UserAPIKeyAuth
from tests.unit.hooks.conftest import KEY, OTHER_KEY, Bench, build_bench, request_data

from tiergate.errors import ClassifierError, StoreError
from tiergate.hooks.in_flight import InFlightRegistry
from tiergate.hooks.pipeline import build_arms
from tiergate.hooks.pre_call import before_call
from tiergate.hooks.record_builder import build_record
from tiergate.hooks.request_parser import digest_context
from tiergate.hooks.tenant import identify_tenant
from tiergate.ports import StoredAnswer
from tiergate.telemetry.names import Stage
from tiergate.telemetry.record import build_headers

PROMPT = "What is the capital of France?"


async def remember(bench: Bench, data: dict[str, Any], identity: Any = KEY) -> StoredAnswer:
    """Store an answer to a request, as if it had been asked before."""
    tenant = identify_tenant(identity, bench.pipeline.policy.semantic_cache)
    stored = StoredAnswer(
        entry_id="entry-1",
        tenant=tenant or "",
        context_key=digest_context(data, data["messages"][-1]),
        prompt=PROMPT,
        vector=np.ones(64, dtype=np.float32),
        body={"choices": [{"message": {"role": "assistant", "content": "Paris."}, "finish_reason": "stop"}]},
        tier="medium",
        confidence=0.9,
        cost_usd=0.01,
        stored_at=bench.clock.now(),
        expires_at=bench.clock.now() + 60,
    )
    await bench.store.store(stored)
    return stored


@pytest.mark.parametrize(
    ("changes", "call_type"),
    [
        ({}, "aembedding"),
        ({}, "aimage_generation"),
        ({"background": True}, "aresponses"),
        ({"model": "gpt-4o"}, "acompletion"),
        ({"model": None}, "acompletion"),
        ({"model": ["auto"]}, "acompletion"),
    ],
)
async def test_anything_else_passes_through_untouched(bench: Bench, changes: dict[str, Any], call_type: str) -> None:
    data = request_data() | changes
    before = dict(data)
    assert await before_call(bench.pipeline, KEY, data, call_type) is None
    assert data == before
    assert len(bench.pipeline.registry) == 0


@pytest.mark.parametrize("call_type", ["acompletion", "aembedding", "aresponses"])
async def test_the_caches_model_group_cannot_be_called(bench: Bench, call_type: str) -> None:
    with pytest.raises(HTTPException) as caught:
        await before_call(bench.pipeline, KEY, request_data() | {"model": "tier-cache"}, call_type)
    assert caught.value.status_code == 403


async def test_a_request_goes_to_the_cheapest_tier_that_is_good_enough() -> None:
    bench = build_bench({"simple": 0.90, "medium": 0.96, "frontier": 0.99})
    data = request_data()
    assert await before_call(bench.pipeline, KEY, data, "acompletion") is data
    assert data["model"] == "tier-medium"
    entry = bench.entry()
    assert entry is not None
    assert (entry.tier, entry.route.tier, entry.served) == ("medium", "medium", None)
    assert set(entry.stage_ms) == {Stage.SEMANTIC_CACHE, Stage.INTENT_ROUTER}


async def test_a_tiers_parameters_do_not_override_the_clients() -> None:
    tiers = [
        {"name": "simple", "model_group": "tier-simple", "params": {"temperature": 0.1, "seed": 7}},
        {"name": "frontier", "model_group": "tier-frontier"},
    ]
    bench = build_bench({"simple": 0.99, "frontier": 0.99}, tiers=tiers)
    data = request_data(temperature=0.9)
    await before_call(bench.pipeline, KEY, data, "acompletion")
    assert (data["temperature"], data["seed"]) == (0.9, 7)
    entry = bench.entry()
    assert entry is not None
    assert "seed" not in entry.body


async def test_a_stored_answer_sends_the_request_to_the_cache(bench: Bench) -> None:
    data = request_data()
    stored = await remember(bench, data)
    await before_call(bench.pipeline, KEY, data, "acompletion")
    entry = bench.entry()
    assert data["model"] == "tier-cache"
    assert entry is not None
    assert entry.served is stored
    assert entry.tier == "medium", "headers of a stream leave before its end and name the tier of the stored answer"
    assert bench.embedder.calls == [], "an exact repeat needs no embedding"


async def test_another_tenant_never_meets_a_stored_answer(bench: Bench) -> None:
    data = request_data()
    await remember(bench, data)
    await before_call(bench.pipeline, OTHER_KEY, data, "acompletion")
    assert data["model"] == "tier-simple"


async def test_without_a_model_group_for_stored_answers_nothing_is_looked_up() -> None:
    bench = build_bench(cache_group=None)
    data = request_data()
    await remember(bench, data)
    await before_call(bench.pipeline, KEY, data, "acompletion")
    entry = bench.entry()
    assert data["model"] == "tier-simple"
    assert entry is not None
    assert (entry.cache.outcome, entry.cache.reason, entry.served) == ("skipped", "disabled", None)


async def test_what_an_escalation_sends_is_not_what_the_first_call_may_change(bench: Bench) -> None:
    data = request_data(tools=[], stop=["x"])
    await before_call(bench.pipeline, KEY, data, "acompletion")
    data["messages"].pop()
    data["stop"].append("y")
    data["metadata"]["model_group"] = "tier-simple"
    entry = bench.entry()
    assert entry is not None
    assert entry.body["messages"] == [{"role": "user", "content": PROMPT}]
    assert entry.body["stop"] == ["x"]
    assert "model_group" not in entry.metadata


@pytest.mark.parametrize("call_id", ["call-1", "", None, 7, ["call-1"]])
async def test_an_id_in_flight_or_none_gets_a_fresh_one_everywhere(bench: Bench, call_id: Any) -> None:
    await before_call(bench.pipeline, KEY, request_data(), "acompletion")
    first = bench.entry()
    details = {"litellm_call_id": call_id}
    logging = SimpleNamespace(litellm_call_id=call_id, model_call_details=details)
    data = request_data() | {"litellm_call_id": call_id, "litellm_logging_obj": logging}
    await before_call(bench.pipeline, OTHER_KEY, data, "acompletion")
    fresh = data["litellm_call_id"]
    assert fresh not in {"call-1", "", None}
    assert logging.litellm_call_id == details["litellm_call_id"] == fresh
    assert bench.entry() is first
    second = bench.entry(fresh)
    assert second is not None
    assert second.request.call_id == fresh


async def test_two_requests_under_one_id_at_the_same_time_stay_apart(bench: Bench) -> None:
    entered, go_on = asyncio.Event(), asyncio.Event()
    embed = bench.embedder.embed

    class Slow:
        dimensions, digest = 64, "slow"

        async def embed(self, text: str) -> Any:
            entered.set()
            await go_on.wait()
            return await embed(text)

    pipeline = replace(bench.pipeline, embedder=Slow())
    mine, theirs = request_data(), request_data()
    first = asyncio.create_task(before_call(pipeline, KEY, mine, "acompletion"))
    second = asyncio.create_task(before_call(pipeline, OTHER_KEY, theirs, "acompletion"))
    await entered.wait()
    go_on.set()
    await asyncio.gather(first, second)
    assert mine["litellm_call_id"] != theirs["litellm_call_id"]
    entries = [pipeline.registry.find(data) for data in (mine, theirs)]
    assert [entry.request.tenant for entry in entries if entry] == [
        identify_tenant(key, pipeline.policy.semantic_cache) for key in (KEY, OTHER_KEY)
    ]


@pytest.mark.parametrize(
    ("control", "status"),
    [
        ({"cache": "off"}, 403),
        ({"session_id": "s"}, 403),
        ({"start_tier": "best"}, 400),
        ({"start_tier": ["simple"]}, 400),
        ({"ttl_s": "soon"}, 400),
        ({"ttl_s": -1}, 400),
        ({"ttl_s": True}, 400),
    ],
)
async def test_a_control_that_is_not_allowed_or_makes_no_sense_is_refused_by_name(
    control: dict[str, Any], status: int
) -> None:
    bench = build_bench(controls=["start_tier", "ttl_s"])
    with pytest.raises(HTTPException) as caught:
        await before_call(bench.pipeline, KEY, request_data(metadata={"tiergate": control}), "acompletion")
    assert caught.value.status_code == status
    assert next(iter(control)) in str(caught.value.detail)
    assert len(bench.pipeline.registry) == 0


async def test_a_control_that_policy_allows_works() -> None:
    bench = build_bench(controls=["start_tier", "cache"])
    data = request_data(metadata={"tiergate": {"start_tier": "medium", "cache": "off"}})
    await before_call(bench.pipeline, KEY, data, "acompletion")
    entry = bench.entry()
    assert data["model"] == "tier-medium"
    assert entry is not None
    assert entry.cache.reason == "control_off"


@pytest.mark.parametrize("failing", ["store", "classifier"])
@pytest.mark.swallows
async def test_a_failed_stage_is_recorded_and_a_domain_override_fails_safe(failing: str) -> None:
    bench = build_bench()
    getattr(bench, failing).failure = {"store": StoreError, "classifier": ClassifierError}[failing]("gone")
    data = request_data()
    await before_call(bench.pipeline, KEY, data, "acompletion")
    entry = bench.entry()
    assert entry is not None
    if failing == "store":
        assert data["model"] == "tier-simple"
        assert (entry.cache.reason, entry.cache.error) == ("stage_failed", "StoreError")
    else:
        assert data["model"] == "tier-frontier"
        assert (entry.route.reason, entry.route.error) == ("domain_unknown", "ClassifierError")


async def test_what_is_too_old_is_recorded_as_disconnected_by_the_next_request() -> None:
    bench = build_bench(registry=InFlightRegistry(max_age_s=60))
    await before_call(bench.pipeline, KEY, request_data(), "acompletion")
    bench.clock.advance(61)
    await before_call(bench.pipeline, KEY, request_data() | {"litellm_call_id": "call-2"}, "acompletion")
    assert [row["status"] for row in bench.log.rows] == ["disconnected"]
    assert bench.entry() is None


@pytest.mark.swallows
async def test_a_record_that_cannot_be_written_leaves_the_next_request_routed() -> None:
    bench = build_bench(registry=InFlightRegistry(max_age_s=60))
    await before_call(bench.pipeline, KEY, request_data(), "acompletion")
    bench.clock.advance(61)
    bench.models.prices = None  # type: ignore[assignment]
    data = request_data() | {"litellm_call_id": "call-2"}
    assert await before_call(bench.pipeline, KEY, data, "acompletion") is data
    assert data["model"] == "tier-simple"


weird = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
roles = st.sampled_from(["user", "assistant", "system", "tool", "developer", None, 7])
messages = st.lists(st.fixed_dictionaries({"role": roles, "content": weird}) | weird, max_size=4) | weird


@given(messages=messages, n=weird, response_format=weird, max_tokens=weird, tools=weird)
def test_no_body_breaks_the_hook_and_every_request_is_routed(**fields: Any) -> None:
    bench = build_bench()
    data = request_data() | fields
    data["proxy_server_request"]["body"] = {"model": "auto", **fields}
    assert asyncio.run(before_call(bench.pipeline, KEY, data, "acompletion")) is data
    assert data["model"] in {"tier-simple", "tier-frontier"}


@given(
    finance=st.floats(0.5, 1.0),
    scores=st.tuples(*[st.floats(0, 1)] * 3),
    start_tier=st.sampled_from([None, "simple", "medium", "frontier"]),
)
def test_a_bypassing_domain_never_reaches_a_cheaper_tier(
    finance: float, scores: tuple[float, ...], start_tier: str | None
) -> None:
    bench = build_bench(
        dict(zip(("simple", "medium", "frontier"), scores, strict=True)),
        domains={"general": 0.99, "finance": finance},
        controls=["start_tier"],
    )
    metadata = {"tiergate": {"start_tier": start_tier}} if start_tier else {}
    data = request_data(metadata=metadata)
    asyncio.run(before_call(bench.pipeline, KEY, data, "acompletion"))
    assert data["model"] == "tier-frontier"


async def test_a_prompt_without_text_cannot_be_classified_and_goes_where_overrides_are_safe(bench: Bench) -> None:
    data = request_data([{"type": "image_url", "image_url": {"url": "data:"}}])
    await before_call(bench.pipeline, KEY, data, "acompletion")
    entry = bench.entry()
    assert data["model"] == "tier-frontier"
    assert entry is not None
    assert entry.route.reason == "domain_unknown"


EXPERIMENT = {
    "name": "quality",
    "arms": {"low": {"intent_router.min_quality": 0.5}, "high": {"intent_router.min_quality": 0.975}},
}


async def test_a_request_is_routed_by_the_policy_of_its_arm_and_the_record_says_so() -> None:
    bench = build_bench(experiments=[EXPERIMENT])
    pipeline = replace(bench.pipeline, arms=build_arms(bench.pipeline))
    seen = {}
    for number in range(40):
        data = request_data() | {"litellm_call_id": f"call-{number}"}
        await before_call(pipeline, UserAPIKeyAuth(api_key=f"key-{number}"), data, "acompletion")
        entry = bench.entry(f"call-{number}")
        assert entry is not None
        assert entry.assignment is not None
        seen[entry.assignment.arm] = data["model"]
        record = build_record(pipeline, entry)
        assert (record.experiment, record.arm, record.unit) == ("quality", entry.assignment.arm, entry.assignment.unit)
        assert build_headers(record, streaming=False)["x-tiergate-experiment"] == f"quality={record.arm}"
    assert seen == {"low": "tier-simple", "high": "tier-medium"}


async def test_a_stopped_arm_is_routed_by_the_policy_itself() -> None:
    bench = build_bench(experiments=[EXPERIMENT])
    stopped = {("quality", "low"), ("quality", "high")}
    pipeline = replace(bench.pipeline, arms=build_arms(bench.pipeline), stopped_arms=stopped)
    data = request_data()
    await before_call(pipeline, KEY, data, "acompletion")
    entry = bench.entry()
    assert entry is not None
    assert entry.assignment is None


async def test_shadow_mode_decides_records_and_acts_on_nothing() -> None:
    bench = build_bench(mode="shadow")
    data = request_data()
    await remember(bench, data)
    await before_call(bench.pipeline, KEY, data, "acompletion")
    assert data["model"] == "auto"
    entry = bench.entry()
    assert entry is not None
    record = build_record(bench.pipeline, entry)
    assert (record.mode, record.strategy, record.final_tier) == ("shadow", None, None)
    assert entry.served is None


async def test_shadow_mode_writes_down_the_tier_that_it_would_have_chosen() -> None:
    bench = build_bench(mode="shadow")
    await before_call(bench.pipeline, KEY, request_data(), "acompletion")
    entry = bench.entry()
    assert entry is not None
    assert entry.route.tier == "simple"


async def test_exploration_reaches_other_tiers_with_their_odds() -> None:
    bench = build_bench(exploration={"share": 0.2})
    odds: dict[str, set[float | None]] = {}
    for number in range(200):
        data = request_data() | {"litellm_call_id": f"call-{number}"}
        await before_call(bench.pipeline, KEY, data, "acompletion")
        entry = bench.entry(f"call-{number}")
        assert entry is not None
        odds.setdefault(data["model"], set()).add(entry.route.propensity)
    assert list(odds["tier-simple"]) == [pytest.approx(0.8 + 0.2 / 3)]
    assert list(odds["tier-frontier"]) == [pytest.approx(0.2 / 3)]
