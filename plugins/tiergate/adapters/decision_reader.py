"""Reads the decision log for the dashboard, off the event loop, over a connection of its own."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import sqlalchemy as sa

from tiergate.adapters.decision_database import DecisionDatabase, parse_url
from tiergate.adapters.decision_feedback import FeedbackRow, write_feedback
from tiergate.adapters.decision_recall import find_served
from tiergate.adapters.decision_rollups import Span
from tiergate.adapters.decision_search import Cursor, find_decision, find_decisions
from tiergate.adapters.decision_summary import read_summary

T = TypeVar("T")


class DecisionReader:
    """One connection, used by one thread at a time: a second query waits for the first.

    Args:
        url: `decision_log.url` of a policy whose log is open, so that the tables exist.
    """

    def __init__(self, url: str) -> None:
        self._database = DecisionDatabase(parse_url(url))
        self._turn = asyncio.Lock()

    async def summarise(self, hours: Span) -> dict[str, Any]:
        """Return the summary of a window of hours.

        Raises:
            DecisionLogError: The database cannot be read.
        """
        return await self._read(lambda connection: read_summary(connection, hours))

    async def find(self, decision_id: str) -> dict[str, Any] | None:
        """Return one decision, None when there is none (or not yet: a row is written within 0.2 s).

        Raises:
            DecisionLogError: The database cannot be read.
        """
        return await self._read(lambda connection: find_decision(connection, decision_id))

    async def find_served(self, entry_id: str) -> list[dict[str, Any]]:
        """Return who was served from a stored answer; see `decision_recall.find_served`.

        Raises:
            DecisionLogError: The database cannot be read.
        """
        return await self._read(lambda connection: find_served(connection, entry_id))

    async def search(
        self,
        *,
        limit: int,
        after: Cursor | None,
        between: tuple[float, float] | None,
        where: Mapping[str, str],
    ) -> list[dict[str, Any]]:
        """Return decisions, the newest first; see `find_decisions`.

        Raises:
            DecisionLogError: The database cannot be read.
        """
        return await self._read(
            lambda connection: find_decisions(
                connection, limit=limit, after=after, newest_first=True, between=between, where=where
            )
        )

    async def keep_feedback(self, feedback: FeedbackRow) -> None:
        """Write feedback.

        Raises:
            DecisionLogError: The database cannot be written.
        """

        def write() -> None:
            with self._database.transaction() as connection:
                write_feedback(connection, feedback)

        async with self._turn:
            await asyncio.to_thread(write)

    async def aclose(self) -> None:
        """Close the connection."""
        await asyncio.to_thread(self._database.close)

    async def _read(self, query: Callable[[sa.Connection], T]) -> T:
        def read() -> T:
            with self._database.snapshot() as connection:
                return query(connection)

        async with self._turn:
            return await asyncio.to_thread(read)
