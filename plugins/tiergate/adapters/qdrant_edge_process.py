"""The process that holds a Qdrant Edge shard. It is started by `qdrant_edge_link` and imported by nobody.

Why a process of its own (docs/decisions/0001-embedded-store.md): Edge keeps the interpreter's lock in every
call, an optimise for minutes, and it writes through memory maps, so a full disk ends the process with SIGBUS.

    python -m tiergate.adapters.qdrant_edge_process serve SETTINGS LOOK_UP_FD STORE_FD
    python -m tiergate.adapters.qdrant_edge_process optimise SOURCE TARGET

Messages are those of `qdrant_edge_link.encode`. Each request names a `do_` method; an answer with `error`
says what went wrong. The first message of `serve` says `ready` or `error`.
"""

import json
import os
import shutil
import signal
import sys
import time
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

import qdrant_edge as edge

from tiergate.adapters.qdrant_edge_link import decode, encode
from tiergate.adapters.stored_entry import prompt_id
from tiergate.errors import StoreError

_SPARE_BYTES = 64 * 1024 * 1024
"""Free disk that a store must leave; below it a memory-mapped write could end the process."""

_IDLE_S = 1.0
_FLUSH_EVERY = 500
"""A flush takes about 10 ms after so many stores, and look-ups wait for it."""
_PURGE_EVERY_S = 60.0
_PURGE_GRACE_S = 3600.0
_COUNT_EVERY = 100
_PAGE = 1_000
_EXPIRED_MARGIN = 4
_SEARCH_WIDTH = 48
_LOAD_PATIENCE_S = 5.0
_HELD = "WouldBlock"
"""What Edge says when another process holds the shard."""


def open_shard(folder: Path, dimensions: int) -> Any:
    """Load the shard in `folder`, or make it when the folder does not exist."""
    with _edge_errors():
        if folder.exists():
            shard = _load(folder)
        else:
            folder.mkdir(parents=True)
            shard = edge.EdgeShard.create(str(folder), _shard_config(dimensions))
        present = shard.info().payload_schema
        missing = {name: schema for name, schema in _indexes().items() if name not in present}
        if "prompt_id" in missing:
            _backfill(shard)
        for name, schema in missing.items():
            shard.update(edge.UpdateOperation.create_field_index(name, schema))
        if missing:
            shard.flush()
        return shard


@contextmanager
def _edge_errors() -> Iterator[None]:
    """Turn Edge's errors into StoreError. They are bare Exception: there is nothing narrower to catch."""
    try:
        yield
    except Exception as exc:
        raise StoreError(str(exc)) from exc


def _load(folder: Path) -> Any:
    deadline = time.monotonic() + _LOAD_PATIENCE_S
    while True:
        try:
            with _edge_errors():
                return edge.EdgeShard.load(str(folder))
        except StoreError as exc:
            # A killed proxy leaves its shard process a moment to close.
            if _HELD not in str(exc) or time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def _backfill(shard: Any) -> None:
    """Give entries of schema 1 the filter keys of schema 2; before the indexes, so a crash starts it again."""
    offset = None
    while True:
        request = edge.ScrollRequest(limit=_PAGE, offset=offset, with_payload=["entry"], with_vector=False)
        records, offset = shard.scroll(request)
        for record in records:
            fields = json.loads(record.payload["entry"])
            keys = {"entry_id": fields["entry_id"], "stored_at": fields["stored_at"], "tags": []}
            keys["prompt_id"] = prompt_id(fields["prompt"])
            shard.update(edge.UpdateOperation.set_payload([record.id], keys))
        if offset is None:
            break
    shard.flush()


def _shard_config(dimensions: int) -> Any:
    return edge.EdgeConfig(
        vectors=edge.EdgeVectorParams(size=dimensions, distance=edge.Distance.Cosine),
        # No graph over all points: every query has a scope, and scopes get graphs of their own (payload_m).
        hnsw_config=edge.HnswIndexConfig(
            m=0, payload_m=16, ef_construct=100, full_scan_threshold=4_000, max_indexing_threads=1
        ),
        optimizers=edge.EdgeOptimizersConfig(default_segment_number=1),
        max_search_threads=1,
    )


def _indexes() -> dict[str, Any]:
    return {
        "scope": edge.KeywordIndexParams(is_tenant=True),
        "tenant": edge.KeywordIndexParams(enable_hnsw=False),
        "context_key": edge.KeywordIndexParams(enable_hnsw=False),
        "expires_at": edge.FloatIndexParams(enable_hnsw=False),
        "stored_at": edge.FloatIndexParams(enable_hnsw=False),
        "entry_id": edge.KeywordIndexParams(enable_hnsw=False),
        "prompt_id": edge.KeywordIndexParams(enable_hnsw=False),
        "tags": edge.KeywordIndexParams(enable_hnsw=False),
    }


