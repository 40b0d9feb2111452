"""A Qdrant server over HTTP for several processes, without Qdrant: the client's own local mode behind the REST shapes.

Requests are read and answers written with the models that qdrant-client generates from Qdrant's API description, so
filters and search mean what they mean there. One thread answers one request after the other. Nothing is kept.
"""

import asyncio
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from qdrant_client import QdrantClient, models

from tiergate.demo.proxy_process import free_port

_CONFLICT = 409


class QdrantService:
    """What the collections hold, and which kind of request came how often."""

    def __init__(self) -> None:
        self.client = QdrantClient(":memory:")
        self.seen: list[str] = []
        self._actions: Mapping[tuple[str, str], Callable[[str, Any], Any]] = {
            ("GET", "exists"): lambda name, _: {"exists": self.client.collection_exists(name)},
            ("PUT", ""): self._create,
            ("GET", ""): lambda name, _: self.client.get_collection(name),
            ("PUT", "index"): lambda _name, _body: {"operation_id": 1, "status": "completed"},
            ("PUT", "points"): self._upsert,
            ("POST", "points"): self._retrieve,
            ("POST", "points/query"): self._query,
            ("POST", "points/count"): self._count,
            ("POST", "points/delete"): self._delete,
            ("POST", "points/scroll"): self._scroll,
        }

    def app(self) -> FastAPI:
        """Return the service as an ASGI application."""
        app = FastAPI()

        @app.api_route("/collections/{name}", methods=["GET", "PUT"])
        @app.api_route("/collections/{name}/{rest:path}", methods=["GET", "PUT", "POST"])
        async def answer(request: Request, name: str, rest: str = "") -> JSONResponse:
            raw = await request.body()
            body = await request.json() if raw else None
            self.seen.append(f"{request.method} {rest}".strip())
            if (request.method, rest) == ("PUT", "") and self.client.collection_exists(name):
                error = {"error": f"Wrong input: Collection `{name}` already exists!"}
                return JSONResponse({"status": error, "time": 0.001}, status_code=_CONFLICT)
            result = _plain(self._actions[request.method, rest](name, body))
            return JSONResponse({"result": result, "status": "ok", "time": 0.001})

        return app

    def _create(self, name: str, body: Any) -> bool:
        return self.client.create_collection(name, models.VectorParams.model_validate(body["vectors"]))

    def _upsert(self, name: str, body: Any) -> Any:
        points = [models.PointStruct.model_validate(point) for point in body["points"]]
        self.client.upsert(name, points)
        return {"operation_id": 2, "status": "acknowledged"}

    def _retrieve(self, name: str, body: Any) -> Any:
        return self.client.retrieve(name, body["ids"], with_payload=body.get("with_payload", True))

    def _query(self, name: str, body: Any) -> Any:
        return self.client.query_points(
            name,
            query=body["query"]["nearest"],
            query_filter=_filter(body),
            limit=body["limit"],
            with_payload=body.get("with_payload", False),
            with_vectors=body.get("with_vector", False),
        )

    def _count(self, name: str, body: Any) -> Any:
        return self.client.count(name, _filter(body))

    def _delete(self, name: str, body: Any) -> Any:
        return self.client.delete(name, models.FilterSelector(filter=_filter(body) or models.Filter()))

    def _scroll(self, name: str, body: Any) -> Any:
        points, after = self.client.scroll(
            name,
            scroll_filter=_filter(body),
            limit=body["limit"],
            offset=body.get("offset"),
            with_payload=body.get("with_payload", True),
            with_vectors=body.get("with_vector", False),
        )
        return {"points": [_plain(point) for point in points], "next_page_offset": after}


def _filter(body: Any) -> models.Filter | None:
    return models.Filter.model_validate(body["filter"]) if body.get("filter") else None


def _plain(result: Any) -> Any:
    if isinstance(result, list):
        return [_plain(item) for item in result]
    return result.model_dump(mode="json") if hasattr(result, "model_dump") else result


@contextmanager
def run_qdrant() -> Iterator[tuple[str, QdrantService]]:
    """Serve on a free port for the duration of the block; yield the address and the service."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what local mode cannot speed up
        service, port = QdrantService(), free_port()
        server = uvicorn.Server(uvicorn.Config(service.app(), port=port, log_level="error"))
        thread = threading.Thread(target=lambda: asyncio.run(server.serve()), daemon=True)
        thread.start()
        deadline = time.monotonic() + 20
        while not server.started and time.monotonic() < deadline:
            time.sleep(0.02)
        try:
            yield f"http://127.0.0.1:{port}", service
        finally:
            server.should_exit = True
            thread.join(timeout=10)
