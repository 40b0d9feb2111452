"""The one place that swallows errors."""

import asyncio
import logging

import pytest

from tiergate.decisions import Reason
from tiergate.errors import ControlRefusedError, ControlValueError, QueueFullError, StoreError
from tiergate.stages.failopen import errors_raised, fail_open, reason_of, suppressed


async def raising(exc: Exception) -> str:
    raise exc


async def tell(exc: Exception, budget_ms: float = 1000) -> str:
    return await fail_open("stage", raising(exc), budget_ms=budget_ms, otherwise=lambda r, e: f"{r} {type(e).__name__}")


@pytest.mark.swallows
@pytest.mark.parametrize(
    ("exc", "told"),
    [
        (StoreError("x"), "stage_failed StoreError"),
        (QueueFullError("x"), "queue_full QueueFullError"),
        (TimeoutError("x"), "budget_exceeded TimeoutError"),
        (KeyError("x"), "stage_failed KeyError"),
    ],
)
async def test_an_error_becomes_the_stages_own_decision(
    exc: Exception, told: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "tiergate.failopen"):
        assert await tell(exc) == told
    assert type(exc).__name__ in caplog.text


@pytest.mark.swallows
async def test_work_past_its_budget_is_stopped() -> None:
    stopped = asyncio.Event()

    async def slow() -> str:
        try:
            await asyncio.sleep(30)
        finally:
            stopped.set()
        return "done"

    told = await fail_open("stage", slow(), budget_ms=1, otherwise=lambda reason, _: str(reason))
    assert told == "budget_exceeded"
    assert stopped.is_set()


async def test_work_in_time_is_returned() -> None:
    async def fine() -> str:
        return "done"

    assert await fail_open("stage", fine(), budget_ms=1000, otherwise=lambda *_: "not") == "done"


@pytest.mark.swallows
@pytest.mark.parametrize("exc", [ControlRefusedError("cache"), ControlValueError("cache", "off")])
async def test_a_refusal_reaches_the_client(exc: Exception) -> None:
    with pytest.raises(ControlRefusedError):
        await tell(exc)
    with pytest.raises(ControlRefusedError), suppressed("stage"):
        raise exc


@pytest.mark.swallows
async def test_cancellation_is_not_trouble() -> None:
    with pytest.raises(asyncio.CancelledError):
        await fail_open("stage", asyncio.sleep(0, asyncio.current_task().cancel()), budget_ms=1000, otherwise=print)


@pytest.mark.swallows
async def test_errors_are_raised_inside_the_block_and_swallowed_after_it() -> None:
    with errors_raised():
        with pytest.raises(StoreError):
            await tell(StoreError("x"))
        with pytest.raises(KeyError), suppressed("stage"):
            raise KeyError
        assert await tell(QueueFullError("x")) == "queue_full QueueFullError", "an expected state, no defect"
    with suppressed("stage"):
        raise KeyError


@pytest.mark.parametrize(
    ("exc", "reason"),
    [
        (TimeoutError(), Reason.BUDGET_EXCEEDED),
        (QueueFullError(), Reason.QUEUE_FULL),
        (ValueError(), Reason.STAGE_FAILED),
    ],
)
def test_reasons(exc: Exception, reason: Reason) -> None:
    assert reason_of(exc) is reason
