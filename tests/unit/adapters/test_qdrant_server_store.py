"""A server that fails, over HTTP: what it answers is recorded from Qdrant's own API description."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import numpy as np
import pytest
import uvicorn

from tiergate.adapters.qdrant_server_store import QdrantServerStore
from tiergate.cache_settings import ServerStore
from tiergate.demo.proxy_process import free_port
from tiergate.errors import StoreError
from tiergate.ports import StoredAnswer

DIMENSIONS = 4


class StandIn:
    """Answers like a Qdrant server, and fails when told to."""

    def __init__(self) -> None:
        self.fault = ""
        self.seen: list[tuple[str, str, dict[str, str]]] = []
        self.bodies: list[Any] = []
        self.points: dict[str, Any] = {}
        self.made = False

    async def __call__(self, scope: Any, receive: Callable[[], Any], send: Callable[[Any], Any]) -> None:
        if scope["type"] != "http":
            return
        raw = b""
        while True:
            message = await receive()
            raw += message.get("body", b"")
            if not message.get("more_body"):
                break
        path, query = scope["path"], scope["query_string"].decode()
        headers = {key.decode(): value.decode() for key, value in scope["headers"]}
        self.seen.append((scope["method"], f"{path}?{query}", headers))
        body = json.loads(raw) if raw else None
        self.bodies.append(body)
        status, answer = await self.answer(scope["method"], path, body)
        await send(
            {"type": "http.response.start", "status": status, "headers": [(b"content-type", b"application/json")]}
        )
        await send({"type": "http.response.body", "body": answer})

    async def answer(self, method: str, path: str, body: Any) -> tuple[int, bytes]:
        if self.fault == "slow":
            await asyncio.sleep(1)
        if self.fault == "500":
            return 500, b'{"status": {"error": "Service internal error"}, "time": 0.001}'
        if self.fault == "429":
            return 429, b'{"status": {"error": "Rate limiting exceeded"}, "time": 0.001}'
        if self.fault == "no json":
            return 200, b"<html>proxy error</html>"
        return 200, json.dumps({"result": self.result(method, path, body), "status": "ok", "time": 0.001}).encode()

    def result(self, method: str, path: str, body: Any) -> Any:
        if path.endswith("/exists"):
            return {"exists": self.made}
        if path.endswith("/index"):
            return {"operation_id": 1, "status": "completed"}
        if path.endswith("/points") and method == "PUT":
            self.points |= {point["id"]: point for point in body["points"]}
            return {"operation_id": 2, "status": "acknowledged"}
        if path.endswith("/points"):
            return [{"id": key, "payload": self.points[key]["payload"]} for key in body["ids"] if key in self.points]
        if method == "PUT":
            self.made = True
            return True
        vectors = {"size": DIMENSIONS, "distance": "Cosine"}
        config = {
            "params": {"vectors": vectors}, "hnsw_config": {"m": 0, "ef_construct": 100, "full_scan_threshold": 10000},
            "optimizer_config": {
                "deleted_threshold": 0.2, "vacuum_min_vector_number": 1000, "default_segment_number": 0,
                "flush_interval_sec": 5,
            },
        }  # fmt: skip
        return {
            "status": "green", "optimizer_status": "ok", "segments_count": 1, "points_count": len(self.points),
            "config": config, "payload_schema": {},
        }  # fmt: skip


@pytest.fixture
async def stand_in() -> AsyncIterator[tuple[StandIn, str]]:
    app, port = StandIn(), free_port()
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="error", lifespan="off"))
    task = asyncio.create_task(server.serve())
    for _ in range(500):
        if server.started:
            break
        await asyncio.sleep(0.01)
    yield app, f"http://127.0.0.1:{port}"
    server.should_exit = True
    await task


def answer(prompt: str = "p") -> StoredAnswer:
    return StoredAnswer(
        entry_id="e", tenant="t", context_key="c", prompt=prompt, vector=np.array([1, 0, 0, 0], np.float32), body={},
        tier="simple", confidence=0.9, cost_usd=0.0, stored_at=1.0, expires_at=100.0,
    )  # fmt: skip


def store_on(url: str, **changes: Any) -> QdrantServerStore:
    settings = ServerStore(kind="server", url=url, **{"look_up_budget_ms": 2_000, **changes})
    return QdrantServerStore(settings, DIMENSIONS, "d" * 64)


@pytest.mark.filterwarnings("ignore:Api key is used with an insecure connection")
async def test_it_makes_its_collection_and_stores_without_waiting(stand_in: tuple[StandIn, str]) -> None:
    server, url = stand_in
    store = store_on(url, api_key="secret", replication_factor=2, on_disk=True, quantisation="scalar")
    await store.store(answer())
    assert await store.look_up_exact("t", "c", "p", now=2.0) is not None
    assert await store.look_up_exact("t", "c", "p", now=200.0) is None
    await store.aclose()
    calls = [(method, path) for method, path, _ in server.seen]
    made = server.bodies[calls.index(next(call for call in calls if call[0] == "PUT"))]
    assert made["vectors"] == {"size": DIMENSIONS, "distance": "Cosine", "on_disk": True}
    assert (made["replication_factor"], made["quantization_config"]["scalar"]["type"]) == (2, "int8")
    indexes = {body["field_name"]: body["field_schema"] for body in server.bodies if body and "field_name" in body}
    assert indexes["scope"] == {"type": "keyword", "is_tenant": True}
    assert set(indexes) == {"scope", "tenant", "entry_id", "prompt_id", "tags", "stored_at", "expires_at"}
    assert any("points?wait=false" in path for _, path in calls)
    assert all(headers["api-key"] == "secret" for _, _, headers in server.seen)


@pytest.mark.parametrize("fault", ["500", "429", "no json", "slow"])
async def test_a_server_that_fails_gives_store_errors_and_is_left_alone(
    stand_in: tuple[StandIn, str], fault: str
) -> None:
    server, url = stand_in
    store = store_on(url, look_up_budget_ms=300)
    await store.store(answer())
    server.fault = fault
    for _ in range(5):
        with pytest.raises(StoreError, match="Qdrant server"):
            await store.look_up_exact("t", "c", "p", now=2.0)
    seen = len(server.seen)
    with pytest.raises(StoreError, match="left alone"):
        await store.look_up_exact("t", "c", "p", now=2.0)
    assert len(server.seen) == seen, "an open circuit asks nobody"
    server.fault = ""
    await asyncio.sleep(1.1)
    assert await store.look_up_exact("t", "c", "p", now=2.0) is not None
    await store.aclose()


async def test_a_server_that_is_not_there_gives_store_errors_until_it_is() -> None:
    store = store_on(f"http://127.0.0.1:{free_port()}")
    with pytest.raises(StoreError, match="Qdrant server failed"):
        await store.store(answer())
    await store.aclose()
    with pytest.raises(StoreError, match="closed"):
        await store.store(answer())


async def test_a_collection_of_another_size_is_refused(stand_in: tuple[StandIn, str]) -> None:
    server, url = stand_in
    server.made = True
    settings = ServerStore(kind="server", url=url)
    store = QdrantServerStore(settings, DIMENSIONS + 1, "d" * 64)
    with pytest.raises(StoreError, match="another name"):
        await store.look_up_exact("t", "c", "p", now=2.0)
    await store.aclose()