def _filter(where: dict[str, Any]) -> Any:
    """A filter from conditions: each key has to have one of its values; `stored_before` is a range."""
    must: list[Any] = [
        edge.FieldCondition(key, match=edge.MatchAny(values)) for key, values in where.items() if key != "stored_before"
    ]
    if "stored_before" in where:
        must.append(edge.FieldCondition("stored_at", range=edge.RangeFloat(lt=where["stored_before"])))
    return edge.Filter(must=must) if must else None


class _Server:
    """Answers requests one at a time, look-ups before stores."""

    def __init__(self, folder: Path, dimensions: int, look_ups: Any, stores: Any, max_entries: int = 0) -> None:
        self._folder = folder
        self._max_entries = max_entries
        self._since_count = 0
        self._shard = open_shard(folder, dimensions)
        self._node = folder.stat().st_ino
        self._channels = (look_ups, stores)
        self._unflushed = 0
        self._now = 0.0
        self._held = False
        self._purged_at = time.monotonic()

    def serve(self) -> None:
        """Serve until the other side hangs up, then flush and close."""
        info = self._shard.info()
        ready = {"ready": True, "points": info.points_count, "indexed": info.indexed_vectors_count}
        self._channels[1].send_bytes(encode(ready))
        try:
            while True:
                waiting = wait(self._channels, timeout=_IDLE_S)
                for channel in self._channels:  # look-ups first
                    if channel in waiting:
                        channel.send_bytes(self._answer(channel.recv_bytes()))
                        break
                if not waiting:
                    self._tidy()
        except (EOFError, BrokenPipeError, ConnectionResetError):
            self._close()

    def _answer(self, raw: bytes) -> bytes:
        request, vector = decode(raw)
        identity = request["id"]
        self._now = max(self._now, request.get("now", 0.0))
        try:
            with _edge_errors():
                self._check_folder()
                answer = getattr(self, f"do_{request['do']}")(request, vector)
        except StoreError as exc:
            return encode({"id": identity, "error": str(exc)})
        vectors = answer.pop("vectors", b"")
        return encode({"id": identity, **answer}, vectors)

    def do_store(self, request: dict[str, Any], vector: bytes) -> dict[str, Any]:
        """Write one entry; it is in the write-ahead log when this returns."""
        self._check_disk()
        point = edge.Point(request["point"], array("f", vector).tolist(), request["payload"])
        self._shard.update(edge.UpdateOperation.upsert_points([point]))
        self._unflushed += 1
        if self._unflushed >= _FLUSH_EVERY:
            self._flush()
        self._since_count += 1
        if self._max_entries and self._since_count >= min(_COUNT_EVERY, self._max_entries):
            self._since_count = 0
            self._evict()
        return {}

    def do_browse(self, request: dict[str, Any], _vector: bytes) -> dict[str, Any]:
        """Read a page of entries in the order of their identifiers, vectors included."""
        scroll = edge.ScrollRequest(
            limit=request["limit"],
            offset=request["after"],
            filter=_filter(request["where"]),
            with_payload=["entry"],
            with_vector=True,
        )
        records, after = self._shard.scroll(scroll)
        return {
            "found": [[1.0, record.payload["entry"]] for record in records],
            "after": None if after is None else str(after),
            "vectors": _vector_bytes(records),
        }

    def do_remove(self, request: dict[str, Any], _vector: bytes) -> dict[str, Any]:
        """Remove the entries that a filter selects; it is in the write-ahead log when this returns."""
        where = _filter(request["where"])
        removed = self._shard.count(edge.CountRequest(exact=True, filter=where))
        self._shard.update(edge.UpdateOperation.delete_points_by_filter(where or edge.Filter(must=[])))
        self._unflushed += 1
        return {"removed": removed}

    def _evict(self) -> None:
        """Remove the oldest entries once there are too many, and a hundredth of the limit beside."""
        excess = self._shard.info().points_count - self._max_entries
        if excess <= 0:
            return
        left = excess + self._max_entries // 100
        while left > 0:
            oldest = edge.ScrollRequest(
                limit=min(left, _PAGE), with_payload=False, with_vector=False, order_by=edge.OrderBy("stored_at")
            )
            records, _ = self._shard.scroll(oldest)
            if not records:
                return
            self._shard.update(edge.UpdateOperation.delete_points([record.id for record in records]))
            self._unflushed += 1
            left -= len(records)

    def do_exact(self, request: dict[str, Any], _vector: bytes) -> dict[str, Any]:
        """Read one entry by its identifier."""
        records = self._shard.retrieve([request["point"]], ["entry"], with_vector=False)
        return {"found": [[1.0, record.payload["entry"]] for record in records]}

    def do_nearest(self, request: dict[str, Any], vector: bytes) -> dict[str, Any]:
        """Read the nearest live entries of a scope, best first."""
        limit, now = request["limit"], request["now"]
        query = edge.Query.Nearest(array("f", vector).tolist())
        # A range in the filter doubles the time, and expired entries are rare: they are dropped afterwards.
        points = self._query(query, request["scope"], limit + _EXPIRED_MARGIN, None)
        live = [point for point in points if point.payload["expires_at"] > now][:limit]
        if len(live) < min(limit, len(points)):
            live = self._query(query, request["scope"], limit, now)
        return {
            "found": [[point.score, point.payload["entry"]] for point in live],
            "vectors": _vector_bytes(live),
        }

    def do_info(self, _request: dict[str, Any], _vector: bytes) -> dict[str, Any]:
        """How many entries there are, and how many of them are indexed."""
        info = self._shard.info()
        return {"points": info.points_count, "indexed": info.indexed_vectors_count}

    def do_hold(self, request: dict[str, Any], _vector: bytes) -> dict[str, Any]:
        """Change no file while `held`: the folder is being copied."""
        self._held = request["held"]
        return {}

    def _query(self, query: Any, scope: str, limit: int, after: float | None) -> list[Any]:
        must: list[Any] = [edge.FieldCondition("scope", match=edge.MatchValue(scope))]
        if after is not None:
            must.append(edge.FieldCondition("expires_at", range=edge.RangeFloat(gt=after)))
        request = edge.QueryRequest(
            limit=limit,
            query=query,
            filter=edge.Filter(must=must),
            with_payload=["entry", "expires_at"],
            with_vector=True,
            params=edge.SearchParams(hnsw_ef=_SEARCH_WIDTH),
        )
        points: list[Any] = self._shard.query(request)
        return points

    def _check_folder(self) -> None:
        """Notice a folder that was removed: Edge would go on with the files it has open."""
        if self._folder.stat().st_ino != self._node:
            raise StoreError(f"{self._folder} was replaced while it was open")

    def _check_disk(self) -> None:
        """Refuse a write that Edge would take and then lose, or die of."""
        disk = os.statvfs(self._folder)
        if disk.f_bavail * disk.f_frsize < _SPARE_BYTES:
            raise StoreError(f"less than {_SPARE_BYTES >> 20} MiB are free on the disk of {self._folder}")
        if disk.f_flag & os.ST_RDONLY:
            raise StoreError(f"the disk of {self._folder} is read-only")

    def _close(self) -> None:
        try:
            with _edge_errors():
                self._check_folder()
                self._flush()
                self._shard.close()
        except StoreError as exc:  # what was acknowledged is in the write-ahead log
            sys.stderr.write(f"tiergate: flushing the answer store failed: {exc}\n")

    def _flush(self) -> None:
        self._shard.flush()
        self._unflushed = 0

    def _tidy(self) -> None:
        """Shorten the write-ahead log and delete what expired long ago, while nobody asks."""
        if self._held:
            return
        try:
            self._tidy_now()
        except StoreError as exc:  # the next store reports it to the proxy
            sys.stderr.write(f"tiergate: tidying the answer store failed: {exc}\n")

    def _tidy_now(self) -> None:
        with _edge_errors():
            self._check_folder()
            self._check_disk()
            if time.monotonic() - self._purged_at > _PURGE_EVERY_S:
                self._purged_at = time.monotonic()
                old = edge.RangeFloat(lt=self._now - _PURGE_GRACE_S)
                stale = edge.Filter(must=[edge.FieldCondition("expires_at", range=old)])
                self._shard.update(edge.UpdateOperation.delete_points_by_filter(stale))
                self._unflushed += 1
            if self._unflushed:
                self._flush()


