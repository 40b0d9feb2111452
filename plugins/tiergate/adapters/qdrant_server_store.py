"""Answers kept in a Qdrant server or cluster (port `AnswerStore`)."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import grpc
import numpy as np
from qdrant_client import AsyncQdrantClient, models
from qdrant_client.common.client_exceptions import QdrantException
from qdrant_client.http.exceptions import ApiException, UnexpectedResponse

from tiergate.adapters.answer_cipher import AnswerCipher
from tiergate.adapters.circuit import CircuitBreaker
from tiergate.adapters.stored_entry import (
    NO_VECTOR,
    SCHEMA_VERSION,
    EntryCodec,
    exact_match,
    point_id,
    scope_id,
    to_conditions,
)
from tiergate.cache_settings import ServerStore
from tiergate.errors import StoreError
from tiergate.ports import Neighbour, Page, Selection, StoredAnswer, StoreStats, Vector

logger = logging.getLogger(__name__)

T = TypeVar("T")

_CONFLICT = 409
_UPKEEP_S = 60.0
_SEARCH_WIDTH = 64

MakeClient = Callable[[ServerStore], AsyncQdrantClient]


def make_client(settings: ServerStore) -> AsyncQdrantClient:
    """Return a client of a server; it connects on first use.

    The client rounds its own time limit up to whole seconds, so each call has one of ours instead.
    """
    return AsyncQdrantClient(
        url=settings.url,
        api_key=settings.api_key,
        prefer_grpc=settings.grpc,
        grpc_port=settings.grpc_port,
        check_compatibility=False,  # it would ask the server while the proxy starts
    )


class QdrantServerStore:
    """An answer store for any number of proxy processes.

    The collection's name holds the version of the payload and the encoder, so vectors of two encoders never mix and a
    new version never reads what it does not know. It is made on first use: a server that is down does not stop the
    proxy. `https` in the address means TLS. Stores are acknowledged once they are in the server's write-ahead log
    (`wait=false`); a look-up in the same millisecond may not see them yet.

    Args:
        settings: Address and options.
        dimensions: Length of the encoder's vectors.
        encoder_digest: Digest of the encoder.
        cipher: Seals prompts and answers; None writes them in the clear.
        client: Makes the client.
        wait: Whether a store waits until look-ups see it.
    """

    def __init__(
        self,
        settings: ServerStore,
        dimensions: int,
        encoder_digest: str,
        *,
        cipher: AnswerCipher | None = None,
        client: MakeClient = make_client,
        wait: bool = False,
    ) -> None:
        self._settings, self._dimensions, self._wait = settings, dimensions, wait
        self._codec = EntryCodec(cipher)
        self.collection = f"{settings.collection}-v{SCHEMA_VERSION}-{encoder_digest[:16]}"
        self._make_client = client
        self._client: AsyncQdrantClient | None = None
        self._circuit = CircuitBreaker("the Qdrant server", time.monotonic)
        self._preparing = asyncio.Lock()
        self._prepared = False
        self._closed = False

    def open(self) -> None:
        """Do nothing: the server is asked on first use."""

    async def look_up_exact(self, tenant: str, context_key: str, prompt: str, *, now: float) -> Neighbour | None:
        """Return the live entry stored for exactly this prompt, or None.

        Raises:
            StoreError: The server failed or is left alone after failures.
        """
        point = point_id(tenant, context_key, prompt)

        async def read(client: AsyncQdrantClient) -> list[models.Record]:
            return await client.retrieve(self.collection, [point], with_payload=["entry"])

        records = await self._run(read, self._settings.look_up_budget_ms / 1000)
        found = [(1.0, str((record.payload or {})["entry"]), NO_VECTOR) for record in records]
        return exact_match(self._codec.in_scope(found, tenant, context_key), prompt, now=now)

    async def look_up(
        self, tenant: str, context_key: str, vector: Vector, *, now: float, limit: int = 1
    ) -> Sequence[Neighbour]:
        """Return the nearest live entries of the tenant and context, best first, with their vectors.

        Raises:
            StoreError: The server failed or is left alone after failures, or the vector has another length.
        """
        values = self._values(vector)
        must: list[models.Condition] = [
            models.FieldCondition(key="scope", match=models.MatchValue(value=scope_id(tenant, context_key))),
            models.FieldCondition(key="expires_at", range=models.Range(gt=now)),
        ]

        async def read(client: AsyncQdrantClient) -> list[models.ScoredPoint]:
            response = await client.query_points(
                self.collection,
                query=values,
                query_filter=models.Filter(must=must),
                search_params=models.SearchParams(hnsw_ef=_SEARCH_WIDTH),
                limit=limit,
                with_payload=["entry"],
                with_vectors=True,
            )
            return response.points

        points = await self._run(read, self._settings.look_up_budget_ms / 1000)
        found = [(point.score, str((point.payload or {})["entry"]), _vector(point)) for point in points]
        return [each for each in self._codec.in_scope(found, tenant, context_key) if each.answer.expires_at > now]

    async def store(self, answer: StoredAnswer) -> None:
        """Store or replace an entry. When this returns it is in the server's write-ahead log.

        Raises:
            StoreError: The server failed or is left alone after failures, the vector has another length, or the body
                is not JSON.
        """
        point = models.PointStruct(
            id=point_id(answer.tenant, answer.context_key, answer.prompt),
            vector=self._values(answer.vector),
            payload=self._codec.to_payload(answer),
        )

        async def write(client: AsyncQdrantClient) -> Any:
            return await client.upsert(self.collection, [point], wait=self._wait)

        await self._run(write, self._settings.store_budget_ms / 1000)

    async def browse(self, selection: Selection, *, after: str | None = None, limit: int = 100) -> Page:
        """Return entries in the order of their identifiers, expired ones included.

        Raises:
            StoreError: The server failed or is left alone after failures.
        """

        async def read(client: AsyncQdrantClient) -> Any:
            return await client.scroll(
                self.collection,
                scroll_filter=_filter(selection),
                limit=limit,
                offset=after,
                with_payload=["entry"],
                with_vectors=True,
            )

        records, following = await self._run(read, _UPKEEP_S)
        entries = [self._codec.loads(str((record.payload or {})["entry"]), _vector(record)) for record in records]
        return Page(entries=entries, after=None if following is None else str(following))

    async def remove(self, selection: Selection) -> int:
        """Remove entries and return how many. When this returns, none of them is served any more.

        Raises:
            StoreError: The server failed or is left alone after failures.
        """
        where = _filter(selection)

        async def write(client: AsyncQdrantClient) -> int:
            removed = await client.count(self.collection, count_filter=where, exact=True)
            await client.delete(self.collection, models.FilterSelector(filter=where), wait=True)
            return removed.count

        return await self._run(write, _UPKEEP_S)

    async def stats(self) -> StoreStats:
        """Return how full the collection is.

        Raises:
            StoreError: The server failed or is left alone after failures.
        """

        async def read(client: AsyncQdrantClient) -> models.CollectionInfo:
            return await client.get_collection(self.collection)

        info = await self._run(read, _UPKEEP_S)
        return StoreStats(
            entries=info.points_count or 0,
            indexed=info.indexed_vectors_count or 0,
            disk_bytes=None,
            kind="server",
            collection=self.collection,
        )

    async def aclose(self) -> None:
        """Close the connections."""
        self._closed = True
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    def _values(self, vector: Vector) -> list[float]:
        if vector.shape != (self._dimensions,):
            raise StoreError(f"the vector has shape {vector.shape}, the store holds ({self._dimensions},)")
        return [float(value) for value in vector]

    async def _run(self, action: Callable[[AsyncQdrantClient], Awaitable[T]], budget_s: float) -> T:
        """Run a call within its budget, behind the circuit breaker."""
        if self._closed:
            raise StoreError("the answer store is closed")
        with self._circuit.guard(), _qdrant_errors():
            if self._client is None:
                self._client = self._make_client(self._settings)
            if not self._prepared:
                async with asyncio.timeout(_UPKEEP_S):
                    await self._prepare(self._client)
            async with asyncio.timeout(budget_s):
                return await action(self._client)

    async def _prepare(self, client: AsyncQdrantClient) -> None:
        """Make the collection and its indexes, once for each process; another process may do it at the same time."""
        async with self._preparing:
            if self._prepared:
                return
            if not await client.collection_exists(self.collection):
                try:
                    await client.create_collection(self.collection, **self._collection())
                except (UnexpectedResponse, ValueError) as exc:
                    if getattr(exc, "status_code", _CONFLICT) != _CONFLICT:
                        raise
            await self._check(client)
            for name, schema in _indexes().items():
                await client.create_payload_index(self.collection, name, field_schema=schema, wait=True)
            self._prepared = True

    async def _check(self, client: AsyncQdrantClient) -> None:
        vectors = (await client.get_collection(self.collection)).config.params.vectors
        size = getattr(vectors, "size", None)
        if size != self._dimensions:
            raise StoreError(
                f"the collection {self.collection} holds vectors of length {size}, not {self._dimensions}; "
                "give semantic_cache.store.collection another name"
            )

    def _collection(self) -> dict[str, Any]:
        settings = self._settings
        quantisation: dict[str, Any] = {
            "none": None,
            "scalar": models.ScalarQuantization(
                scalar=models.ScalarQuantizationConfig(type=models.ScalarType.INT8, always_ram=True)
            ),
            "binary": models.BinaryQuantization(binary=models.BinaryQuantizationConfig(always_ram=True)),
        }
        return {
            "vectors_config": models.VectorParams(
                size=self._dimensions, distance=models.Distance.COSINE, on_disk=settings.on_disk
            ),
            "shard_number": settings.shards,
            "replication_factor": settings.replication_factor,
            "on_disk_payload": True,
            # No graph over all points: every query has a scope, and scopes get graphs of their own (payload_m).
            "hnsw_config": models.HnswConfigDiff(m=0, payload_m=16, on_disk=settings.on_disk),
            "quantization_config": quantisation[settings.quantisation],
        }


@contextmanager
def _qdrant_errors() -> Iterator[None]:
    """Turn what the client raises into StoreError; its local mode raises ValueError and RuntimeError."""
    try:
        yield
    except TimeoutError as exc:
        raise StoreError("the Qdrant server did not answer within its budget") from exc
    except (ApiException, QdrantException, grpc.RpcError, OSError, ValueError, RuntimeError) as exc:
        raise StoreError(f"the Qdrant server failed: {type(exc).__name__}: {exc}"[:500]) from exc


def _indexes() -> dict[str, Any]:
    keyword = models.KeywordIndexParams(type=models.KeywordIndexType.KEYWORD)
    number = models.FloatIndexParams(type=models.FloatIndexType.FLOAT)
    return {
        "scope": models.KeywordIndexParams(type=models.KeywordIndexType.KEYWORD, is_tenant=True),
        **dict.fromkeys(("tenant", "entry_id", "prompt_id", "tags"), keyword),
        **dict.fromkeys(("stored_at", "expires_at"), number),
    }


def _filter(selection: Selection) -> models.Filter:
    must: list[models.Condition] = []
    for key, wanted in to_conditions(selection).items():
        if key == "stored_before":
            must.append(models.FieldCondition(key="stored_at", range=models.Range(lt=wanted)))
        else:
            must.append(models.FieldCondition(key=key, match=models.MatchAny(any=wanted)))
    return models.Filter(must=must)


def _vector(point: models.Record | models.ScoredPoint) -> Vector:
    return np.asarray(point.vector, dtype=np.float32)
