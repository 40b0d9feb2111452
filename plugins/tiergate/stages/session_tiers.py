"""Which tier each session has reached: bounded, and forgotten after a while."""

from collections import OrderedDict

MAX_SESSIONS = 10_000


class SessionTiers:
    """The highest tier that has answered in each session.

    Args:
        ttl_s: How long a session is remembered after its last answer, in seconds.
        tiers: Tier names, cheapest first.
        max_sessions: How many are remembered; the one unused for longest goes first.
    """

    def __init__(self, *, ttl_s: float, tiers: tuple[str, ...], max_sessions: int = MAX_SESSIONS) -> None:
        self._ttl_s, self._tiers, self._max = ttl_s, tiers, max_sessions
        self._sessions: OrderedDict[str, tuple[str, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._sessions)

    def find(self, session: str, now: float) -> str | None:
        """Return the tier of a session; None for one that is new or forgotten.

        Args:
            session: Its hashed name.
            now: Monotonic time in seconds.
        """
        tier, seen = self._sessions.get(session, (None, now))
        return tier if now - seen <= self._ttl_s else None

    def note(self, session: str, tier: str, now: float) -> None:
        """Note that a tier has answered; a lower one than before changes nothing but the time."""
        known = self.find(session, now)
        if known is not None and self._tiers.index(known) > self._tiers.index(tier):
            tier = known
        self._sessions[session] = (tier, now)
        self._sessions.move_to_end(session)
        while len(self._sessions) > self._max:
            self._sessions.popitem(last=False)
