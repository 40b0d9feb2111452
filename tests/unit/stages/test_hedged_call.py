"""One call beside another: begun after a while or never, asked for or not."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from tiergate.decisions import HedgeOutcome
from tiergate.errors import EscalationError
from tiergate.stages.confidence_gate import Escalation
from tiergate.stages.hedged_call import HedgedCall


def asking(
    hedged: HedgedCall, answer: Escalation | Exception, *, until: asyncio.Event | None = None
) -> Callable[[], Coroutine[Any, Any, Escalation]]:
    async def ask() -> Escalation:
        hedged.begun = 1.0
        if until is not None:
            await until.wait()
        if isinstance(answer, Exception):
            raise answer
        return answer

    return ask


def hedged_call() -> HedgedCall:
    return HedgedCall(tier="medium", call_id="h")


async def begin(hedged: HedgedCall, answer: Escalation | Exception, *, until: asyncio.Event | None = None) -> None:
    hedged.start(0.0, asking(hedged, answer, until=until))
    for _ in range(100):
        if hedged.begun is not None:
            return
        await asyncio.sleep(0)
    raise AssertionError("the hedge did not begin")


async def test_an_answer_that_is_asked_for_wins() -> None:
    hedged = hedged_call()
    await begin(hedged, Escalation(response="better"))
    assert hedged.serves("medium")
    assert not hedged.serves("frontier")
    assert await hedged.answer() == "better"
    assert (hedged.outcome, hedged.error, hedged.failed) == (HedgeOutcome.WON, None, False)


async def test_an_answer_that_nobody_asks_for_has_lost_once_it_is_there() -> None:
    hedged, until = hedged_call(), asyncio.Event()
    await begin(hedged, Escalation(response="better"), until=until)
    assert (hedged.outcome, hedged.running, hedged.done, hedged.error) == (HedgeOutcome.RUNNING, True, False, None)
    until.set()
    await hedged.wait()
    assert (hedged.outcome, hedged.running) == (HedgeOutcome.LOST, False)


async def test_who_stops_waiting_for_it_does_not_end_it() -> None:
    hedged, until = hedged_call(), asyncio.Event()
    await begin(hedged, Escalation(response="better"), until=until)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await hedged.answer()
    assert hedged.outcome is HedgeOutcome.RUNNING
    until.set()
    await hedged.wait()
    assert hedged.outcome is HedgeOutcome.LOST


async def test_it_never_begins_when_the_first_answer_is_there_before() -> None:
    hedged = hedged_call()
    assert hedged.done
    hedged.stop_waiting()
    hedged.cancel()
    hedged.start(60.0, asking(hedged, Escalation(response="better")))
    assert hedged.outcome is HedgeOutcome.PLANNED
    hedged.stop_waiting()
    await asyncio.sleep(0)
    assert (hedged.outcome, hedged.begun) == (HedgeOutcome.SKIPPED, None)
    assert not hedged.serves("medium")
    assert (await hedged.wait()).response is None


async def test_once_begun_it_does_not_stop_for_the_first_answer() -> None:
    hedged, until = hedged_call(), asyncio.Event()
    await begin(hedged, Escalation(response="better"), until=until)
    hedged.stop_waiting()
    until.set()
    assert (await hedged.wait()).response == "better"


@pytest.mark.parametrize(
    ("answer", "error"), [(Escalation(error="EscalationError"), "EscalationError"), (KeyError("x"), "KeyError")]
)
async def test_one_without_an_answer_has_failed_and_serves_nobody(answer: Any, error: str) -> None:
    hedged = hedged_call()
    await begin(hedged, answer)
    with pytest.raises(EscalationError, match=error):
        await hedged.answer()
    assert (hedged.outcome, hedged.error, hedged.serves("medium")) == (HedgeOutcome.FAILED, error, False)


async def test_it_can_be_ended() -> None:
    hedged = hedged_call()
    await begin(hedged, Escalation(response="better"), until=asyncio.Event())
    hedged.cancel()
    assert (await hedged.wait()).error == "CancelledError"
    assert hedged.outcome is HedgeOutcome.CANCELLED
