from tiergate.adapters.embedder_choice import build_embedder
from tiergate.adapters.inference_pool import InferencePool
from tiergate.settings import Encoder


async def test_an_embeddings_endpoint_may_be_the_encoder() -> None:
    settings = Encoder(kind="openai", base_url="http://127.0.0.1:1", model="m", dimensions=8)
    pool = InferencePool(threads=1, max_queue=1)
    embedder = build_embedder(settings, pool)
    assert embedder.dimensions == 8
    await embedder.aclose()
    await pool.aclose()
