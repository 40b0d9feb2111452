from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from litellm.proxy._types import UserAPIKeyAuth

from tiergate.adapters.decision_feedback import FeedbackRow
from tiergate.http.dashboard import NotInvalidatedError
from tiergate.ports import Invalidation

Rows = Callable[..., dict[str, Any]]


class NotingMeter:
    def __init__(self) -> None:
        self.noted: list[dict[str, Any]] = []

    def record_feedback(self, **facts: Any) -> None:
        self.noted.append(facts)


async def test_feedback_is_measured_with_the_confidence_it_judges(site: Any, build_row: Rows) -> None:
    meter = NotingMeter()
    dashboard = replace(site.dashboard, meters=(meter,))
    escalated = {"outcome": "escalated", "reason": "confidence_low", "confidence": 0.4}
    for row in (build_row("d-1"), build_row("d-2", gate=escalated)):
        site.write(row)
        await dashboard.take_feedback(
            FeedbackRow(decision_id=row["decision_id"], source="user", ts=1.0, score=1.0), row
        )
    assert [facts["confidence"] for facts in meter.noted] == [0.93, None]


async def test_a_decision_that_is_being_written_is_waited_for(site: Any, build_row: Rows) -> None:
    assert await site.dashboard.await_decision("never") is None
    site.write(build_row("d-1"))
    assert (await site.dashboard.await_decision("d-1"))["decision_id"] == "d-1"


def test_a_decision_belongs_to_the_key_it_was_made_for(site: Any, build_row: Rows) -> None:
    row = build_row("d-1")
    assert site.dashboard.owns(UserAPIKeyAuth(api_key="sk-ann"), row)
    assert not site.dashboard.owns(UserAPIKeyAuth(api_key="sk-eve"), row)
    assert not site.dashboard.owns(UserAPIKeyAuth(), build_row("d-2", tenant=None))


async def test_without_a_store_nothing_can_be_removed(site: Any) -> None:
    with pytest.raises(NotInvalidatedError):
        await replace(site.dashboard, store=None).invalidate(Invalidation(everything=True))


async def test_a_wrong_hit_without_a_store_still_names_who_was_served(site: Any, build_row: Rows) -> None:
    row = build_row("d-1", cache={"outcome": "hit", "reason": "similar_enough", "similarity": 0.97, "entry_id": "e"})
    site.write(row)
    feedback = FeedbackRow(decision_id="d-1", source="user", ts=1.0, wrong_cache_hit=True)
    told = await replace(site.dashboard, store=None).take_feedback(feedback, row)
    assert told is not None
    assert (told.removed, [each["decision_id"] for each in told.served]) == (0, ["d-1"])
