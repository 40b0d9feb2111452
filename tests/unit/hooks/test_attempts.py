"""Every attempt at a deployment: log-probabilities where the model gives them, failures in the record."""

from typing import Any

import pytest
from tests.unit.hooks.conftest import KEY, SURE, UNSURE, Bench, build_bench, completion, request_data

from tiergate.hooks.attempts import LOGPROBS_REFUSED, after_failed_attempt, before_attempt
from tiergate.hooks.post_call import after_call
from tiergate.hooks.pre_call import before_call
from tiergate.hooks.response_headers import headers_for


async def begin(bench: Bench, **fields: Any) -> dict[str, Any]:
    data = request_data(**fields)
    await before_call(bench.pipeline, KEY, data, "acompletion")
    return data | {"model": "openai/model-x"}


@pytest.mark.parametrize(("top", "extra"), [(0, {}), (5, {"top_logprobs": 5})])
async def test_logprobs_are_asked_of_a_model_that_gives_them(top: int, extra: dict[str, int]) -> None:
    bench = build_bench(confidence_gate={"top_logprobs": top})
    kwargs = await begin(bench)
    changed = before_attempt(bench.pipeline, kwargs)
    assert changed == kwargs | {"logprobs": True} | extra
    assert "logprobs" not in kwargs, "a fallback starts from the same arguments"
    assert before_attempt(bench.pipeline, kwargs | {"model": "anthropic/other"}) is None


@pytest.mark.parametrize("fields", [{"logprobs": True}, {"tools": [{"type": "function"}]}])
async def test_a_request_that_asks_itself_or_uses_tools_is_left_alone(bench: Bench, fields: dict[str, Any]) -> None:
    assert before_attempt(bench.pipeline, await begin(bench, **fields)) is None


@pytest.mark.parametrize("sections", [{"confidence_gate": {"enabled": False}}, {"intent_router": {"enabled": False}}])
async def test_nothing_is_asked_for_a_gate_that_will_not_judge(sections: dict[str, Any]) -> None:
    bench = build_bench(**sections)
    assert before_attempt(bench.pipeline, await begin(bench)) is None


async def test_a_hit_is_left_alone(bench: Bench) -> None:
    data = request_data()
    await before_call(bench.pipeline, KEY, data, "acompletion")
    await after_call(bench.pipeline, data, completion("Paris.", logprob=SURE))
    headers_for(bench.pipeline, data, completion())
    kwargs = await begin(bench)
    entry = bench.entry()
    assert entry is not None
    assert entry.served is not None
    assert before_attempt(bench.pipeline, kwargs) is None


@pytest.mark.parametrize("call_id", ["other", None, ["call-1"]])
async def test_another_request_is_left_alone(bench: Bench, call_id: Any) -> None:
    kwargs = await begin(bench) | {"litellm_call_id": call_id}
    assert before_attempt(bench.pipeline, kwargs) is None
    after_failed_attempt(bench.pipeline, kwargs, ValueError())
    entry = bench.entry()
    assert entry is not None
    assert (entry.calls, entry.attempts) == ([], {})


async def test_a_failed_attempt_and_the_fallback_after_it_are_both_calls(bench: Bench) -> None:
    kwargs = await begin(bench)
    bench.clock.advance(0.010)
    before_attempt(bench.pipeline, kwargs)
    bench.clock.advance(0.020)
    failed = kwargs | {"custom_llm_provider": "openai", "metadata": kwargs["metadata"] | {"model_group": "tier-simple"}}
    after_failed_attempt(bench.pipeline, failed, ConnectionError("gone"))
    before_attempt(bench.pipeline, kwargs)
    bench.clock.advance(0.040)
    response = completion()
    response._hidden_params["additional_headers"] = {"x-litellm-model-group": "tier-simple-alt"}
    await after_call(bench.pipeline, kwargs, response)
    entry = bench.entry()
    assert entry is not None
    first, second = entry.calls
    assert (first.status, first.tier, first.model_group, first.provider) == (
        "ConnectionError",
        "simple",
        "tier-simple",
        "openai",
    )
    assert (first.start_ms, first.ms) == (pytest.approx(10), pytest.approx(20))
    assert (second.status, second.fallback_from) == ("ok", "tier-simple")
    assert (second.start_ms, second.ms) == (pytest.approx(30), pytest.approx(40))


async def test_an_escalations_attempts_belong_to_its_tier(bench: Bench) -> None:
    data = request_data()
    await before_call(bench.pipeline, KEY, data, "acompletion")
    seen: list[Any] = []

    def during(call_id: str) -> None:
        kwargs = {"litellm_call_id": call_id, "model": "openai/model-x", "litellm_logging_obj": object()}
        seen.append(before_attempt(bench.pipeline, kwargs))
        after_failed_attempt(bench.pipeline, kwargs, TimeoutError())

    bench.models.during = during
    bench.models.answers["tier-medium"] = completion("Better.")
    await after_call(bench.pipeline, data, completion("Weak.", logprob=UNSURE))
    entry = bench.entry()
    assert entry is not None
    assert seen[0]["logprobs"] is True
    assert [(call.tier, call.status) for call in entry.calls] == [
        ("simple", "ok"),
        ("medium", "TimeoutError"),
        ("medium", "ok"),
    ]


@pytest.mark.parametrize("metadata", [None, "text", ["a"]])
async def test_odd_metadata_of_a_failed_attempt_is_no_trouble(metadata: Any) -> None:
    bench = build_bench()
    host = object()
    data = request_data() | {"litellm_logging_obj": host}
    await before_call(bench.pipeline, KEY, data, "acompletion")
    kwargs = {"litellm_call_id": "call-1", "metadata": metadata, "model": "m", "litellm_logging_obj": host}
    after_failed_attempt(bench.pipeline, kwargs, ValueError())
    entry = bench.entry()
    assert entry is not None
    assert [call.model_group for call in entry.calls] == ["m"]


class BadRequestError(Exception):
    """LiteLLM's errors are told apart by the name of their class."""


async def test_a_refusal_of_log_probabilities_is_learned_from_the_same_request_without(bench: Bench) -> None:
    bench.models.may_retry = True
    kwargs = await begin(bench)
    assert kwargs["model_group_retry_policy"] == {"tier-simple": {"BadRequestErrorRetries": 1}}
    assert (before_attempt(bench.pipeline, kwargs) or {})["logprobs"] is True
    after_failed_attempt(bench.pipeline, kwargs, BadRequestError("unsupported"))
    assert before_attempt(bench.pipeline, kwargs) is None
    await after_call(bench.pipeline, kwargs, completion(logprob=None))
    assert bench.models.learned == {"openai/model-x": False}
    entry = bench.entry()
    assert entry is not None
    assert [call.status for call in entry.calls] == [LOGPROBS_REFUSED, "ok"]


async def test_a_model_that_takes_them_is_learned_too(bench: Bench) -> None:
    kwargs = await begin(bench)
    before_attempt(bench.pipeline, kwargs)
    await after_call(bench.pipeline, kwargs, completion())
    assert bench.models.learned == {"openai/model-x": True}


async def test_another_error_is_no_refusal(bench: Bench) -> None:
    kwargs = await begin(bench)
    before_attempt(bench.pipeline, kwargs)
    after_failed_attempt(bench.pipeline, kwargs, TimeoutError())
    assert (before_attempt(bench.pipeline, kwargs) or {})["logprobs"] is True
    await after_call(bench.pipeline, kwargs, completion())
    assert bench.models.learned == {"openai/model-x": True}
