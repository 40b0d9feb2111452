"""A request that fails."""

from tests.unit.hooks.conftest import KEY, Bench, request_data

from tiergate.hooks.failure import after_failure
from tiergate.hooks.pre_call import before_call
from tiergate.telemetry.record import DecisionStatus


async def test_it_is_marked_and_stays_until_its_headers_leave(bench: Bench) -> None:
    data = request_data()
    await before_call(bench.pipeline, KEY, data, "acompletion")
    after_failure(bench.pipeline, data)
    entry = bench.entry()
    assert entry is not None
    assert entry.status is DecisionStatus.FAILED


async def test_another_callers_failure_under_the_same_id_marks_nothing(bench: Bench) -> None:
    await before_call(bench.pipeline, KEY, request_data(), "acompletion")
    after_failure(bench.pipeline, request_data(metadata={"user_api_key": "another-key"}))
    entry = bench.entry()
    assert entry is not None
    assert entry.status is DecisionStatus.OK
