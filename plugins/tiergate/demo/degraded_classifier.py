"""A classifier made worse on purpose, to see what of a saving remains. A simulation's proxy loads it, nothing else does.

litellm_settings:
  callbacks: [tiergate.demo.degraded_classifier.tiergate]
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from tiergate import callbacks
from tiergate.demo.answers import build_rng
from tiergate.demo.simulation_scenario import FLIPS_VARIABLE
from tiergate.hooks.callback import TiergateCallback
from tiergate.ports import Classification, IntentClassifier, Vector


@dataclass(frozen=True, slots=True, kw_only=True)
class DegradedClassifier:
    """Flips the tier scores of a share of prompts: p becomes 1 - p for all tiers but the strongest.

    Attributes:
        inner: The classifier that is made worse.
        share: Share of prompts whose scores are flipped, 0 to 1; the same prompts each time.
    """

    inner: IntentClassifier
    share: float

    @property
    def kind(self) -> str:
        """Kind of the inner classifier."""
        return self.inner.kind

    @property
    def digest(self) -> str:
        """Digest of the inner classifier."""
        return self.inner.digest

    @property
    def tiers(self) -> Sequence[str]:
        """Tiers, cheapest first."""
        return self.inner.tiers

    @property
    def domains(self) -> Sequence[str]:
        """Domains."""
        return self.inner.domains

    async def classify(self, vector: Vector, features: Mapping[str, float], prompt: str) -> Classification:
        """Score one prompt, flipped for the share of prompts that this is about."""
        found = await self.inner.classify(vector, features, prompt)
        if build_rng("flip", prompt).random() >= self.share:
            return found
        strongest = self.inner.tiers[-1]

        def flip(scores: Mapping[str, float]) -> dict[str, float]:
            return {tier: score if tier == strongest else 1.0 - score for tier, score in scores.items()}

        return replace(found, scores=flip(found.scores), lower_bounds=flip(found.lower_bounds))

    async def aclose(self) -> None:
        """Close the inner classifier."""
        await self.inner.aclose()


def __getattr__(name: str) -> Any:
    """Build the instance that LiteLLM asks for."""
    if name == "tiergate":
        return _callback()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


@lru_cache(maxsize=1)
def _callback() -> TiergateCallback:
    pipeline = callbacks.tiergate.pipeline()
    router = pipeline.intent_router
    worse = DegradedClassifier(inner=router.classifier, share=float(os.environ.get(FLIPS_VARIABLE, "0")))
    degraded = replace(pipeline, intent_router=replace(router, classifier=worse))
    return TiergateCallback(lambda: degraded)
