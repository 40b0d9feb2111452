"""An answer store after a change of the encoder: the new collection is filled while the old one still serves."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace

from tiergate.errors import ServingError
from tiergate.ports import AnswerStore, Clock, Embedder, Neighbour, Page, Selection, StoredAnswer, StoreStats, Vector

logger = logging.getLogger("tiergate.refill")

_PAGE = 50
_PAUSE_S = 0.02
"""Between two entries, so that filling never competes with requests for the encoder."""


class RefilledStore:
    """Two collections as one store (port `AnswerStore`).

    Exact repeats are looked up in the new one, then in the old one. Look-ups by meaning ask the new one only: vectors
    of two encoders are never compared. The old prompts are embedded anew in the background, from the first look-up on.

    Args:
        fresh: The store of the encoder in use.
        old: That of the encoder before.
        embedder: The encoder in use.
        clock: The time.
        pause_s: Pause between two entries.
    """

    def __init__(
        self, fresh: AnswerStore, old: AnswerStore, embedder: Embedder, clock: Clock, *, pause_s: float = _PAUSE_S
    ) -> None:
        self._fresh, self._old = fresh, old
        self._embedder, self._clock, self._pause_s = embedder, clock, pause_s
        self._filling: asyncio.Task[None] | None = None
        self.filled = False

    async def look_up_exact(self, tenant: str, context_key: str, prompt: str, *, now: float) -> Neighbour | None:
        """Return the live entry of exactly this prompt from either collection.

        Raises:
            StoreError: A store failed.
        """
        self._start()
        found = await self._fresh.look_up_exact(tenant, context_key, prompt, now=now)
        if found is None and not self.filled:
            found = await self._old.look_up_exact(tenant, context_key, prompt, now=now)
        return found

    async def look_up(
        self, tenant: str, context_key: str, vector: Vector, *, now: float, limit: int = 1
    ) -> Sequence[Neighbour]:
        """Return the nearest live entries of the new collection.

        Raises:
            StoreError: The store failed.
        """
        return await self._fresh.look_up(tenant, context_key, vector, now=now, limit=limit)

    async def store(self, answer: StoredAnswer) -> None:
        """Store into the new collection.

        Raises:
            StoreError: The store failed.
        """
        await self._fresh.store(answer)

    async def browse(self, selection: Selection, *, after: str | None = None, limit: int = 100) -> Page:
        """Return entries of the new collection.

        Raises:
            StoreError: The store failed.
        """
        return await self._fresh.browse(selection, after=after, limit=limit)

    async def remove(self, selection: Selection) -> int:
        """Remove from both; what is being filled meanwhile is removed too.

        Raises:
            StoreError: A store failed.
        """
        removed = 0 if self.filled else await self._old.remove(selection)
        return removed + await self._fresh.remove(selection)

    async def stats(self) -> StoreStats:
        """Return how full the new collection is.

        Raises:
            StoreError: The store failed.
        """
        return await self._fresh.stats()

    async def aclose(self) -> None:
        """Stop filling and close both; the next start goes on where this one stopped."""
        if self._filling is not None:
            self._filling.cancel()
            await asyncio.gather(self._filling, return_exceptions=True)
        await self._old.aclose()
        await self._fresh.aclose()

    async def fill(self) -> None:
        """Embed every live entry of the old collection anew, then empty it.

        Raises:
            ServingError: A store or the encoder failed.
        """
        after: str | None = None
        while True:
            page = await self._old.browse(Selection(), after=after, limit=_PAGE)
            for entry in page.entries:
                await self._move(entry)
                await asyncio.sleep(self._pause_s)
            after = page.after
            if after is None:
                break
        self.filled = True
        await self._old.remove(Selection())

    async def _move(self, entry: StoredAnswer) -> None:
        now = self._clock.now()
        there = await self._fresh.look_up_exact(entry.tenant, entry.context_key, entry.prompt, now=now)
        if entry.expires_at <= now or there is not None:
            return
        vector = await self._embedder.embed(entry.prompt)
        # Asked again: an invalidation may have removed it while it was embedded.
        if await self._old.look_up_exact(entry.tenant, entry.context_key, entry.prompt, now=now) is not None:
            await self._fresh.store(replace(entry, vector=vector))

    def _start(self) -> None:
        if self._filling is None:
            self._filling = asyncio.get_running_loop().create_task(self._fill_quietly())

    async def _fill_quietly(self) -> None:
        try:
            await self.fill()
            logger.warning("the answer store is filled for the encoder in use; the old collection is empty")
        except ServingError as exc:
            logger.warning("filling the answer store stopped, the old one still serves exact repeats: %s", exc)
