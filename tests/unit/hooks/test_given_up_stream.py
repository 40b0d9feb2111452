"""What a given-up stream had sent is handed to LiteLLM's own logging, of chat completions alone."""

from typing import Any

import pytest
from tests.unit.hooks.conftest import KEY, build_bench, chunks_of, request_data

from tiergate.hooks.attempts import before_attempt
from tiergate.hooks.given_up_stream import can_log, log_given_up
from tiergate.hooks.in_flight import InFlight
from tiergate.hooks.pre_call import before_call


class Host:
    """LiteLLM's logging object of a call."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    async def dispatch_success_handlers(self, result: Any, **how: Any) -> None:
        self.told.append((result, how))


async def begun(host: Any) -> InFlight:
    bench = build_bench()
    data = request_data(stream=True) | {"litellm_logging_obj": host}
    await before_call(bench.pipeline, KEY, data, "acompletion")
    before_attempt(bench.pipeline, data | {"model": "openai/model-x"})
    entry = bench.entry()
    assert entry is not None
    return entry


async def test_litellm_is_told_what_had_come() -> None:
    host = Host()
    entry = await begun(host)
    assert can_log(entry)
    await log_given_up(entry, chunks_of("One two three", finish_reason=None))
    [(response, how)] = host.told
    assert response.choices[0].message.content == "One two three"
    assert response.usage.completion_tokens > 0
    assert response.usage.prompt_tokens > 0
    assert how["cache_hit"] is False


async def test_nothing_is_told_of_nothing() -> None:
    host = Host()
    await log_given_up(await begun(host), [])
    assert host.told == []


@pytest.mark.parametrize("host", [None, object()])
async def test_without_a_host_there_is_nobody_to_tell(host: Any) -> None:
    assert not can_log(await begun(host))
