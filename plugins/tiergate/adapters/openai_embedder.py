"""Sentence vectors from an OpenAI-compatible /embeddings endpoint."""

import asyncio
import hashlib
from typing import Any

import httpx
import numpy as np

from tiergate.errors import EmbedderError
from tiergate.ports import Vector

_WINDOW_CHARACTERS = 500
"""No encoder in use reads fewer tokens than this; a character is at most one token in almost every vocabulary."""


def digest_openai_encoder(base_url: str, model: str, dimensions: int) -> str:
    """Return the SHA-256 over address, model and dimensions: the weights behind them cannot be seen."""
    return hashlib.sha256(f"{base_url.rstrip('/')}/embeddings\n{model}\n{dimensions}".encode()).hexdigest()


class OpenAIEmbedder:
    """Embeds text over HTTP (port `Embedder`).

    The text is sent whole; what the server does with a text longer than its window is the server's rule.

    Args:
        base_url: Address up to and without `/embeddings`, for instance ending in `/v1`.
        model: Name of the model.
        api_key: Bearer token; None when the server wants none.
        dimensions: Length of the model's vectors; an answer of another length is an error.
        budget_ms: Time for one call from connecting to the end of the answer, in milliseconds.
    """

    def __init__(
        self,
        base_url: str,
        model: str,
        *,
        dimensions: int,
        api_key: str | None = None,
        budget_ms: float = 500.0,
    ) -> None:
        self._base_url = base_url
        self._url = f"{base_url.rstrip('/')}/embeddings"
        self._model = model
        self._dimensions = dimensions
        self._budget_s = budget_ms / 1000.0
        self._headers = {} if api_key is None else {"Authorization": f"Bearer {api_key}"}
        self._client: httpx.AsyncClient | None = None

    @property
    def dimensions(self) -> int:
        """Length of the vectors."""
        return self._dimensions

    @property
    def digest(self) -> str:
        """SHA-256 over address, model and dimensions: the weights behind them cannot be seen."""
        return digest_openai_encoder(self._base_url, self._model, self._dimensions)

    def covers(self, text: str) -> bool:
        """Tell whether a text surely fits into the window of a hosted encoder, at most one token per character."""
        return len(text) <= _WINDOW_CHARACTERS

    async def embed(self, text: str) -> Vector:
        """Return a float32 vector of shape (dimensions,) and length 1.

        Raises:
            EmbedderError: The server could not be reached, was too slow, or gave no usable vector.
        """
        body = {"model": self._model, "input": text, "encoding_format": "float"}
        try:
            async with asyncio.timeout(self._budget_s):
                response = await self._connected().post(self._url, json=body)
            response.raise_for_status()
            payload = response.json()
        except TimeoutError as exc:
            raise EmbedderError(f"{self._url} took longer than {self._budget_s * 1000:.0f} ms") from exc
        except httpx.HTTPStatusError as exc:
            raise EmbedderError(f"{self._url} answered with status {exc.response.status_code}") from exc
        except httpx.HTTPError as exc:
            raise EmbedderError(f"{self._url} could not be reached: {type(exc).__name__}") from exc
        except ValueError as exc:
            raise EmbedderError(f"{self._url} did not answer with JSON") from exc
        return self._vector(payload)

    async def aclose(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    def _connected(self) -> httpx.AsyncClient:
        if self._client is None:
            self._client = httpx.AsyncClient(headers=self._headers, timeout=self._budget_s)
        return self._client

    def _vector(self, payload: Any) -> Vector:
        try:
            vector = np.asarray(payload["data"][0]["embedding"], dtype=np.float32)
        except (KeyError, IndexError, TypeError, ValueError) as exc:
            raise EmbedderError(f"{self._url} gave no data[0].embedding") from exc
        if vector.shape != (self._dimensions,):
            raise EmbedderError(f"{self._url} gave shape {vector.shape}, not ({self._dimensions},)")
        length = float(np.linalg.norm(vector))
        if not np.isfinite(length) or length == 0.0:
            raise EmbedderError(f"{self._url} gave a vector without a length")
        unit: Vector = vector / np.float32(length)
        return unit
