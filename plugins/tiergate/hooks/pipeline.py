"""The stages in their order, and what the hooks need beside them."""

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from tiergate.exchange import Endpoint
from tiergate.hooks.in_flight import InFlightRegistry
from tiergate.policy.money import Price
from tiergate.ports import Clock, Embedder
from tiergate.settings import Policy
from tiergate.stages.confidence_gate import ConfidenceGate
from tiergate.stages.decision_record import DecisionRecorder
from tiergate.stages.intent_router import IntentRouter
from tiergate.stages.latency_watch import LatencyWatch
from tiergate.stages.semantic_cache import SemanticCache
from tiergate.stages.session_tiers import SessionTiers


class ModelCatalogue(Protocol):
    """What LiteLLM knows of its models."""

    def price(self, model_group: str) -> Price | None:
        """Return the price of a model group in USD per token, or None when LiteLLM knows none."""
        ...

    def supports_logprobs(self, model: str) -> bool:
        """Tell whether a model gives token log-probabilities."""
        ...


class ModelRouter(Protocol):
    """Calls model groups through LiteLLM's own Router."""

    async def ask(
        self,
        body: Mapping[str, Any],
        metadata: dict[str, Any],
        model_group: str,
        call_id: str,
        params: Mapping[str, Any],
        *,
        endpoint: Endpoint = "chat_completions",
        stream: bool = False,
    ) -> Any:
        """Send a request to a model group and return LiteLLM's response, or its stream.

        Raises:
            EscalationError: The model group gave no answer.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """One request meets, in this order: cache, router, (the call), gate, record."""

    policy: Policy
    semantic_cache: SemanticCache
    intent_router: IntentRouter
    confidence_gate: ConfidenceGate
    decision_record: DecisionRecorder
    registry: InFlightRegistry
    embedder: Embedder
    catalogue: ModelCatalogue
    models: ModelRouter
    clock: Clock
    cache_group: str | None
    spawn: Callable[[Coroutine[Any, Any, Any]], None]
    latency: LatencyWatch = field(default_factory=LatencyWatch)
    sessions: SessionTiers = field(init=False)

    def __post_init__(self) -> None:
        """Keep the sessions that policy asks for."""
        sessions = SessionTiers(ttl_s=self.policy.session.ttl_s, tiers=self.policy.tier_names)
        object.__setattr__(self, "sessions", sessions)

    def model_group(self, tier: str | None, entry_model: str) -> str:
        """Return the model group that a request of a tier goes to; the entry model's own without a tier."""
        return self.policy.tier(tier).model_group if tier is not None else entry_model
