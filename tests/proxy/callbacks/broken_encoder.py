"""Lets the encoder raise while the file `encoder-is-broken` stands in the working directory."""

from pathlib import Path

from litellm.integrations.custom_logger import CustomLogger

from tiergate.adapters.onnx_embedder import OnnxEmbedder
from tiergate.errors import EmbedderError

embed_now = OnnxEmbedder._embed_now


def embed_or_raise(self: OnnxEmbedder, text: str) -> object:
    if Path("encoder-is-broken").exists():
        raise EmbedderError("the encoder failed: injected by a test")
    return embed_now(self, text)


OnnxEmbedder._embed_now = embed_or_raise
broken_encoder = CustomLogger()
