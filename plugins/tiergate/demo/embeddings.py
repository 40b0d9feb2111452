"""OpenAI's embeddings endpoint: hashed words, so that texts which share words are near each other."""

import base64
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiergate.demo.answers import build_rng, count_tokens
from tiergate.demo.wire import BadRequestError, read_field, read_model

_DIMENSIONS = 384
_MAX_DIMENSIONS = 4096
_ENTRIES_PER_WORD = 8


def embed_text(text: str, dimensions: int = _DIMENSIONS) -> NDArray[np.float32]:
    """Return a vector of shape (dimensions,) and length 1, the sum of one sparse sign vector per word."""
    vector = np.zeros(dimensions, dtype=np.float32)
    for word in re.findall(r"\w+", text.lower()) or [""]:
        rng = build_rng("embedding", word)
        for _ in range(_ENTRIES_PER_WORD):
            vector[rng.randrange(dimensions)] += rng.choice((-1.0, 1.0))
    length = float(np.linalg.norm(vector))
    if length == 0.0:
        vector[0] = length = 1.0
    return vector / np.float32(length)


def render_embeddings(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the body of an answer; floats or base64, as asked.

    Raises:
        BadRequestError: Model or input is missing, or the number of dimensions is out of range.
    """
    model = read_model(body)
    texts = _read_texts(body.get("input"))
    dimensions = read_field(body, "dimensions", int, _DIMENSIONS)
    if not 1 <= dimensions <= _MAX_DIMENSIONS:
        raise BadRequestError(f"'dimensions' must be between 1 and {_MAX_DIMENSIONS}", "dimensions")
    as_base64 = body.get("encoding_format") == "base64"
    data = []
    for index, text in enumerate(texts):
        vector = embed_text(text, dimensions)
        value = base64.b64encode(vector.astype("<f4").tobytes()).decode() if as_base64 else vector.tolist()
        data.append({"object": "embedding", "index": index, "embedding": value})
    tokens = sum(count_tokens(text) for text in texts)
    return {
        "object": "list",
        "model": model,
        "data": data,
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }


def _read_texts(given: Any) -> list[str]:
    """Texts to embed; a list of token numbers counts as one text."""
    if isinstance(given, str) and given:
        return [given]
    if not isinstance(given, list) or not given:
        raise BadRequestError("'input' must be a text, a list of texts or token numbers", "input")
    if all(isinstance(entry, int) for entry in given):
        return [" ".join(map(str, given))]
    return [entry if isinstance(entry, str) else " ".join(map(str, entry)) for entry in given]
