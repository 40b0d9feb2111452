"""Opens the stores that a policy names, for `tiergate check --online`."""

import asyncio
from pathlib import Path

from tiergate.adapters.decision_log import open_decision_log
from tiergate.adapters.encoder_folder import builtin_encoder, load_encoder_folder
from tiergate.adapters.qdrant_edge_store import QdrantEdgeStore
from tiergate.cache_settings import EdgeStore
from tiergate.defects import Defect, from_error
from tiergate.errors import ConfigurationError
from tiergate.settings import Encoder, Policy


def open_stores(policy: Policy, policy_path: Path) -> list[Defect]:
    """Open and close the answer store and the decision log; return an error for each that cannot be opened."""
    found = []
    if policy.semantic_cache.enabled and isinstance(policy.semantic_cache.store, EdgeStore):
        try:
            dimensions, digest = _identify(policy.encoder)
            store = QdrantEdgeStore(policy.semantic_cache.store.path, dimensions, digest)
            store.open()
            asyncio.run(store.aclose())
        except ConfigurationError as exc:
            found.append(from_error(exc))
    try:
        open_decision_log(policy.decision_log.url, policy_file=policy_path).close()
    except ConfigurationError as exc:
        found.append(from_error(exc))
    return found


def _identify(encoder: Encoder) -> tuple[int, str]:
    """Return an encoder's dimensions and digest without loading it."""
    if encoder.kind == "openai":
        from tiergate.adapters.openai_embedder import OpenAIEmbedder  # noqa: PLC0415  httpx

        embedder = OpenAIEmbedder(
            base_url=encoder.base_url or "",
            model=encoder.model or "",
            api_key=encoder.api_key,
            dimensions=encoder.dimensions or 0,
        )
        return embedder.dimensions, embedder.digest
    folder = load_encoder_folder(encoder.path or builtin_encoder())
    return folder.dimensions, folder.digest
