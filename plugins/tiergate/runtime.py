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
from tiergate.adapters.vllm_classifier import VllmClassifier
from tiergate.artifact import Artifact, load_artifact
from tiergate.drift_watch import DriftWatch
from tiergate.errors import ArtifactError, ConfigurationError, PolicyError
from tiergate.hooks.in_flight import InFlightRegistry
from tiergate.hooks.pipeline import Pipeline
from tiergate.pack_check import Pack, artifact_path, load_pack
from tiergate.ports import AnswerStore, Embedder, IntentClassifier
from tiergate.reload_watch import ReloadWatch
from tiergate.settings import EdgeStore, Encoder, Policy
from tiergate.stages.confidence_gate import ConfidenceGate
from tiergate.stages.decision_record import DecisionRecorder
from tiergate.stages.intent_router import IntentRouter
from tiergate.stages.semantic_cache import SemanticCache
from tiergate.telemetry.drift_meter import DriftMeter
from tiergate.telemetry.json_log import build_handler, log_decision
from tiergate.telemetry.metrics import DecisionMeter
from tiergate.telemetry.names import DECISION_LOGGER
from tiergate.telemetry.record import DecisionRecord
from tiergate.telemetry.spans import DecisionTracer

_logger = logging.getLogger(__name__)

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
        config_path: LiteLLM's config.yaml; None when unknown.
    """

    def __init__(
        self, pack: Pack, *, policy_path: Path, models: LiteLLMModels, config_path: Path | None = None
    ) -> None:
        policy = pack.policy
        self._policy_path, self._config_path = policy_path, config_path
        self._watch = ReloadWatch(self._artifact_folders, self.reload)
        meter = DriftMeter(domains={*pack.artifact.domains, *policy.domains})
        self._drift = DriftWatch(
            lambda: self.pipeline.policy,
            lambda found: meter.record((one.kind.value, one.domain, one.alarm) for one in found),
        )
        self._tasks: set[asyncio.Task[Any]] = set()
        self._pool = InferencePool(threads=policy.encoder.threads, max_queue=policy.encoder.max_queue)
        self._embedder = build_embedder(policy.encoder, self._pool)
        classifier, shadow = build_classifier(pack), build_shadow(policy)
        self._classifiers = [part for part in (classifier, shadow) if part is not None]
        self._store = build_store(policy, self._embedder, policy_path)
        self._log = open_decision_log(policy.decision_log.url, policy_file=policy_path)
        clock = SystemClock()
        self.pipeline = Pipeline(
            policy=policy,
            semantic_cache=SemanticCache(store=self._store, settings=policy.semantic_cache, clock=clock),
            intent_router=IntentRouter(classifier=classifier, policy=policy, shadow=shadow, facts=models.facts),
            confidence_gate=ConfidenceGate(policy=policy),
            decision_record=DecisionRecorder(
                log=self._log, listeners=build_listeners(policy, pack.artifact, self._log)
            ),
            registry=InFlightRegistry(),
            embedder=self._embedder,
            catalogue=models,
            models=models,
            clock=clock,
            cache_group=pack.cache_group,
            spawn=self.spawn,
        )
        atexit.register(self.close)

    def spawn(self, work: Coroutine[Any, Any, Any]) -> None:
        """Run work in the background and keep a reference until it ends."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def watch(self) -> None:
        """Reload on SIGHUP and when an artifact's files change, and look for drift, until `aclose`."""
        self._watch.start()
        self._drift.start()

    def reload(self) -> bool:
        """Read policy and artifacts anew and put them in force together; a bad file is refused and the old one stays.

        Requests in flight keep the pipeline they began with. Encoder, answer store and decision log hold files and
        processes: a policy that changes them is refused until a restart.
        """
        try:
            pack = load_pack(self._policy_path, self._config_path)
            _check_reloadable(self.pipeline.policy, pack.policy, self._policy_path)
            classifier, shadow = build_classifier(pack), build_shadow(pack.policy)
        except ConfigurationError as exc:
            _logger.error("the new configuration is refused and the old one stays: %s", exc)  # noqa: TRY400  told
            return False
        old, policy = self.pipeline, pack.policy
        self._classifiers += [part for part in (classifier, shadow) if part is not None]
        self.pipeline = replace(
            old,
            policy=policy,
            semantic_cache=replace(old.semantic_cache, settings=policy.semantic_cache),
            intent_router=replace(old.intent_router, classifier=classifier, policy=policy, shadow=shadow),
            confidence_gate=replace(old.confidence_gate, policy=policy),
            cache_group=pack.cache_group,
        )
        # A warning, since LiteLLM leaves the root logger at that level and an operator wants to see it.
        _logger.warning("policy reloaded, in force: artifact %s", classifier.digest)
        return True

    def _artifact_folders(self) -> list[Path]:
        policy = self.pipeline.policy
        shadow = policy.intent_router.shadow
        return [artifact_path(policy), *([shadow.artifact] if shadow is not None else [])]

    async def aclose(self) -> None:
        """Finish what runs in the background, then flush and close every adapter."""
        atexit.unregister(self.close)
        self._watch.stop()
        self._drift.stop()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=5)
        for classifier in self._classifiers:
            await classifier.aclose()
        for part in (self._log, self._store, self._embedder, self._pool):
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
    return Runtime(pack, policy_path=policy_path, config_path=config_path, models=LiteLLMModels(router))


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


def build_classifier(pack: Pack) -> IntentClassifier:
    """Build the classifier that policy names, over the pack's artifact.

    Raises:
        ArtifactError: The artifact reads a surface feature that this version does not compute.
    """
    settings, embedded = pack.policy.intent_router.classifier, EmbeddedClassifier(pack.artifact)
    if settings.kind == "vllm":
        return VllmClassifier(settings, embedded, pack.artifact)
    return embedded


def build_shadow(policy: Policy) -> IntentClassifier | None:
    """Build the challenger that scores without acting; None where policy names none.

    Raises:
        ArtifactError: Its artifact is missing or torn, or does not know a tier of the policy.
    """
    settings = policy.intent_router.shadow
    if settings is None:
        return None
    artifact = load_artifact(settings.artifact)
    unknown = set(policy.tier_names) - set(artifact.tiers)
    if unknown:
        problem, fix = f"does not know {sorted(unknown)!r}", "train it for these tiers"
        raise ArtifactError(settings.artifact, "tiers", problem, fix)
    return EmbeddedClassifier(artifact)


def _check_reloadable(old: Policy, new: Policy, path: Path) -> None:
    fixed = {
        "encoder": old.encoder != new.encoder,
        "semantic_cache.store": old.semantic_cache.store != new.semantic_cache.store,
        "decision_log.url": old.decision_log.url != new.decision_log.url,
    }
    for key in (name for name, changed in fixed.items() if changed):
        raise PolicyError(path, key, "cannot change while the proxy runs", "restart the proxy")


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