def _vector_bytes(points: list[Any]) -> bytes:
    """The vectors of points as float32 values, one after the other."""
    return b"".join(array("f", point.vector).tobytes() for point in points)


def _serve(settings: dict[str, Any], look_up_fd: int, store_fd: int) -> int:
    look_ups, stores = Connection(look_up_fd), Connection(store_fd)
    try:
        server = _Server(Path(settings["folder"]), settings["dimensions"], look_ups, stores, settings["max_entries"])
    except StoreError as exc:
        stores.send_bytes(encode({"error": str(exc)}))
        return 1
    server.serve()
    return 0


def _optimise(source: Path, target: Path) -> int:
    """Copy a shard that nobody writes to, say so on stdout, then build its indexes at low priority."""
    shutil.copytree(source, target)
    sys.stdout.write("copied\n")
    sys.stdout.flush()
    os.nice(10)
    shard = edge.EdgeShard.load(str(target))
    shard.optimize()
    shard.flush()
    shard.close()
    return 0


def main(arguments: list[str]) -> int:
    """Run the mode that the command line names."""
    mode, *rest = arguments
    # Ctrl-C reaches the whole group; this process ends when the proxy hangs up.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if mode == "optimise":
        return _optimise(Path(rest[0]), Path(rest[1]))
    return _serve(json.loads(rest[0]), int(rest[1]), int(rest[2]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
