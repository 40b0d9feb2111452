"""A pipeline over the public fakes, and requests that walk through its hooks as LiteLLM sends them."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from litellm import ModelResponse
from litellm.proxy._types import UserAPIKeyAuth
from litellm.types.utils import ModelResponseStream

from tiergate.errors import EscalationError
from tiergate.hooks.in_flight import InFlight, InFlightRegistry
from tiergate.hooks.pipeline import Pipeline
from tiergate.policy.constraints import ModelFacts
from tiergate.policy.money import Price
from tiergate.settings import Policy
from tiergate.stages.confidence_gate import ConfidenceGate
from tiergate.stages.decision_record import DecisionRecorder
from tiergate.stages.intent_router import IntentRouter
from tiergate.stages.semantic_cache import SemanticCache
from tiergate.testing import FakeClassifier, FakeClock, FakeEmbedder, MemoryDecisionLog, MemoryStore

TIERS = ("simple", "medium", "frontier")
SURE, UNSURE = -0.005, -2.0
KEY = UserAPIKeyAuth(api_key="hashed-key-of-a", team_id="team-a", user_id="user-a")
OTHER_KEY = UserAPIKeyAuth(api_key="hashed-key-of-b", team_id="team-b", user_id="user-b")


def policy_of(**sections: Any) -> Policy:
    tiers = [{"name": name, "model_group": f"tier-{name}"} for name in TIERS]
    domains = {"finance": {"start_tier": "frontier", "gate": "bypass"}}
    return Policy.model_validate({"tiers": tiers, "domains": domains, **sections})


def completion(
    text: str = "An answer.",
    *,
    logprob: float | None = SURE,
    cost_usd: float = 0.001,
    model: str = "model-x",
    finish_reason: str = "stop",
    usage: Mapping[str, int] | None = None,
) -> ModelResponse:
    """A chat completion as LiteLLM hands it over."""
    tokens = [{"token": word, "logprob": logprob, "bytes": None, "top_logprobs": []} for word in text.split()]
    choice: dict[str, Any] = {"index": 0, "finish_reason": finish_reason}
    choice["message"] = {"role": "assistant", "content": text}
    if logprob is not None:
        choice["logprobs"] = {"content": tokens}
    counts = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15} if usage is None else usage
    response = ModelResponse(model=model, choices=[choice], usage=dict(counts))
    response._hidden_params = {
        "response_cost": cost_usd,
        "litellm_model_name": model,
        "custom_llm_provider": "openai",
        "additional_headers": {},
    }
    return response


def chunks_of(text: str, *, logprob: float | None = SURE, finish_reason: str | None = "stop") -> list[Any]:
    """A stream as LiteLLM hands it over: a chunk for each word, the last with the finish reason, then usage."""
    words = text.split(" ")
    chunks = []
    for place, word in enumerate(words):
        piece = word if place == 0 else f" {word}"
        choice: dict[str, Any] = {"index": 0, "delta": {"role": "assistant", "content": piece}, "finish_reason": None}
        if logprob is not None:
            choice["logprobs"] = {"content": [{"token": piece, "logprob": logprob, "bytes": None, "top_logprobs": []}]}
        chunks.append(ModelResponseStream(id="chatcmpl-1", model="model-x", choices=[choice]))
    if finish_reason is not None:
        last = {"index": 0, "delta": {}, "finish_reason": finish_reason}
        chunks.append(ModelResponseStream(id="chatcmpl-1", model="model-x", choices=[last]))
        usage = {"prompt_tokens": 10, "completion_tokens": len(words), "total_tokens": 10 + len(words)}
        chunks.append(ModelResponseStream(id="chatcmpl-1", model="model-x", choices=[], usage=usage))
    return chunks


@dataclass(slots=True)
class FakeModels:
    """Model groups with scripted answers; an exception in the script is raised."""

    answers: dict[str, Any] = field(default_factory=dict)
    prices: dict[str, Price] = field(default_factory=dict)
    known: dict[str, ModelFacts] = field(default_factory=dict)
    with_logprobs: frozenset[str] = frozenset({"openai/model-x"})
    may_retry: bool = False
    learned: dict[str, bool] = field(default_factory=dict)
    asked: list[dict[str, Any]] = field(default_factory=list)
    during: Callable[[str], None] | None = None

    def price(self, model_group: str) -> Price | None:
        return self.prices.get(model_group)

    def supports_logprobs(self, model: str) -> bool:
        return model in self.with_logprobs and self.learned.get(model, True)

    def note_logprobs(self, model: str, *, refused: bool) -> None:
        self.learned[model] = not refused

    def retry_without_logprobs(self, model_group: str) -> Mapping[str, Any]:
        return {"model_group_retry_policy": {model_group: {"BadRequestErrorRetries": 1}}} if self.may_retry else {}

    def facts(self, model_group: str) -> ModelFacts | None:
        return self.known.get(model_group)

    async def ask(
        self,
        body: Mapping[str, Any],
        metadata: dict[str, Any],
        model_group: str,
        call_id: str,
        params: Mapping[str, Any],
        *,
        endpoint: str = "chat_completions",
        stream: bool = False,
    ) -> Any:
        self.asked.append(
            {"body": body, "metadata": metadata, "model_group": model_group, "call_id": call_id, "params": params}
            | {"endpoint": endpoint, "stream": stream}
        )
        if self.during is not None:
            self.during(call_id)
        answer = self.answers.get(model_group, EscalationError(f"{model_group} gave no answer"))
        if isinstance(answer, Exception):
            raise answer
        return await answer(call_id) if callable(answer) else answer


@dataclass(slots=True)
class Bench:
    """A pipeline, the fakes under it, and what it spawned."""

    pipeline: Pipeline
    clock: FakeClock
    embedder: FakeEmbedder
    classifier: FakeClassifier
    store: MemoryStore
    log: MemoryDecisionLog
    models: FakeModels
    spawned: list[asyncio.Task[Any]]
    finished: list[Any]

    async def settle(self) -> None:
        """Wait for what runs in the background."""
        while self.spawned:
            await self.spawned.pop()

    def entry(self, call_id: str = "call-1") -> InFlight | None:
        """The entry of a call id, whoever asks."""
        return self.pipeline.registry._of(call_id)

    @property
    def row(self) -> Mapping[str, Any]:
        """The last row of the decision log."""
        return self.log.rows[-1]


def request_data(prompt: Any = "What is the capital of France?", **fields: Any) -> dict[str, Any]:
    """Request data as LiteLLM hands it to a pre-call hook, the client's body in its snapshot."""
    body = {"model": "auto", "messages": [{"role": "user", "content": prompt}], **fields}
    host = {"litellm_call_id": "call-1", "proxy_server_request": {"body": dict(body), "headers": {}}}
    metadata = {"user_api_key": "hashed-key-of-a", **(body.pop("metadata", None) or {})}
    return {**body, "metadata": metadata, **host}


