"""The provider that serves stored answers: to the very request that hit, and to nobody else."""

from types import SimpleNamespace
from typing import Any

import pytest
from litellm import ModelResponse
from litellm.llms.custom_llm import CustomLLMError
from tests.unit.hooks.conftest import KEY, Bench, completion, request_data

from tiergate.hooks.cache_provider import CHUNK_CHARS, CacheProvider
from tiergate.hooks.post_call import after_call
from tiergate.hooks.pre_call import before_call
from tiergate.hooks.response_headers import headers_for

TEXT = "Paris. " * 40


async def hit(bench: Bench, host: Any) -> None:
    data = request_data()
    await before_call(bench.pipeline, KEY, data, "acompletion")
    await after_call(bench.pipeline, data, completion(TEXT))
    headers_for(bench.pipeline, data, completion())
    await before_call(bench.pipeline, KEY, request_data() | {"litellm_logging_obj": host}, "acompletion")


async def test_the_stored_answer_comes_with_a_fresh_id_and_its_usage(bench: Bench) -> None:
    host = SimpleNamespace(litellm_call_id="call-1")
    await hit(bench, host)
    empty = ModelResponse()
    empty._hidden_params = {"mark": 1}
    answer = await CacheProvider(lambda: bench.pipeline).acompletion(model_response=empty, logging_obj=host)
    (stored,) = bench.store.entries.values()
    assert answer.choices[0].message.content == TEXT
    assert answer.usage.completion_tokens == 5
    assert answer.id not in {stored.body["id"], ""}
    assert answer._hidden_params == {"mark": 1}


async def test_a_stream_has_the_same_text_and_ends_with_reason_and_usage(bench: Bench) -> None:
    host = SimpleNamespace(litellm_call_id="call-1")
    await hit(bench, host)
    chunks = [chunk async for chunk in CacheProvider(lambda: bench.pipeline).astreaming(logging_obj=host)]
    assert "".join(chunk["text"] for chunk in chunks) == TEXT
    assert all(len(chunk["text"]) <= CHUNK_CHARS for chunk in chunks)
    assert [chunk["is_finished"] for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    assert chunks[-1]["finish_reason"] == "stop"
    assert chunks[-1]["usage"] is not None


@pytest.mark.parametrize(
    "logging",
    [
        None,
        object(),
        SimpleNamespace(litellm_call_id="other"),
        SimpleNamespace(litellm_call_id="call-1"),
        SimpleNamespace(litellm_call_id=["call-1"]),
    ],
)
async def test_nobody_else_gets_an_answer(bench: Bench, logging: Any) -> None:
    await hit(bench, SimpleNamespace(litellm_call_id="call-1"))
    provider = CacheProvider(lambda: bench.pipeline)
    with pytest.raises(CustomLLMError) as caught:
        await provider.acompletion(model_response=ModelResponse(), logging_obj=logging)
    assert caught.value.status_code == 403
    with pytest.raises(CustomLLMError):
        await anext(provider.astreaming(logging_obj=logging))


async def test_a_request_that_missed_gets_no_answer(bench: Bench) -> None:
    host = SimpleNamespace(litellm_call_id="call-1")
    await before_call(bench.pipeline, KEY, request_data() | {"litellm_logging_obj": host}, "acompletion")
    with pytest.raises(CustomLLMError):
        await CacheProvider(lambda: bench.pipeline).acompletion(model_response=ModelResponse(), logging_obj=host)
