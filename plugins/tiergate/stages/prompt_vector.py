"""One embedding for each request, shared by the cache and the classifier."""

from tiergate.errors import EmbedderError
from tiergate.ports import Embedder, Vector


class PromptVector:
    """Embeds a prompt at most once; a failure is remembered, so that no stage waits for it twice."""

    def __init__(self, embedder: Embedder, prompt: str) -> None:
        self._embedder, self._prompt = embedder, prompt
        self._vector: Vector | None = None
        self._failure: str | None = None

    @property
    def known(self) -> Vector | None:
        """The vector if some stage has needed it, else None."""
        return self._vector

    async def get(self) -> Vector:
        """Return the vector, shape (dimensions,).

        Raises:
            EmbedderError: The encoder failed, now or when an earlier stage asked.
            QueueFullError: The inference queue is full.
        """
        if self._vector is None:
            if self._failure is not None:
                raise EmbedderError(self._failure)
            try:
                self._vector = await self._embedder.embed(self._prompt)
            except EmbedderError as exc:
                self._failure = str(exc)
                raise
        return self._vector
