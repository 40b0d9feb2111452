import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from tiergate.adapters.openai_embedder import OpenAIEmbedder
from tiergate.errors import EmbedderError

VECTOR = [3.0, 0.0, 4.0]


@dataclass
class Endpoint:
    """A small HTTP server that answers every request with `status` and `body`."""

    body: bytes
    status: int = 200
    delay_s: float = 0.0
    url: str = ""
    seen: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = int(next(line for line in head.lower().split("\r\n") if "content-length" in line).split(":")[1])
        self.seen.append((head, json.loads(await reader.readexactly(length))))
        await asyncio.sleep(self.delay_s)
        writer.write(f"HTTP/1.1 {self.status} X\r\nContent-Length: {len(self.body)}\r\n\r\n".encode() + self.body)
        await writer.drain()
        writer.close()


@asynccontextmanager
async def serving(endpoint: Endpoint) -> AsyncIterator[OpenAIEmbedder]:
    server = await asyncio.start_server(endpoint.answer, "127.0.0.1", 0)
    endpoint.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    embedder = OpenAIEmbedder(endpoint.url, "small", dimensions=3, api_key="k-1", budget_ms=300)
    async with server:
        yield embedder
        await embedder.aclose()


def good(vector: Any) -> bytes:
    return json.dumps({"data": [{"embedding": vector}]}).encode()


async def test_asks_for_the_model_and_returns_a_unit_vector() -> None:
    endpoint = Endpoint(good(VECTOR))
    async with serving(endpoint) as embedder:
        vector = await embedder.embed("Hello")
    assert vector == pytest.approx(np.array([0.6, 0.0, 0.8]))
    head, body = endpoint.seen[0]
    assert head.startswith("POST /v1/embeddings ")
    assert "authorization: bearer k-1" in head.lower()
    assert (body["model"], body["input"]) == ("small", "Hello")


@pytest.mark.parametrize(
    ("endpoint", "message"),
    [
        (Endpoint(b"{}", status=500), "status 500"),
        (Endpoint(b"{}", status=401), "status 401"),
        (Endpoint(b"oops"), "JSON"),
        (Endpoint(b"{}"), "no data"),
        (Endpoint(good(["a", "b", "c"])), "no data"),
        (Endpoint(good([1.0])), "shape"),
        (Endpoint(good([0.0, 0.0, 0.0])), "without a length"),
        (Endpoint(good(VECTOR), delay_s=1.0), "longer than 300 ms"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_every_bad_answer_is_an_embedder_error(endpoint: Endpoint, message: str) -> None:
    async with serving(endpoint) as embedder:
        with pytest.raises(EmbedderError, match=message):
            await embedder.embed("Hello")


async def test_a_server_that_is_down_is_an_embedder_error() -> None:
    embedder = OpenAIEmbedder("http://127.0.0.1:9", "small", dimensions=3)
    with pytest.raises(EmbedderError, match="could not be reached"):
        await embedder.embed("Hello")
    await embedder.aclose()


def test_the_digest_tells_models_apart() -> None:
    digests = {
        OpenAIEmbedder(url, model, dimensions=size).digest
        for url in ("http://a/v1", "http://b/v1")
        for model in ("m", "n")
        for size in (3, 4)
    }
    assert len(digests) == 8
