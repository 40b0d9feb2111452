"""One embedding for each request, shared by the cache and the classifier, and its surface features beside it."""

import asyncio
from collections.abc import Mapping

from tiergate.errors import EmbedderError
from tiergate.policy.features import features_of
from tiergate.ports import Embedder, Vector


class PromptVector:
    """Embeds a prompt at most once; a failure is remembered, so that no stage waits for it twice.

    A stage whose budget ends while it waits does not stop the work: the next stage waits for the same vector.
    """

    def __init__(self, embedder: Embedder, prompt: str) -> None:
        self._embedder, self._prompt = embedder, prompt
        self._vector: Vector | None = None
        self._features: Mapping[str, float] | None = None
        self._failure: str | None = None
        self._work: asyncio.Task[Vector] | None = None

    @property
    def known(self) -> Vector | None:
        """The vector if some stage has needed it, else None."""
        return self._vector

    @property
    def features(self) -> Mapping[str, float]:
        """The prompt's surface features, computed once."""
        if self._features is None:
            self._features = features_of(self._prompt)
        return self._features

    async def get(self) -> Vector:
        """Return the vector, shape (dimensions,).

        Raises:
            EmbedderError: The encoder failed, now or when an earlier stage asked.
            QueueFullError: The inference queue is full.
        """
        if self._vector is None:
            if self._failure is not None:
                raise EmbedderError(self._failure)
            if self._work is None or self._work.done():
                self._work = asyncio.create_task(self._embed())
                self._work.add_done_callback(_retrieve)
            return await asyncio.shield(self._work)
        return self._vector

    async def _embed(self) -> Vector:
        try:
            self._vector = await self._embedder.embed(self._prompt)
        except EmbedderError as exc:
            self._failure = str(exc)
            raise
        return self._vector


def _retrieve(work: asyncio.Task[Vector]) -> None:
    """Take note of an error that no stage waited for, so that asyncio does not report it as lost."""
    if not work.cancelled():
        work.exception()
