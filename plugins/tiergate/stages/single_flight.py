"""Equal questions at the same time: one asks, the others wait for its answer within a budget."""

import asyncio
import logging
import uuid
from collections import OrderedDict
from dataclasses import dataclass, field

from tiergate.cache_settings import SingleFlight as Settings
from tiergate.errors import StoreError
from tiergate.ports import Clock, FlightBoard, StoredAnswer

logger = logging.getLogger("tiergate.single_flight")

KEPT_S = 2.0
"""How long a landed answer is handed to those whose look-up began before it was stored."""

_MAX_LANDED = 1_000


@dataclass(slots=True, eq=False)
class Flight:
    """One question that is being asked. It lands once, with the answer or with None."""

    key: str
    started: float
    landing: asyncio.Future[StoredAnswer | None]
    owner: str = field(default_factory=lambda: uuid.uuid4().hex)
    on_board: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Boarding:
    """What joining gave: a flight to lead, or the answer of another, or neither (go alone)."""

    flight: Flight | None = None
    answer: StoredAnswer | None = None
    waited_s: float = 0.0


class SingleFlights:
    """The flights of this process, and with a board those of all workers.

    A leader that dies never lands; whoever waits goes on alone when its own budget is spent, and a flight older than
    the budget is taken over.

    Args:
        settings: Whether to wait, and for how long.
        clock: The time.
        board: Where workers meet; None for one process.
    """

    def __init__(self, settings: Settings, clock: Clock, board: FlightBoard | None = None) -> None:
        self._settings, self._clock, self._board = settings, clock, board
        self._budget_s = settings.budget_ms / 1000
        self._flights: dict[str, Flight] = {}
        self._landed: OrderedDict[str, tuple[float, StoredAnswer]] = OrderedDict()
        self._publishing: set[asyncio.Task[None]] = set()

    async def join(self, key: str) -> Boarding:
        """Lead the question, or wait for who leads it.

        The flight is registered before anything is awaited, so of any number of tasks one leads.
        """
        if not self._settings.enabled:
            return Boarding()
        now = self._clock.monotonic()
        flight = self._flights.get(key)
        if flight is None or now - flight.started >= self._budget_s:
            flight = Flight(key, now, asyncio.get_running_loop().create_future())
            self._flights[key] = flight
            return Boarding(flight=flight)
        try:
            async with asyncio.timeout(self._budget_s):
                answer = await asyncio.shield(flight.landing)
        except TimeoutError:
            answer = None
        return Boarding(answer=answer, waited_s=self._clock.monotonic() - now)

    def latest(self, flight: Flight) -> StoredAnswer | None:
        """Return what the same question was answered a moment ago: a store may show an entry late, or have failed."""
        landed = self._landed.get(flight.key)
        fresh = landed is not None and self._clock.monotonic() - landed[0] <= KEPT_S
        return landed[1] if landed is not None and fresh else None

    async def lead_all(self, flight: Flight) -> Boarding:
        """Lead for all workers too, or wait for the worker that leads; call it after a look-up that missed."""
        if self._board is None:
            return Boarding(flight=flight)
        began = self._clock.monotonic()
        answer = None
        try:
            if await self._board.lead(flight.key, flight.owner, lease_s=self._budget_s):
                flight.on_board = True
            else:
                answer = await self._board.follow(flight.key, budget_s=self._budget_s)
        except StoreError as exc:
            logger.warning("waiting for other workers failed (%s); the request goes on without it", exc)
        return Boarding(flight=flight, answer=answer, waited_s=self._clock.monotonic() - began)

    def land(self, flight: Flight, answer: StoredAnswer | None, *, keep: bool = False) -> None:
        """Give those who wait the answer, or let them go on alone. The first landing counts.

        Args:
            flight: A flight that this task leads.
            answer: What they get.
            keep: Whether latecomers get it too, for a moment: a new answer that was just stored.
        """
        if flight.landing.done():
            return
        flight.landing.set_result(answer)
        if self._flights.get(flight.key) is flight:
            del self._flights[flight.key]
        if answer is not None and keep:
            self._landed[flight.key] = (self._clock.monotonic(), answer)
            self._landed.move_to_end(flight.key)
            self._forget_landed()
        if flight.on_board and self._board is not None:
            task = asyncio.get_running_loop().create_task(self._publish(flight, answer))
            self._publishing.add(task)
            task.add_done_callback(self._publishing.discard)

    def forget(self) -> None:
        """Forget landed answers: entries were removed from the store."""
        self._landed.clear()

    def _forget_landed(self) -> None:
        now = self._clock.monotonic()
        while self._landed:
            landed_at = next(iter(self._landed.values()))[0]
            if len(self._landed) <= _MAX_LANDED and now - landed_at <= KEPT_S:
                return
            self._landed.popitem(last=False)

    async def _publish(self, flight: Flight, answer: StoredAnswer | None) -> None:
        if self._board is None:
            return
        try:
            await self._board.publish(flight.key, flight.owner, answer, keep_s=KEPT_S)
        except StoreError as exc:
            logger.warning("telling other workers failed (%s); they go on without it", exc)
