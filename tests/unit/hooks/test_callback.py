"""The one callback: every entry LiteLLM looks for stands in the class itself, and errors stay inside."""

import inspect
from dataclasses import replace
from typing import Any

import pytest
from litellm.integrations.custom_logger import CustomLogger
from tests.unit.hooks.conftest import KEY, UNSURE, Bench, completion, policy_of, request_data

from tiergate.decisions import HedgeDecision, HedgeOutcome, Reason
from tiergate.hooks.callback import TiergateCallback
from tiergate.stages.confidence_gate import ConfidenceGate


def broken() -> Any:
    raise RuntimeError("no pipeline")


def test_every_hook_is_defined_in_the_class_with_litellms_own_parameters() -> None:
    own = [name for name in vars(TiergateCallback) if name.startswith("async_")]
    assert len(own) == 9
    for name in own:
        theirs = inspect.signature(getattr(CustomLogger, name)).parameters
        ours = inspect.signature(getattr(TiergateCallback, name)).parameters
        assert set(ours) <= set(theirs), name


async def test_a_request_walks_from_the_first_hook_to_the_last(bench: Bench) -> None:
    callback, data = TiergateCallback(lambda: bench.pipeline), request_data()
    assert await callback.async_pre_call_hook(KEY, None, data, "acompletion") is data
    asked = await callback.async_pre_call_deployment_hook(data | {"model": "openai/model-x"}, "acompletion")
    assert asked["logprobs"] is True
    await callback.async_post_call_failure_deployment_hook(data, ConnectionError("gone"), "acompletion", 0)
    bench.models.answers["tier-medium"] = better = completion("Better.")
    assert await callback.async_post_call_success_hook(data, KEY, completion("Weak.", logprob=UNSURE)) is better
    headers = await callback.async_post_call_response_headers_hook(data, KEY, better)
    assert headers is not None
    assert headers["x-tiergate-gate"] == "escalated"
    assert [call["status"] for call in bench.row["calls"]] == ["ConnectionError", "ok", "ok"]


async def test_a_planned_hedge_begins_with_the_first_attempt(bench: Bench) -> None:
    callback, data = TiergateCallback(lambda: bench.pipeline), request_data()
    await callback.async_pre_call_hook(KEY, None, data, "acompletion")
    entry = bench.entry()
    assert entry is not None
    entry.hedge = HedgeDecision(outcome=HedgeOutcome.PLANNED, reason=Reason.SLOW_CALL, tier="medium", after_ms=60_000.0)
    assert entry.hedged is None
    await callback.async_pre_call_deployment_hook(data | {"model": "openai/model-x"}, "acompletion")
    assert entry.hedged is not None
    await callback.async_post_call_success_hook(data, KEY, completion("Sure."))
    await callback.async_post_call_response_headers_hook(data, KEY, completion("Sure."))
    assert bench.row["hedge"]["reason"] == "answered_in_time"


async def test_a_failing_request_is_recorded(bench: Bench) -> None:
    callback, data = TiergateCallback(lambda: bench.pipeline), request_data()
    await callback.async_pre_call_hook(KEY, None, data, "acompletion")
    assert await callback.async_post_call_failure_hook(data, ValueError(), KEY) is None
    assert await callback.async_post_call_response_headers_hook(data, KEY, None) is not None
    assert bench.row["status"] == "failed"


@pytest.mark.swallows
async def test_trouble_around_the_call_never_reaches_litellm() -> None:
    callback = TiergateCallback(broken)
    assert await callback.async_pre_call_deployment_hook({}, "acompletion") is None
    await callback.async_post_call_failure_deployment_hook({}, ValueError(), "acompletion")
    await callback.async_post_call_failure_hook({}, ValueError(), KEY)
    await callback.async_log_success_event({}, None, None, None)


async def test_the_caches_model_group_is_not_listed(bench: Bench) -> None:
    callback = TiergateCallback(lambda: bench.pipeline)
    assert await callback.async_filter_listed_models(KEY, ["auto", "tier-cache", "tier-simple"]) == [
        "auto",
        "tier-simple",
    ]


async def test_a_request_in_flight_keeps_its_pipeline_when_another_comes_into_force(bench: Bench) -> None:
    current = bench.pipeline
    callback, data = TiergateCallback(lambda: current), request_data()
    await callback.async_pre_call_hook(KEY, None, data, "acompletion")
    other = policy_of(confidence_gate={"enabled": False})
    current = replace(bench.pipeline, policy=other, confidence_gate=ConfidenceGate(policy=other))
    bench.models.answers["tier-medium"] = better = completion("Better.")
    assert await callback.async_post_call_success_hook(data, KEY, completion("Weak.", logprob=UNSURE)) is better
    fresh = request_data(litellm_call_id="call-2")
    await callback.async_pre_call_hook(KEY, None, fresh, "acompletion")
    weak = completion("Weak.", logprob=UNSURE)
    assert await callback.async_post_call_success_hook(fresh, KEY, weak) in (weak, None)
