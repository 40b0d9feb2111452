"""How many answers a caller may store beside entries that are there already: the brake on near-collision stuffing."""

from collections import OrderedDict

from tiergate.cache_settings import StoreLimit as Settings
from tiergate.ports import Clock

_MAX_CALLERS = 100_000
_MINUTE_S = 60.0


class StoreLimit:
    """A token bucket for each caller; only stores near an entry of another prompt take a token.

    Args:
        settings: How many, and how near.
        clock: The time.
    """

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings, self._clock = settings, clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, caller: str, similarity: float | None) -> bool:
        """Tell whether a caller may store an answer.

        Args:
            caller: Hashed caller.
            similarity: Cosine to the nearest entry of another prompt; None without one.
        """
        if similarity is None or similarity < self._settings.near_similarity:
            return True
        now, burst = self._clock.monotonic(), float(self._settings.per_minute)
        tokens, seen = self._buckets.get(caller, (burst, now))
        tokens = min(burst, tokens + (now - seen) * burst / _MINUTE_S)
        allowed = tokens >= 1.0
        self._buckets[caller] = (tokens - 1.0 if allowed else tokens, now)
        self._buckets.move_to_end(caller)
        if len(self._buckets) > _MAX_CALLERS:
            self._buckets.popitem(last=False)
        return allowed
