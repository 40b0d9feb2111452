"""The composition root: settings -> adapters -> stages, built once at start-up, closed once."""

import asyncio
import atexit
import logging
import time
from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

from tiergate.adapters.decision_log import SqlDecisionLog, open_decision_log
from tiergate.adapters.embedded_classifier import EmbeddedClassifier
from tiergate.adapters.inference_pool import InferencePool
from tiergate.adapters.litellm_models import LiteLLMModels
from tiergate.adapters.onnx_embedder import OnnxEmbedder
from tiergate.adapters.openai_embedder import OpenAIEmbedder
from tiergate.adapters.qdrant_edge_store import QdrantEdgeStore
from tiergate.artifact import Artifact
from tiergate.errors import PolicyError
from tiergate.hooks.in_flight import InFlightRegistry
from tiergate.hooks.pipeline import Pipeline, build_arms
from tiergate.pack_check import Pack, load_pack
from tiergate.policy.experiment_status import ExperimentGuard
from tiergate.ports import AnswerStore, Embedder
from tiergate.settings import EdgeStore, Encoder, Policy
from tiergate.stages.confidence_gate import ConfidenceGate
from tiergate.stages.decision_record import DecisionRecorder
from tiergate.stages.intent_router import IntentRouter
from tiergate.stages.semantic_cache import SemanticCache
from tiergate.telemetry.json_log import build_handler, log_decision
from tiergate.telemetry.metrics import DecisionMeter
from tiergate.telemetry.names import DECISION_LOGGER
from tiergate.telemetry.record import DecisionRecord
from tiergate.telemetry.spans import DecisionTracer

Listener = Callable[[DecisionRecord, Any], None]

PIPELINE = (SemanticCache, IntentRouter, ConfidenceGate, DecisionRecorder)
"""The stages, in their order."""


class SystemClock:
    """The time of this machine."""

    def now(self) -> float:
        """Return Unix time in seconds."""
        return time.time()

    def monotonic(self) -> float:
        """Return seconds that never go back."""
        return time.perf_counter()


class Runtime:
    """Everything that lives as long as the proxy process.

    Args:
        pack: The checked configuration.
        policy_path: Where it came from, for messages.
        models: LiteLLM's models.
    """

    def __init__(self, pack: Pack, *, policy_path: Path, models: LiteLLMModels) -> None:
        policy = pack.policy
        self._tasks: set[asyncio.Task[Any]] = set()
        self._pool = InferencePool(threads=policy.encoder.threads, max_queue=policy.encoder.max_queue)
        self._embedder = build_embedder(policy.encoder, self._pool)
        self._classifier = EmbeddedClassifier(pack.artifact)
        self._store = build_store(policy, self._embedder, policy_path)
        self._log = open_decision_log(policy.decision_log.url, policy_file=policy_path)
        clock = SystemClock()
        guard = ExperimentGuard(policy.experiments)
        listeners = (*build_listeners(policy, pack.artifact, self._log), guard_listener(guard))
        self.pipeline = Pipeline(
            policy=policy,
            semantic_cache=SemanticCache(store=self._store, settings=policy.semantic_cache, clock=clock),
            intent_router=IntentRouter(classifier=self._classifier, policy=policy),
            confidence_gate=ConfidenceGate(policy=policy),
            decision_record=DecisionRecorder(log=self._log, listeners=listeners),
            registry=InFlightRegistry(),
            embedder=self._embedder,
            catalogue=models,
            models=models,
            clock=clock,
            cache_group=pack.cache_group,
            spawn=self.spawn,
        )
        self.pipeline = replace(self.pipeline, arms=build_arms(self.pipeline), stopped_arms=guard.stopped)
        atexit.register(self.close)

    def spawn(self, work: Coroutine[Any, Any, Any]) -> None:
        """Run work in the background and keep a reference until it ends."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def aclose(self) -> None:
        """Finish what runs in the background, then flush and close every adapter."""
        atexit.unregister(self.close)
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=5)
        for part in (self._log, self._store, self._classifier, self._embedder, self._pool):
            await part.aclose()

    def close(self) -> None:
        """Close from outside an event loop: at the end of the process."""
        asyncio.run(self.aclose())


def build_runtime(policy_path: Path, config_path: Path | None, *, router: Callable[[], Any]) -> Runtime:
    """Read the configuration and build everything a proxy process needs.

    Args:
        policy_path: policy.yaml.
        config_path: LiteLLM's config.yaml; None when unknown.
        router: Returns LiteLLM's Router once it exists.

    Raises:
        ConfigurationError: Names file, key and fix.
    """
    pack = load_pack(policy_path, config_path)
    return Runtime(pack, policy_path=policy_path, models=LiteLLMModels(router))


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


def build_store(policy: Policy, embedder: Embedder, policy_path: Path) -> AnswerStore:
    """Open the answer store that policy names.

    Raises:
        ConfigurationError: The store cannot be opened.
    """
    store = policy.semantic_cache.store
    if not isinstance(store, EdgeStore):
        raise PolicyError(
            policy_path, "semantic_cache.store.kind", "server is not supported by this version", "use kind: edge"
        )
    opened = QdrantEdgeStore(store.path, embedder.dimensions, embedder.digest)
    opened.open()
    return opened


def guard_listener(guard: ExperimentGuard) -> Listener:
    """Return a listener that lets a guard see the records of experiments."""

    def watch(record: DecisionRecord, _parent: Any) -> None:
        if record.experiment is not None:
            guard.take(record.to_line())

    return watch


def build_listeners(policy: Policy, artifact: Artifact, log: SqlDecisionLog) -> tuple[Listener, ...]:
    """Build who takes finished records: JSON line, spans, and metrics with the span as exemplar."""
    tracer = DecisionTracer()
    meter = DecisionMeter(
        tiers=policy.tier_names, domains={*artifact.domains, *policy.domains}, dropped=lambda: log.dropped
    )
    logger = logging.getLogger(DECISION_LOGGER)
    if not logger.handlers:
        logger.addHandler(build_handler())
        logger.setLevel(logging.INFO)
        logger.propagate = False

    def trace_and_measure(record: DecisionRecord, parent: Any) -> None:
        meter.record(record, tracer.record(record, parent))

    def write_line(record: DecisionRecord, _parent: Any) -> None:
        log_decision(record)

    return (write_line, trace_and_measure)
