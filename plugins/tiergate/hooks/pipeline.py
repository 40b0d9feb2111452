"""The stages in their order, and what the hooks need beside them."""

from collections.abc import Callable, Collection, Coroutine, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from tiergate.exchange import Endpoint
from tiergate.hooks.in_flight import InFlight, InFlightRegistry
from tiergate.policy.constraints import ModelFacts
from tiergate.policy.experiment import apply_overrides
from tiergate.policy.money import Price
from tiergate.ports import Clock, Embedder
from tiergate.settings import Policy
from tiergate.stages.confidence_gate import ConfidenceGate
from tiergate.stages.decision_record import DecisionRecorder
from tiergate.stages.intent_router import IntentRouter
from tiergate.stages.latency_watch import LatencyWatch
from tiergate.stages.semantic_cache import SemanticCache
from tiergate.stages.session_tiers import SessionTiers

_DAY_S = 86_400.0


class ModelCatalogue(Protocol):
    """What LiteLLM knows of its models."""

    def price(self, model_group: str) -> Price | None:
        """Return the price of a model group in USD per token, or None when LiteLLM knows none."""
        ...

    def supports_logprobs(self, model: str) -> bool:
        """Tell whether a model gives token log-probabilities."""
        ...

    def note_logprobs(self, model: str, *, refused: bool) -> None:
        """Remember whether a model's provider takes a request for token log-probabilities."""
        ...

    def retry_without_logprobs(self, model_group: str) -> Mapping[str, Any]:
        """Return arguments of a first call that let it be tried again where log-probabilities may be refused."""
        ...

    def facts(self, model_group: str) -> ModelFacts | None:
        """Return what a model group can take, or None when LiteLLM knows nothing of it."""
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


@dataclass(slots=True)
class DailySpend:
    """What something has cost since midnight UTC, in USD; kept in memory, so it begins at 0 with the process."""

    day: int = 0
    usd: float = 0.0

    def at(self, now: float) -> float:
        """Return what was spent on the day of a Unix time in seconds."""
        return self.usd if int(now // _DAY_S) == self.day else 0.0

    def add(self, now: float, usd: float) -> None:
        """Add to the day of a Unix time in seconds."""
        self.day, self.usd = int(now // _DAY_S), self.at(now) + usd


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """One request meets, in this order: cache, router, (the call), gate, record.

    `arms` holds the same stages with the policy of each arm, by (experiment, arm); `stopped_arms` grows while serving.
    """

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
    judge_spend: DailySpend = field(default_factory=DailySpend)
    arms: Mapping[tuple[str, str], "Pipeline"] = field(default_factory=dict)
    stopped_arms: Collection[tuple[str, str]] = ()
    latency: LatencyWatch = field(default_factory=LatencyWatch)
    sessions: SessionTiers = field(init=False)

    def __post_init__(self) -> None:
        """Keep the sessions that policy asks for."""
        sessions = SessionTiers(ttl_s=self.policy.session.ttl_s, tiers=self.policy.tier_names)
        object.__setattr__(self, "sessions", sessions)

    def of(self, entry: InFlight) -> "Pipeline":
        """Return the stages with the policy of the arm that a request belongs to."""
        if entry.assignment is None:
            return self
        return self.arms.get((entry.assignment.experiment, entry.assignment.arm), self)

    def with_policy(self, policy: Policy) -> "Pipeline":
        """Return the same stages under another policy."""
        return replace(
            self,
            policy=policy,
            semantic_cache=replace(self.semantic_cache, settings=policy.semantic_cache),
            intent_router=replace(self.intent_router, policy=policy),
            confidence_gate=replace(self.confidence_gate, policy=policy),
        )

    def model_group(self, tier: str | None, entry_model: str) -> str:
        """Return the model group that a request of a tier goes to; the entry model's own without a tier."""
        return self.policy.tier(tier).model_group if tier is not None else entry_model


def build_arms(pipeline: Pipeline) -> Mapping[tuple[str, str], Pipeline]:
    """Return the stages under the policy of each arm of each experiment.

    Raises:
        ValueError: An override is not allowed or has a wrong value.
    """
    return {
        (experiment.name, arm): pipeline.with_policy(apply_overrides(pipeline.policy, overrides))
        for experiment in pipeline.policy.experiments
        for arm, overrides in experiment.arms.items()
    }