def build_bench(
    scores: Mapping[str, float] | None = None,
    *,
    domains: Mapping[str, float] | None = None,
    registry: InFlightRegistry | None = None,
    cache_group: str | None = "tier-cache",
    **sections: Any,
) -> Bench:
    policy, clock, embedder = policy_of(**sections), FakeClock(), FakeEmbedder()
    classifier = FakeClassifier(
        scores=scores or {"simple": 0.97, "medium": 0.98, "frontier": 0.99},
        domain_scores=domains or {"general": 0.9, "finance": 0.05},
    )
    store, log, models = MemoryStore(), MemoryDecisionLog(), FakeModels()
    spawned: list[asyncio.Task[Any]] = []
    finished: list[Any] = []

    def spawn(work: Coroutine[Any, Any, Any]) -> None:
        spawned.append(asyncio.get_running_loop().create_task(work))

    def listen(record: Any, _parent: Any) -> None:
        finished.append(record)

    listeners: Sequence[Callable[[Any, Any], None]] = (listen,)
    pipeline = Pipeline(
        policy=policy,
        semantic_cache=SemanticCache(store=store, settings=policy.semantic_cache, clock=clock),
        intent_router=IntentRouter(classifier=classifier, policy=policy, facts=models.facts),
        confidence_gate=ConfidenceGate(policy=policy),
        decision_record=DecisionRecorder(log=log, listeners=tuple(listeners)),
        registry=InFlightRegistry() if registry is None else registry,
        embedder=embedder,
        catalogue=models,
        models=models,
        clock=clock,
        cache_group=cache_group,
        spawn=spawn,
    )
    return Bench(pipeline, clock, embedder, classifier, store, log, models, spawned, finished)


@pytest.fixture
def bench() -> Bench:
    return build_bench()
