"""LiteLLM's log events: the cost of a stream, under the same authenticated key only."""

from typing import Any

import pytest
from tests.unit.hooks.conftest import KEY, Bench, request_data

from tiergate.hooks.call_log import after_logged_call
from tiergate.hooks.pre_call import before_call

PAYLOAD = {"response_cost": 0.5, "model": "m", "endTime": 1_700_000_000.5, "prompt_tokens": None}


async def begin(bench: Bench, **fields: Any) -> dict[str, Any]:
    data = request_data(**fields)
    await before_call(bench.pipeline, KEY, data, "acompletion")
    return {
        "litellm_call_id": "call-1",
        "litellm_params": {"metadata": data["metadata"]},
        "standard_logging_object": dict(PAYLOAD),
    }


async def test_a_streamed_call_gets_its_cost_and_time(bench: Bench) -> None:
    after_logged_call(bench.pipeline, await begin(bench, stream=True))
    entry = bench.entry()
    assert entry is not None
    assert entry.call_logged.is_set()
    (call,) = entry.calls
    assert (call.cost_usd, call.model, call.model_group, call.prompt_tokens) == (0.5, "m", "tier-simple", 0)
    assert call.ms == pytest.approx(500)


@pytest.mark.parametrize(
    "changes",
    [
        {"litellm_call_id": "other"},
        {"litellm_call_id": None},
        {"litellm_params": {"metadata": {"user_api_key": "another-key"}}},
        {"litellm_params": {"metadata": "text"}},
        {"litellm_params": None},
        {"standard_logging_object": None},
    ],
)
async def test_what_belongs_to_no_stream_of_this_key_is_ignored(bench: Bench, changes: dict[str, Any]) -> None:
    after_logged_call(bench.pipeline, await begin(bench, stream=True) | changes)
    entry = bench.entry()
    assert entry is not None
    assert (entry.calls, entry.call_logged.is_set()) == ([], False)


async def test_a_call_that_is_not_streamed_is_told_by_its_response(bench: Bench) -> None:
    after_logged_call(bench.pipeline, await begin(bench))
    entry = bench.entry()
    assert entry is not None
    assert entry.calls == []
