import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from tiergate.errors import EscalationError
from tiergate.exchange import Answer, Request
from tiergate.settings import Verifier as Settings
from tiergate.stages.verifier import Verdict, Verifier

REQUEST = Request(call_id="c", endpoint="chat_completions", entry_model="auto", tenant=None, prompt="Capital?")
ANSWER = Answer(text="Paris")


async def test_a_judge_past_its_budget_gives_no_verdict() -> None:
    async def hang(_changes: Mapping[str, Any] | None) -> str:
        await asyncio.sleep(30)
        return ""

    settings = Settings(kind="judge", model_group="j", budget_ms=5)
    assert await Verifier(settings=settings).verify(REQUEST, ANSWER, hang) == Verdict(error="TimeoutError")


@pytest.mark.swallows
async def test_samples_that_fail_are_left_out_and_none_is_no_verdict() -> None:
    given = iter([EscalationError("down"), "Paris"])

    async def ask(_changes: Mapping[str, Any] | None) -> str:
        sample = next(given, EscalationError("down"))
        if isinstance(sample, Exception):
            raise sample
        return sample

    verifier = Verifier(settings=Settings(kind="self_consistency", samples=2))
    assert await verifier.verify(REQUEST, ANSWER, ask) == Verdict(good=True)
    assert await verifier.verify(REQUEST, ANSWER, ask) == Verdict(error="EscalationError")
