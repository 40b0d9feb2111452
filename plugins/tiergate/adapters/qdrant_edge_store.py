"""Answers kept in an embedded Qdrant Edge shard (port `AnswerStore`)."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from tiergate.adapters.answer_cipher import AnswerCipher
from tiergate.adapters.inference_pool import InferencePool
from tiergate.adapters.qdrant_edge_folder import EdgeFolder
from tiergate.adapters.qdrant_edge_link import EdgeLink, EdgeOptimiser
from tiergate.adapters.stored_entry import NO_VECTOR, EntryCodec, exact_match, point_id, scope_id, to_conditions
from tiergate.errors import ConfigurationError, ServingError, StoreError
from tiergate.ports import Neighbour, Page, Selection, StoredAnswer, StoreStats, Vector

T = TypeVar("T")

_log = logging.getLogger(__name__)

_LOOK_UP_S = 2.0
_STORE_S = 10.0
_RESTART_AFTER_S = 5.0
_COUNT_EVERY = 1_000


class QdrantEdgeStore:
    """An answer store on the local disk, for one proxy process.

    The shard lives in a process of its own (`qdrant_edge_process` says why). When that process dies, calls
    raise StoreError, and a new one is started at the earliest five seconds after the last start. A folder
    that is removed while it is open gives StoreError until the proxy is started again.

    An entry's identity is the digest of tenant, context and prompt, so storing again replaces, and an exact
    repeat is a read by identity. Tenant and context are one filter key of every query, and are compared again
    with what came back.

    Once more than `optimise_after` entries are outside the index, it is built anew in a copy while the old
    shard serves: look-ups do not wait, stores wait while the copy is made and while it catches up at the end.

    Args:
        path: Folder of the store; made when missing.
        dimensions: Length of the encoder's vectors.
        encoder_digest: Digest of the encoder; each encoder has a collection of its own.
        max_queue: How many look-ups, and how many stores, may wait.
        optimise_after: Entries outside the index that start an optimise.
        max_entries: The oldest entries go when there are more; 0 for no limit.
        cipher: Seals prompts and answers; None writes them in the clear.
    """

    def __init__(
        self,
        path: Path,
        dimensions: int,
        encoder_digest: str,
        *,
        max_queue: int = 256,
        optimise_after: int = 20_000,
        max_entries: int = 0,
        cipher: AnswerCipher | None = None,
    ) -> None:
        self._max_entries = max_entries
        self._codec = EntryCodec(cipher)
        self._path = path
        self._dimensions = dimensions
        self._digest = encoder_digest
        self._optimise_after = optimise_after
        self._look_ups = InferencePool(1, max_queue, name="tiergate-look-up")
        self._stores = InferencePool(1, max_queue, name="tiergate-store")
        self._upkeep = InferencePool(1, 4, name="tiergate-upkeep")
        self._opening = threading.Lock()
        self._folder: EdgeFolder | None = None
        self._link: EdgeLink | None = None
        self._started_at = float("-inf")
        self._closed = False
        self._stored = 0
        # Requests stored since the copy of a running optimise was made; None when none runs.
        self._since_copy: list[tuple[dict[str, Any], bytes]] | None = None
        self._optimising: asyncio.Task[None] | None = None
        self._optimiser: EdgeOptimiser | None = None

    def open(self) -> None:
        """Open the store now; blocks. Start-up calls it, so that a bad folder stops the proxy.

        Raises:
            ConfigurationError: The folder cannot be used, is open elsewhere, or holds no readable shard.
        """
        with self._opening:
            if self._folder is not None:
                return
            folder = EdgeFolder(self._path, self._dimensions, self._digest)
            folder.remove_others()
            try:
                self._link = EdgeLink(folder.shard, self._dimensions, self._max_entries)
                folder.make_current(folder.shard)
            except (StoreError, OSError) as exc:
                self._drop_link()
                folder.release()
                fix = "move the folder away (the cache then starts empty), or restore it from a backup"
                raise ConfigurationError(folder.shard, "", str(exc), fix) from exc
            self._started_at = time.monotonic()
            self._folder = folder

    def open_previous(self) -> "QdrantEdgeStore | None":
        """Open the collection of the encoder before, which `open` leaves alone; an empty one is removed. Blocks.

        Returns:
            The store, for look-ups, browsing and removal; None when there is none that can be read.
        """
        previous = self._folder.previous() if self._folder is not None else None
        if previous is None or self._folder is None:
            return None
        digest, dimensions = previous
        store = QdrantEdgeStore(self._path, dimensions, digest, cipher=self._codec.cipher)
        try:
            folder = EdgeFolder(self._path, dimensions, digest, borrowed=True)
            link = EdgeLink(folder.shard, dimensions)
            if link.points == 0:
                link.close()
                self._folder.forget(digest)
                return None
        except (StoreError, ConfigurationError, OSError) as exc:
            _log.warning("the answers of the encoder before cannot be read and are left alone: %s", exc)
            return None
        store._folder, store._link, store._started_at = folder, link, time.monotonic()
        return store

    async def look_up_exact(self, tenant: str, context_key: str, prompt: str, *, now: float) -> Neighbour | None:
        """Return the live entry stored for exactly this prompt, or None.

        Raises:
            QueueFullError: Too many look-ups wait.
            StoreError: The store failed.
        """
        request = {"do": "exact", "point": point_id(tenant, context_key, prompt), "now": now}
        found = await self._look_ups.run(self._find, request, b"")
        return exact_match(self._codec.in_scope(found, tenant, context_key), prompt, now=now)

    async def look_up(
        self, tenant: str, context_key: str, vector: Vector, *, now: float, limit: int = 1
    ) -> Sequence[Neighbour]:
        """Return the nearest live entries of the tenant and context, best first.

        `exact` is False for all of them: the prompt is not known here.

        Raises:
            QueueFullError: Too many look-ups wait.
            StoreError: The store failed, or the vector has another length.
        """
        raw = self._raw(vector)
        request = {"do": "nearest", "scope": scope_id(tenant, context_key), "now": now, "limit": limit}
        found = await self._look_ups.run(self._find, request, raw)
        return [each for each in self._codec.in_scope(found, tenant, context_key) if each.answer.expires_at > now]

    async def store(self, answer: StoredAnswer) -> None:
        """Store or replace an entry. When this returns, a SIGKILL no longer loses it.

        Raises:
            QueueFullError: Too many stores wait.
            StoreError: The store failed, the vector has another length, or the body is not JSON.
        """
        raw = self._raw(answer.vector)
        point = point_id(answer.tenant, answer.context_key, answer.prompt)
        payload = self._codec.to_payload(answer)
        request = {"do": "store", "point": point, "payload": payload, "now": answer.stored_at}
        await self._stores.run(self._write, request, raw)
        self._stored += 1
        if self._stored % _COUNT_EVERY == 0 and self._optimising is None:
            self._optimising = asyncio.create_task(self._optimise_when_due())

    async def browse(self, selection: Selection, *, after: str | None = None, limit: int = 100) -> Page:
        """Return entries in the order of their identifiers, expired ones included.

        Raises:
            QueueFullError: Too many look-ups wait.
            StoreError: The store failed.
        """
        request = {"do": "browse", "where": to_conditions(selection), "after": after, "limit": limit}
        answer, values = await self._stores.run(self._ask, request)
        vectors = self._vectors(values)
        entries = [self._codec.loads(entry, row) for (_, entry), row in zip(answer["found"], vectors, strict=True)]
        return Page(entries=entries, after=answer["after"])

    async def remove(self, selection: Selection) -> int:
        """Remove entries and return how many. When this returns, none of them is served any more.

        Raises:
            QueueFullError: Too many stores wait.
            StoreError: The store failed.
        """
        return int(
            (await self._stores.run(self._write, {"do": "remove", "where": to_conditions(selection)}))["removed"]
        )

    async def stats(self) -> StoreStats:
        """Return how full the store is.

        Raises:
            QueueFullError: Too many stores wait.
            StoreError: The store failed.
        """
        info, _ = await self._stores.run(self._ask, {"do": "info"})
        folder = self._path
        return StoreStats(
            entries=info["points"],
            indexed=info["indexed"],
            disk_bytes=await asyncio.to_thread(_disk_bytes, folder),
            kind="edge",
            collection=str(folder),
        )

    async def optimise(self) -> None:
        """Build the index anew and switch to it; look-ups go on meanwhile.

        Raises:
            StoreError: It failed; the old shard goes on serving.
        """
        optimiser = await self._stores.run(self._begin_copy)
        try:
            await self._upkeep.run(optimiser.wait)
            fresh = await self._upkeep.run(EdgeLink, optimiser.target, self._dimensions, self._max_entries)
            old = await self._stores.run(self._switch, fresh)
        finally:
            self._since_copy = None
        await self._upkeep.run(self._retire, old)

    async def aclose(self) -> None:
        """Flush and release the store."""
        self._closed = True
        if self._optimising is not None:
            self._optimising.cancel()
            await asyncio.gather(self._optimising, return_exceptions=True)
        if self._optimiser is not None:
            await asyncio.to_thread(self._optimiser.end)
        for pool in (self._look_ups, self._stores, self._upkeep):
            await pool.aclose()
        await asyncio.to_thread(self._release)

    def _raw(self, vector: Vector) -> bytes:
        if vector.shape != (self._dimensions,):
            raise StoreError(f"the vector has shape {vector.shape}, the store holds ({self._dimensions},)")
        return vector.astype(np.float32, copy=False).tobytes()

    def _vectors(self, values: bytes) -> NDArray[np.float32]:
        """The vectors that came with an answer, shape (N, dimensions)."""
        return np.frombuffer(values, dtype=np.float32).reshape(-1, self._dimensions)

    def _find(self, request: dict[str, Any], vector: bytes) -> list[tuple[float, str, Vector]]:
        answer, values = self._call(
            lambda link: link.call_with_vectors("look_up", request, vector, timeout_s=_LOOK_UP_S),
        )
        found, vectors = answer["found"], self._vectors(values)
        rows = vectors if len(vectors) == len(found) else [NO_VECTOR] * len(found)
        return [(score, entry, row) for (score, entry), row in zip(found, rows, strict=True)]

    def _ask(self, request: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
        return self._call(lambda link: link.call_with_vectors("store", request, timeout_s=_STORE_S))

    def _write(self, request: dict[str, Any], vector: bytes = b"") -> dict[str, Any]:
        answer = self._call(lambda link: link.call("store", request, vector, timeout_s=_STORE_S))
        since_copy = self._since_copy
        if since_copy is not None:
            since_copy.append((request, vector))
        return answer

    def _call(self, send: Callable[[EdgeLink], T]) -> T:
        link = self._live_link()
        try:
            return send(link)
        except StoreError:
            if self._link is link or self._closed:
                raise
        # An optimise has switched shards between the two lines above.
        return send(self._live_link())

    def _live_link(self) -> EdgeLink:
        """The running process; started again when it died, but not more often than every few seconds."""
        link = self._link
        if link is not None and link.alive:
            return link
        if self._folder is None and not self._closed:
            self._open_late()
        with self._opening:
            if self._folder is None or self._closed:
                raise StoreError("the answer store is closed")
            if self._link is not None and self._link.alive:
                return self._link
            if time.monotonic() - self._started_at < _RESTART_AFTER_S:
                raise StoreError("the answer store's process died and is started again in a few seconds")
            self._started_at = time.monotonic()
            self._link = EdgeLink(self._folder.shard, self._dimensions, self._max_entries)
            return self._link

    def _open_late(self) -> None:
        try:
            self.open()
        except ConfigurationError as exc:
            raise StoreError(str(exc)) from exc

    def _begin_copy(self) -> EdgeOptimiser:
        """Runs on the store thread: nothing is written while the copy is made."""
        link = self._live_link()
        if self._folder is None:
            raise StoreError("the answer store is closed")
        optimiser = self._optimiser = EdgeOptimiser(link.folder, self._folder.next_shard())
        try:
            link.call("store", {"do": "hold", "held": True}, timeout_s=_STORE_S)
            try:
                optimiser.copy()
            finally:
                # This fails when the process died: a new one may have changed files while they were copied.
                link.call("store", {"do": "hold", "held": False}, timeout_s=_STORE_S)
        except StoreError:
            optimiser.discard()
            raise
        self._since_copy = []
        return optimiser

    def _switch(self, fresh: EdgeLink) -> EdgeLink | None:
        """Runs on the store thread: bring the new shard up to date and make it the current one."""
        try:
            for request, vector in self._since_copy or []:
                fresh.call("store", request, vector, timeout_s=_STORE_S)
            if self._folder is not None:
                self._folder.make_current(fresh.folder)
        except (StoreError, OSError) as exc:
            fresh.kill()
            raise StoreError(f"the optimised shard could not be used: {exc}") from exc
        old, self._link = self._link, fresh
        return old

    def _retire(self, old: EdgeLink | None) -> None:
        if old is not None:
            old.close()
        if self._folder is not None:
            self._folder.remove_others()

    async def _optimise_when_due(self) -> None:
        try:
            info = await self._stores.run(
                self._call, lambda link: link.call("store", {"do": "info"}, timeout_s=_STORE_S)
            )
            if info["points"] - info["indexed"] > self._optimise_after:
                await self.optimise()
        except ServingError as exc:
            _log.warning("optimising the answer store failed, the old shard goes on serving: %s", exc)
        finally:
            self._optimising = None

    def _drop_link(self) -> None:
        if self._link is not None:
            self._link.close()
            self._link = None

    def _release(self) -> None:
        with self._opening:
            self._drop_link()
            if self._folder is not None:
                self._folder.release()
                self._folder = None


def _disk_bytes(folder: Path) -> int:
    """Bytes that the folder's files take on the disk, holes not counted."""
    total = 0
    for file in folder.rglob("*"):
        with suppress(OSError):  # a file of a shard that is being replaced
            total += file.stat().st_blocks * 512
    return total
