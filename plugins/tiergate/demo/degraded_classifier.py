"""A classifier made worse on purpose, to see what of a saving remains. For simulations."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from tiergate.adapters.embedded_classifier import EmbeddedClassifier
from tiergate.artifact import Artifact
from tiergate.demo.answers import build_rng
from tiergate.policy.domain_heads import DomainHeads
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


def install(share: float) -> None:
    """Let the runtime of this process build its classifier degraded. Called in a simulation's proxy before it starts.

    Args:
        share: Share of prompts whose scores are flipped.
    """

    def build(artifact: Artifact, own_domains: DomainHeads | None = None) -> DegradedClassifier:
        return DegradedClassifier(inner=EmbeddedClassifier(artifact, own_domains), share=share)

    from tiergate import runtime  # noqa: PLC0415  imports LiteLLM

    setattr(runtime, EmbeddedClassifier.__name__, build)
