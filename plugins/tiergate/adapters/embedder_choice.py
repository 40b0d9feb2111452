"""The sentence encoder that policy names, built and loaded."""

from tiergate.adapters.inference_pool import InferencePool
from tiergate.adapters.onnx_embedder import OnnxEmbedder
from tiergate.adapters.openai_embedder import OpenAIEmbedder
from tiergate.ports import Embedder
from tiergate.settings import Encoder


def build_embedder(settings: Encoder, pool: InferencePool) -> Embedder:
    """Build and load the encoder that policy names.

    Raises:
        ArtifactError: The encoder's folder is missing or torn.
    """
    if settings.kind == "openai":
        return OpenAIEmbedder(
            base_url=settings.base_url or "",
            model=settings.model or "",
            api_key=settings.api_key,
            dimensions=settings.dimensions or 0,
        )
    embedder = OnnxEmbedder(settings.path, pool=pool, threads=settings.threads)
    embedder.load()
    return embedder
