"""The answer store of a deployment whose cache is switched off: nothing is opened, nothing is kept."""

from collections.abc import Sequence

from tiergate.ports import Neighbour, Page, Selection, StoredAnswer, StoreStats, Vector


class AbsentStore:
    """Finds nothing and keeps nothing, so that several processes may run without a cache (port `AnswerStore`)."""

    async def look_up_exact(self, tenant: str, context_key: str, prompt: str, *, now: float) -> Neighbour | None:
        """Return None."""
        del tenant, context_key, prompt, now
        return None

    async def look_up(
        self, tenant: str, context_key: str, vector: Vector, *, now: float, limit: int = 1
    ) -> Sequence[Neighbour]:
        """Return nothing."""
        del tenant, context_key, vector, now, limit
        return ()

    async def store(self, answer: StoredAnswer) -> None:
        """Keep nothing."""
        del answer

    async def browse(self, selection: Selection, *, after: str | None = None, limit: int = 100) -> Page:
        """Return an empty page."""
        del selection, after, limit
        return Page(entries=(), after=None)

    async def remove(self, selection: Selection) -> int:
        """Remove nothing."""
        del selection
        return 0

    async def stats(self) -> StoreStats:
        """Return that there is nothing."""
        return StoreStats(entries=0, indexed=0, disk_bytes=None, kind="none", collection="")

    async def aclose(self) -> None:
        """Nothing is open."""
