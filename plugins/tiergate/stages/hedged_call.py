"""A stronger tier's call that runs beside the cheap one: begun after a while, asked for by the gate or by nobody."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from tiergate.decisions import HedgeOutcome
from tiergate.errors import EscalationError
from tiergate.exchange import Call
from tiergate.stages.confidence_gate import Escalation


@dataclass(slots=True, kw_only=True)
class HedgedCall:
    """At most one of a request.

    It runs to its end whoever needs it, so that the host logs what it cost (docs/decisions/0010-hedged-call.md).

    Attributes:
        tier: Tier that it asks.
        call_id: Its own call id.
        begun: When the call began, on the monotonic clock; None before.
        call: The call, once it has given an answer.
        won: Whether the gate took its answer.
    """

    tier: str
    call_id: str
    begun: float | None = None
    call: Call | None = None
    won: bool = False
    _task: "asyncio.Task[Escalation] | None" = field(default=None, init=False)

    def start(self, after_s: float, ask: Callable[[], Coroutine[Any, Any, Escalation]]) -> None:
        """Begin after a while, unless `stop_waiting` comes first.

        Args:
            after_s: How long to wait, in seconds.
            ask: Sets `begun`, makes the call, and sets `call` if it gives an answer.
        """

        async def run() -> Escalation:
            await asyncio.sleep(after_s)
            return await ask()

        self._task = asyncio.get_running_loop().create_task(run())

    @property
    def done(self) -> bool:
        """Whether it has ended, in one way or the other."""
        return self._task is None or self._task.done()

    @property
    def running(self) -> bool:
        """Whether the call has begun and not ended."""
        return self.begun is not None and not self.done

    @property
    def failed(self) -> bool:
        """Whether it has ended without an answer."""
        return self.done and self._end().response is None

    def serves(self, tier: str) -> bool:
        """Tell whether its answer can be had instead of a new call to a tier: it has begun and has not failed."""
        return self.begun is not None and tier == self.tier and not self.failed

    async def answer(self) -> Any:
        """Wait for its end and return the host's response.

        Raises:
            EscalationError: There is none.
        """
        ended = await self.wait()
        if ended.response is None:
            raise EscalationError(f"the hedged call to {self.tier} gave no answer: {ended.error}")
        self.won = True
        return ended.response

    async def wait(self) -> Escalation:
        """Wait for its end; who waits no longer does not end it."""
        if self._task is not None:
            await asyncio.wait({self._task})
        return self._end()

    def stop_waiting(self) -> None:
        """Never begin, unless it has begun."""
        if self.begun is None and self._task is not None:
            self._task.cancel()
            self._task = None

    def cancel(self) -> None:
        """End it now."""
        if self._task is not None:
            self._task.cancel()

    @property
    def outcome(self) -> HedgeOutcome:
        """What became of it so far."""
        if self.begun is None:
            return HedgeOutcome.SKIPPED if self.done else HedgeOutcome.PLANNED
        if not self.done:
            return HedgeOutcome.RUNNING
        ended = self._end()
        if ended.response is not None:
            return HedgeOutcome.WON if self.won else HedgeOutcome.LOST
        return HedgeOutcome.CANCELLED if ended.error == asyncio.CancelledError.__name__ else HedgeOutcome.FAILED

    @property
    def error(self) -> str | None:
        """Class of the error that it ended with; None without one."""
        return self._end().error if self.done else None

    def _end(self) -> Escalation:
        if self._task is None:
            return Escalation()
        if self._task.cancelled():
            return Escalation(error=asyncio.CancelledError.__name__)
        broken = self._task.exception()
        return self._task.result() if broken is None else Escalation(error=type(broken).__name__)
