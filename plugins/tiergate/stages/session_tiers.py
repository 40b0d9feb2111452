"""Which tier each session has reached and what is cached there: bounded, and forgotten after a while."""

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
        self._sessions: OrderedDict[str, tuple[str, float, int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._sessions)

    def find(self, session: str, now: float) -> str | None:
        """Return the tier of a session; None for one that is new or forgotten.

        Args:
            session: Its hashed name.
            now: Monotonic time in seconds.
        """
        return self.find_cached(session, now)[0]

    def find_cached(self, session: str, now: float) -> tuple[str | None, int]:
        """Return the tier of a session, and how many of its prompt's tokens the provider had cached there last."""
        tier, seen, cached_tokens = self._sessions.get(session, (None, now, 0))
        return (tier, cached_tokens) if now - seen <= self._ttl_s else (None, 0)

    def note(self, session: str, tier: str, now: float, *, cached_tokens: int = 0) -> None:
        """Note that a tier has answered; a lower one than before changes nothing but the time.

        Args:
            session: The session's hashed name.
            tier: The tier.
            now: Monotonic time in seconds.
            cached_tokens: Prompt tokens that its provider read from its cache.
        """
        known, known_tokens = self.find_cached(session, now)
        if known is not None and self._tiers.index(known) > self._tiers.index(tier):
            tier, cached_tokens = known, known_tokens
        self._sessions[session] = (tier, now, cached_tokens)
        self._sessions.move_to_end(session)
        while len(self._sessions) > self._max:
            self._sessions.popitem(last=False)
