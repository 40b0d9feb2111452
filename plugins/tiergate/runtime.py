"""The composition root: settings -> adapters -> stages, built once at start-up, closed once."""

import asyncio
import atexit
import logging
import os
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tiergate.adapters.decision_log import SqlDecisionLog, open_decision_log
from tiergate.adapters.decision_reader import DecisionReader
from tiergate.adapters.embedded_classifier import EmbeddedClassifier
from tiergate.adapters.inference_pool import InferencePool
from tiergate.adapters.litellm_models import LiteLLMModels
from tiergate.adapters.onnx_embedder import OnnxEmbedder
from tiergate.adapters.openai_embedder import OpenAIEmbedder
from tiergate.artifact import Artifact
from tiergate.cache_parts import (
    build_board,
    build_cipher,
    build_invalidator,
    build_semantic_cache,
    build_store,
    find_pair_model,
)
from tiergate.hooks.in_flight import InFlightRegistry
from tiergate.hooks.pipeline import Pipeline, build_arms
from tiergate.http.dashboard import Dashboard
from tiergate.http.mount import mount_dashboard
from tiergate.pack_check import Pack, load_pack
from tiergate.policy.experiment_status import ExperimentGuard
from tiergate.ports import Embedder
from tiergate.settings import Encoder, Policy
from tiergate.stages.confidence_gate import ConfidenceGate
from tiergate.stages.decision_record import DecisionRecorder
from tiergate.stages.intent_router import IntentRouter
from tiergate.stages.semantic_cache import SemanticCache
from tiergate.telemetry.json_log import build_handler, log_decision
from tiergate.telemetry.metrics import DecisionMeter
from tiergate.telemetry.names import DECISION_LOGGER
from tiergate.telemetry.parent import find_trace_id
from tiergate.telemetry.providers import Providers
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
        redis: Returns LiteLLM's Redis, or None.
    """

    def __init__(
        self, pack: Pack, *, policy_path: Path, models: LiteLLMModels, redis: Callable[[], Any] = lambda: None
    ) -> None:
        policy = pack.policy
        self._tasks: set[asyncio.Task[Any]] = set()
        self._pool = InferencePool(threads=policy.encoder.threads, max_queue=policy.encoder.max_queue)
        self._embedder = build_embedder(policy.encoder, self._pool)
        self._classifier = EmbeddedClassifier(pack.artifact)
        self._store = build_store(policy, self._embedder, policy_path)
        self._log = open_decision_log(
            policy.decision_log.url,
            policy_file=policy_path,
            journal_folder=policy.decision_log.journal,
            retention_days=policy.decision_log.retention_days,
        )
        self._providers = Providers(os.environ)
        meters = build_meters(policy, pack.artifact, self._log, self._providers)
        self._reader = DecisionReader(policy.decision_log.url)
        clock = SystemClock()
        guard = ExperimentGuard(policy.experiments)
        listeners = (*build_listeners(meters), guard_listener(guard))
        self.pipeline = Pipeline(
            policy=policy,
            semantic_cache=build_semantic_cache(
                policy,
                self._store,
                self._embedder,
                clock,
                board=build_board(redis, build_cipher(policy, policy_path)),
                pair_model=find_pair_model(policy, self._embedder),
            ),
            intent_router=IntentRouter(classifier=self._classifier, policy=policy),
            confidence_gate=ConfidenceGate(policy=policy),
            decision_record=DecisionRecorder(log=self._log, trace=build_trace(self._providers), listeners=listeners),
            registry=InFlightRegistry(),
            embedder=self._embedder,
            catalogue=models,
            models=models,
            clock=clock,
            cache_group=pack.cache_group,
            spawn=self.spawn,
        )
        self.pipeline = replace(self.pipeline, arms=build_arms(self.pipeline), stopped_arms=guard.stopped)
        self.dashboard = Dashboard(
            policy=policy,
            reader=self._reader,
            store=build_invalidator(self.pipeline.semantic_cache),
            log_state=self._log.state,
            meters=tuple(meters),
        )
        atexit.register(self.close)

    def mount(self, app: Any) -> None:
        """Put the dashboard into the proxy's own app."""
        mount_dashboard(app, self.dashboard)

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
        for part in (self._log, self._reader, self._store, self._classifier, self._embedder, self._pool):
            await part.aclose()
        await asyncio.to_thread(self._providers.close)

    def close(self) -> None:
        """Close from outside an event loop: at the end of the process."""
        asyncio.run(self.aclose())


def build_runtime(
    policy_path: Path,
    config_path: Path | None,
    *,
    router: Callable[[], Any],
    redis: Callable[[], Any] = lambda: None,
) -> Runtime:
    """Read the configuration and build everything a proxy process needs.

    Args:
        policy_path: policy.yaml.
        config_path: LiteLLM's config.yaml; None when unknown.
        router: Returns LiteLLM's Router once it exists.
        redis: Returns LiteLLM's Redis, or None when it has none.

    Raises:
        ConfigurationError: Names file, key and fix.
    """
    pack = load_pack(policy_path, config_path)
    return Runtime(pack, policy_path=policy_path, models=LiteLLMModels(router), redis=redis)


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


def build_meters(policy: Policy, artifact: Artifact, log: SqlDecisionLog, providers: Providers) -> list[DecisionMeter]:
    """Build a meter for each place that measurements go to."""
    return [
        DecisionMeter(
            tiers=policy.tier_names,
            domains={*artifact.domains, *policy.domains},
            dropped=lambda: log.dropped,
            provider=provider,
        )
        for provider in providers.meters()
    ]


def guard_listener(guard: ExperimentGuard) -> Listener:
    """Return a listener that lets a guard see the records of experiments."""

    def watch(record: DecisionRecord, _parent: Any) -> None:
        if record.experiment is not None:
            guard.take(record.to_line())

    return watch


def build_trace(providers: Providers) -> Callable[[DecisionRecord, Any], tuple[DecisionRecord, Any]]:
    """Build who writes spans; a trace that begins with ours is found by the record's trace id too."""
    tracer = DecisionTracer(providers.tracers, providers.events)

    def trace(record: DecisionRecord, parent: Any) -> tuple[DecisionRecord, Any]:
        context = tracer.record(record, parent)
        trace_id = find_trace_id(context) or record.trace_id
        return (record if trace_id == record.trace_id else replace(record, trace_id=trace_id)), context

    return trace


def build_listeners(meters: Sequence[DecisionMeter]) -> tuple[Listener, ...]:
    """Build who takes finished records: JSON line, and measurements with the span as exemplar."""
    logger = logging.getLogger(DECISION_LOGGER)
    if not logger.handlers:
        logger.addHandler(build_handler())
        logger.setLevel(logging.INFO)
        logger.propagate = False

    def write_line(record: DecisionRecord, _context: Any) -> None:
        log_decision(record)

    return (write_line, *(meter.record for meter in meters))
