"""A circuit breaker: after failures in a row an outside system is left alone, then probed by one call at a time.

The libraries there are let every waiting call through once the time is up (circuitbreaker, purgatory) or do not await
(pybreaker); on a hot path that is a stampede on a server that is just coming back.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tiergate.errors import StoreError


class CircuitBreaker:
    """Open after `failures` in a row, half-open after `rest_s`.

    Then one probe at a time decides, and each failed one doubles the rest.

    Args:
        name: What it guards, for the message.
        monotonic: The time in seconds.
        failures: Failures in a row that open it.
        rest_s: How long it stays open at first.
        longest_rest_s: How long it stays open at most.
    """

    def __init__(
        self,
        name: str,
        monotonic: Callable[[], float],
        *,
        failures: int = 5,
        rest_s: float = 1.0,
        longest_rest_s: float = 60.0,
    ) -> None:
        self._name, self._monotonic = name, monotonic
        self._allowed, self._first_rest_s, self._longest_rest_s = failures, rest_s, longest_rest_s
        self._failed, self._rest_s = 0, rest_s
        self._open_until: float | None = None
        self._probing = False

    @property
    def state(self) -> str:
        """closed, open or half_open."""
        if self._open_until is None:
            return "closed"
        return "open" if self._probing or self._monotonic() < self._open_until else "half_open"

    @contextmanager
    def guard(self) -> Iterator[None]:
        """Let a call through, or refuse it; a StoreError or a timeout inside counts as a failure.

        Raises:
            StoreError: The circuit is open, or another call is probing.
        """
        if self.state == "open":
            raise StoreError(f"{self._name} has failed and is left alone for a moment")
        self._probing = self._open_until is not None
        try:
            yield
        except (StoreError, TimeoutError):
            self._fail()
            raise
        except BaseException:  # cancelled: nothing was learnt, the next call may probe
            self._probing = False
            raise
        self._failed, self._rest_s, self._open_until, self._probing = 0, self._first_rest_s, None, False

    def _fail(self) -> None:
        self._failed += 1
        if self._probing:
            self._rest_s = min(self._longest_rest_s, 2 * self._rest_s)
        if self._probing or self._failed >= self._allowed:
            self._open_until = self._monotonic() + self._rest_s
        self._probing = False
