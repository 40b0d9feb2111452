"""The answer store of a deployment whose cache is switched off: nothing is opened, nothing is kept."""

from collections.abc import Sequence

from tiergate.ports import AnswerStore, Neighbour, StoredAnswer, Vector


class AbsentStore(AnswerStore):
    """Finds nothing and keeps nothing, so that several processes may run without a cache (port `AnswerStore`)."""

    async def look_up_exact(self, tenant: str, context_key: str, prompt: str, *, now: float) -> Neighbour | None:
        """Return None."""
        return None

    async def look_up(
        self, tenant: str, context_key: str, vector: Vector, *, now: float, limit: int = 1
    ) -> Sequence[Neighbour]:
        """Return nothing."""
        return ()

    async def store(self, answer: StoredAnswer) -> None:
        """Keep nothing."""

    async def aclose(self) -> None:
        """Nothing is open."""
