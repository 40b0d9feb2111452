"""Flights by themselves: one leads, others wait within a budget, and a board joins workers."""

import asyncio
from typing import Any

import numpy as np
import pytest

from tiergate.cache_settings import SingleFlight as Settings
from tiergate.errors import StoreError
from tiergate.ports import StoredAnswer
from tiergate.stages import single_flight
from tiergate.stages.single_flight import KEPT_S, Boarding, Flight, SingleFlights
from tiergate.testing import FakeClock


def answer(entry_id: str = "e") -> StoredAnswer:
    return StoredAnswer(
        entry_id=entry_id, tenant="t", context_key="c", prompt="p", vector=np.zeros(0, dtype=np.float32), body={},
        tier="simple", confidence=1.0, cost_usd=0.0, stored_at=0.0, expires_at=1.0,
    )  # fmt: skip


class Board:
    """Where one other worker leads, or nobody, or nothing answers."""

    def __init__(self, *, leads: bool = True, followed: StoredAnswer | None = None, broken: bool = False) -> None:
        self.leads, self.followed, self.broken = leads, followed, broken
        self.published: list[tuple[str, StoredAnswer | None]] = []

    async def lead(self, key: str, owner: str, *, lease_s: float) -> bool:
        assert key
        assert owner
        assert lease_s > 0
        if self.broken:
            raise StoreError("no board")
        return self.leads

    async def follow(self, key: str, *, budget_s: float) -> StoredAnswer | None:
        assert key
        assert budget_s > 0
        return self.followed

    async def publish(self, key: str, owner: str, landed: StoredAnswer | None, *, keep_s: float) -> None:
        assert owner
        assert keep_s == KEPT_S
        self.published.append((key, landed))
        if self.broken:
            raise StoreError("no board")


def flights(clock: FakeClock | None = None, **parts: Any) -> SingleFlights:
    settings = Settings(budget_ms=parts.pop("budget_ms", 60_000), enabled=parts.pop("enabled", True))
    return SingleFlights(settings, clock or FakeClock(), **parts)


async def lead(one: SingleFlights, key: str = "k") -> Flight:
    flight = (await one.join(key)).flight
    assert flight is not None
    return flight


async def test_of_many_one_leads_and_all_get_its_answer() -> None:
    one = flights()
    flight = await lead(one)
    waiting = [asyncio.create_task(one.join("k")) for _ in range(50)]
    await asyncio.sleep(0)
    assert (await one.join("another")).flight is not None
    landed = answer()
    one.land(flight, landed)
    boardings = await asyncio.gather(*waiting)
    assert all(each.answer is landed and each.flight is None for each in boardings)
    assert (await one.join("k")).flight is not None, "the next question flies anew"


async def test_the_first_landing_counts_and_a_failed_leader_fails_nobody() -> None:
    one = flights()
    flight = await lead(one)
    waiting = asyncio.create_task(one.join("k"))
    await asyncio.sleep(0)
    one.land(flight, None)
    one.land(flight, answer())
    assert (await waiting) == Boarding(waited_s=0.0)


async def test_a_follower_whose_client_goes_away_does_not_end_the_flight() -> None:
    one = flights()
    flight = await lead(one)
    gone, stays = (asyncio.create_task(one.join("k")) for _ in range(2))
    await asyncio.sleep(0)
    gone.cancel()
    await asyncio.gather(gone, return_exceptions=True)
    one.land(flight, answer())
    assert (await stays).answer is not None


async def test_whoever_waits_too_long_goes_alone_and_an_old_flight_is_taken_over() -> None:
    clock = FakeClock()
    one = flights(clock, budget_ms=10)
    first = await lead(one)
    assert await one.join("k") == Boarding(waited_s=0.0)
    clock.advance(1)
    second = await lead(one)
    assert second is not first
    one.land(first, answer())
    assert (await one.join("k")).answer is None, "the second still flies"


async def test_switched_off_everyone_goes_alone() -> None:
    assert await flights(enabled=False).join("k") == Boarding()


async def test_latecomers_get_a_kept_answer_for_a_moment() -> None:
    clock = FakeClock()
    one = flights(clock)
    one.land(await lead(one), answer(), keep=True)
    late = await lead(one)
    assert one.latest(late) is not None
    clock.advance(KEPT_S + 0.1)
    assert one.latest(late) is None
    one.land(late, answer(), keep=True)
    one.forget()
    assert one.latest(late) is None


async def test_kept_answers_are_few_and_fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(single_flight, "_MAX_LANDED", 2)
    one = flights()
    for key in ("a", "b", "c"):
        one.land(await lead(one, key), answer(key), keep=True)
    assert [one.latest(await lead(one, key)) is None for key in ("a", "b", "c")] == [True, False, False]


async def test_without_a_board_a_worker_leads_alone() -> None:
    one = flights()
    flight = await lead(one)
    assert await one.lead_all(flight) == Boarding(flight=flight)


@pytest.mark.parametrize("landed", [answer(), None])
async def test_the_worker_that_leads_tells_the_others(landed: StoredAnswer | None) -> None:
    board = Board()
    one = flights(board=board)
    flight = await lead(one)
    assert (await one.lead_all(flight)).answer is None
    one.land(flight, landed)
    await asyncio.gather(*one._publishing)
    assert board.published == [("k", landed)]


async def test_the_worker_that_follows_gets_the_answer_and_publishes_nothing() -> None:
    followed = answer()
    board = Board(leads=False, followed=followed)
    one = flights(board=board)
    flight = await lead(one)
    assert (await one.lead_all(flight)).answer is followed
    one.land(flight, followed)
    assert not one._publishing
    assert board.published == []


async def test_a_board_that_does_not_answer_stops_nobody() -> None:
    board = Board(broken=True)
    one = flights(board=board)
    flight = await lead(one)
    assert await one.lead_all(flight) == Boarding(flight=flight)
    flight.on_board = True
    one.land(flight, answer())
    await asyncio.gather(*one._publishing)
    assert len(board.published) == 1
