"""Answers on their way into the store while their clients already have them."""

import asyncio
from collections.abc import Coroutine
from typing import Any

SETTLE_S = 0.02
"""How long a look-up waits for stores that began before it. A store that takes longer is no reason to wait."""


class StoreBacklog:
    """Lets a response leave before its answer is stored, and still lets the next look-up see that answer."""

    def __init__(self) -> None:
        self._running: dict[str | None, set[asyncio.Task[None]]] = {}

    def start(self, tenant: str | None, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        """Run the storing of an answer in the background.

        Args:
            tenant: Whose look-ups wait for it.
            work: Stores the answer.
        """
        task = asyncio.get_running_loop().create_task(work)
        tasks = self._running.setdefault(tenant, set())
        tasks.add(task)

        def forget(done: "asyncio.Task[None]") -> None:
            tasks.discard(done)
            if not tasks and self._running.get(tenant) is tasks:
                del self._running[tenant]

        task.add_done_callback(forget)
        return task

    async def settle(self, tenant: str | None) -> None:
        """Wait a moment for what this tenant's earlier requests are storing; never raises what they raise."""
        tasks = self._running.get(tenant)
        if tasks:
            await asyncio.wait(tuple(tasks), timeout=SETTLE_S)
