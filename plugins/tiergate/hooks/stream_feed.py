"""A provider's stream read ahead by a task of its own, so that it can be waited for, held and cancelled."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any, Final

MAX_AHEAD = 256
"""Chunks read ahead of a slow client."""


class _End:
    """Marks the end of a stream."""


END: Final = _End()


class StreamFeed:
    """Reads a stream into a bounded queue.

    Args:
        stream: LiteLLM's stream; closed by `aclose`.
    """

    def __init__(self, stream: AsyncIterator[Any]) -> None:
        self._stream = stream
        self._queue: asyncio.Queue[Any] = asyncio.Queue(maxsize=MAX_AHEAD)
        self._task = asyncio.get_running_loop().create_task(self._read())

    async def get(self) -> Any:
        """Return the next chunk, or `END` when the stream has ended or broken off: see `raise_if_broken`."""
        if self._queue.empty() and not self._task.done():
            waiting = asyncio.ensure_future(self._queue.get())
            try:
                await asyncio.wait({waiting, self._task}, return_when=asyncio.FIRST_COMPLETED)
                if waiting.done():
                    return waiting.result()
            finally:
                waiting.cancel()
        if not self._queue.empty():
            return self._queue.get_nowait()
        return END

    @property
    def broken(self) -> bool:
        """Whether the stream was ended by an error."""
        return self._task.done() and not self._task.cancelled() and self._task.exception() is not None

    def raise_if_broken(self) -> None:
        """Raise what broke the stream off.

        Raises:
            Exception: Whatever the stream raised.
        """
        if self.broken:
            self._task.result()

    async def aclose(self) -> None:
        """Stop reading and close the provider's stream."""
        self._task.cancel()
        await asyncio.wait({self._task})
        if not self._task.cancelled():
            self._task.exception()  # looked at, so that asyncio does not report it as lost
        close = getattr(self._stream, "aclose", None)
        if close is not None:
            with suppress(RuntimeError):  # a generator that is already being closed
                await close()

    async def _read(self) -> None:
        async for chunk in self._stream:
            await self._queue.put(chunk)
