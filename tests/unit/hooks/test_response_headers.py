"""Headers: a row stands behind every decision id, failed requests included."""

from typing import Any

import pytest
from tests.unit.hooks.conftest import KEY, Bench, completion, request_data

from tiergate.errors import DecisionLogError
from tiergate.hooks.failure import after_failure
from tiergate.hooks.pre_call import before_call
from tiergate.hooks.response_headers import headers_for


async def begin(bench: Bench, **fields: Any) -> dict[str, Any]:
    data = request_data(**fields)
    await before_call(bench.pipeline, KEY, data, "acompletion")
    return data


@pytest.mark.parametrize("stream", [False, True])
async def test_a_failed_request_gets_its_row_and_headers(bench: Bench, stream: bool) -> None:  # noqa: FBT001
    data = await begin(bench, stream=stream)
    after_failure(bench.pipeline, data)
    headers = headers_for(bench.pipeline, data, None)
    assert headers is not None
    assert bench.row["decision_id"] == headers["x-tiergate-decision-id"]
    assert (bench.row["status"], bench.row["final_tier"], bench.row["gate"]["reason"]) == (
        "failed",
        None,
        "call_failed",
    )
    assert "x-tiergate-tier" not in headers
    assert headers["x-tiergate-gate"] == "skipped"
    assert len(bench.pipeline.registry) == 0
    assert len(bench.finished) == 1


async def test_a_stream_that_begins_stays_in_flight(bench: Bench) -> None:
    data = await begin(bench, stream=True)
    headers = headers_for(bench.pipeline, data, object())
    assert headers is not None
    assert (headers["x-tiergate-gate"], headers["x-tiergate-tier"]) == ("pending", "simple")
    assert "x-tiergate-cost-usd" not in headers
    assert len(bench.log.rows) == 1
    assert bench.finished == []
    assert len(bench.pipeline.registry) == 1


async def test_another_request_gets_no_headers(bench: Bench) -> None:
    assert headers_for(bench.pipeline, request_data(), completion()) is None
    assert bench.log.rows == []


@pytest.mark.swallows
async def test_a_row_that_cannot_be_written_leaves_the_headers_and_the_listeners(bench: Bench) -> None:
    data = await begin(bench)
    bench.log.failure = DecisionLogError("locked")
    headers = headers_for(bench.pipeline, data, completion())
    assert headers is not None
    assert headers["x-tiergate-decision-id"]
    assert len(bench.finished) == 1


@pytest.mark.swallows
async def test_a_record_that_cannot_be_built_leaves_the_response_without_headers(bench: Bench) -> None:
    data = await begin(bench)
    bench.models.prices = None  # type: ignore[assignment]
    assert headers_for(bench.pipeline, data, completion()) is None
    assert len(bench.pipeline.registry) == 0
