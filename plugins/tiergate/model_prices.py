"""LiteLLM's own price map, read from the installed package without importing it (its import takes seconds)."""

import json
from collections.abc import Mapping
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tiergate.proxy_config import Deployment

PRICE_MAP = "model_prices_and_context_window_backup.json"


@lru_cache(maxsize=1)
def load_price_map() -> Mapping[str, Mapping[str, Any]]:
    """Return LiteLLM's map by model name; empty when the package or its map is not there."""
    spec = find_spec("litellm")
    if spec is None or spec.origin is None:
        return {}
    try:
        raw = json.loads((Path(spec.origin).parent / PRICE_MAP).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return raw if isinstance(raw, dict) else {}


def find_map_price(deployment: Deployment) -> tuple[float, float] | None:
    """Return USD per token of prompt and answer by LiteLLM's map; None for a model it does not price."""
    provider, _, short = deployment.model.partition("/")
    for name in (str(deployment.info.get("base_model", "")), deployment.model, short):
        entry = load_price_map().get(name)
        # The short name of another provider's model says nothing of this provider's price.
        if entry is None or (name == short and not str(entry.get("litellm_provider", "")).startswith(provider)):
            continue
        prompt, answer = entry.get("input_cost_per_token"), entry.get("output_cost_per_token")
        if isinstance(prompt, int | float) and isinstance(answer, int | float):
            return float(prompt), float(answer)
    return None
