"""Bounded threads for work that would block the event loop: inference and embedded stores."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from tiergate.errors import QueueFullError, ServingError

P = ParamSpec("P")
T = TypeVar("T")


class InferencePool:
    """Runs blocking functions on a few threads and refuses work instead of queueing without end.

    Args:
        threads: How many functions run at once.
        max_queue: How many more may wait.
        name: Prefix of the threads' names.
    """

    def __init__(self, threads: int = 1, max_queue: int = 64, *, name: str = "tiergate-inference") -> None:
        if threads < 1 or max_queue < 0:
            raise ValueError(f"threads must be at least 1 and max_queue at least 0: {threads!r}, {max_queue!r}")
        self._executor = ThreadPoolExecutor(max_workers=threads, thread_name_prefix=name)
        self._places = threading.BoundedSemaphore(threads + max_queue)

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `function` on a thread and return its result; its errors are raised here.

        A cancelled caller stops waiting. Its function is dropped if it has not begun, else it runs to its end
        and keeps its place until then.

        Raises:
            QueueFullError: All threads are busy and the queue is full.
            ServingError: The pool is closed.
        """
        if not self._places.acquire(blocking=False):
            raise QueueFullError("the inference queue is full")
        try:
            future = self._executor.submit(function, *args, **kwargs)
        except RuntimeError as exc:
            self._places.release()
            raise ServingError("the inference pool is closed") from exc
        future.add_done_callback(self._free)
        return await asyncio.wrap_future(future)

    def _free(self, _: Future[T]) -> None:
        self._places.release()

    async def aclose(self) -> None:
        """Drop what waits, let what runs end, and release the threads."""
        await asyncio.to_thread(self._executor.shutdown, wait=True, cancel_futures=True)
