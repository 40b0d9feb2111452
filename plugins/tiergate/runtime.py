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

from threadpoolctl import threadpool_limits

from tiergate.adapters.decision_log import SqlDecisionLog, open_decision_log
from tiergate.adapters.decision_reader import DecisionReader
from tiergate.adapters.embedded_classifier import EmbeddedClassifier
from tiergate.adapters.embedder_choice import build_embedder
from tiergate.adapters.inference_pool import InferencePool
from tiergate.adapters.litellm_models import LiteLLMModels
from tiergate.adapters.vllm_classifier import VllmClassifier
from tiergate.artifact import Artifact, load_artifact
from tiergate.artifact_format import MANIFEST
from tiergate.cache_parts import (
    build_board,
    build_cipher,
    build_invalidator,
    build_labels,
    build_semantic_cache,
    build_store,
    find_pair_model,
)
from tiergate.cache_refit import CacheRefit
from tiergate.drift_watch import DriftWatch
from tiergate.errors import ArtifactError, ConfigurationError, PolicyError
from tiergate.hooks.in_flight import InFlightRegistry
from tiergate.hooks.pipeline import Pipeline, build_arms
from tiergate.http.dashboard import Dashboard
from tiergate.http.mount import mount_dashboard
from tiergate.pack_check import Pack, artifact_path, load_pack
from tiergate.policy.domain_heads import DomainHeads
from tiergate.policy.drift import DriftFinding
from tiergate.policy.experiment_status import ExperimentGuard
from tiergate.ports import IntentClassifier
from tiergate.reload_watch import ReloadWatch
from tiergate.settings import Policy
from tiergate.stages.confidence_gate import ConfidenceGate
from tiergate.stages.decision_record import DecisionRecorder
from tiergate.stages.intent_router import IntentRouter
from tiergate.stages.semantic_cache import SemanticCache
from tiergate.telemetry.drift_meter import DriftMeter
from tiergate.telemetry.json_log import build_handler, log_decision
from tiergate.telemetry.metrics import DecisionMeter
from tiergate.telemetry.names import DECISION_LOGGER
from tiergate.telemetry.parent import find_trace_id
from tiergate.telemetry.providers import MeterProviders, Providers
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
        redis: Returns LiteLLM's Redis, or None.
    """

    def __init__(
        self,
        pack: Pack,
        *,
        policy_path: Path,
        models: LiteLLMModels,
        config_path: Path | None = None,
        redis: Callable[[], Any] = lambda: None,
    ) -> None:
        # The matrices of a decision are small: a second BLAS thread only spins, on a core that the proxy needs.
        threadpool_limits(1, "blas")
        policy, self._models = pack.policy, models
        self._policy_path, self._config_path = policy_path, config_path
        self._tasks: set[asyncio.Task[Any]] = set()
        self._pool = InferencePool(threads=policy.encoder.threads, max_queue=policy.encoder.max_queue)
        self._embedder = build_embedder(policy.encoder, self._pool)
        self._classifiers: list[IntentClassifier] = []
        self._store = build_store(policy, self._embedder, policy_path)
        self._labels = build_labels(policy)
        self._board = build_board(redis, build_cipher(policy, policy_path))
        self._log = open_decision_log(
            policy.decision_log.url,
            policy_file=policy_path,
            journal_folder=policy.decision_log.journal,
            retention_days=policy.decision_log.retention_days,
        )
        self._providers = Providers(os.environ)
        providers = self._providers.meters()
        meters = build_meters(policy, pack.artifact, self._log, providers)
        self._reader = DecisionReader(policy.decision_log.url)
        self._guard = ExperimentGuard(policy.experiments)
        self._clock, self._registry = SystemClock(), InFlightRegistry()
        listeners = (*build_listeners(meters), guard_listener(lambda: self._guard))
        trace = build_trace(self._providers)
        self._recorder = DecisionRecorder(log=self._log, trace=trace, listeners=listeners)
        self.pipeline = self._build_pipeline(pack, self._guard, None)
        self._watch = ReloadWatch(self._watched_files, self.reload)
        self._drift = build_drift_watch(lambda: self.pipeline.policy, pack.artifact, providers)
        self._refit = None
        if self._labels is not None:
            self._refit = CacheRefit(lambda: self.pipeline.semantic_cache, self._labels)
        self.dashboard = Dashboard(
            policy_in_force=lambda: self.pipeline.policy,
            reader=self._reader,
            store=build_invalidator(self.pipeline.semantic_cache),
            log_state=self._log.state,
            meters=tuple(meters),
        )
        atexit.register(self.close)

    def _build_pipeline(self, pack: Pack, guard: ExperimentGuard, old: Pipeline | None) -> Pipeline:
        """Build the stages for a policy, at the start and at a reload.

        Args:
            pack: The checked configuration.
            guard: Stops arms of its experiments.
            old: The pipeline in force, whose memory goes on; None at the start.

        Raises:
            ConfigurationError: An artifact is missing, torn, or does not fit the policy.
        """
        policy = pack.policy
        classifier, shadow = build_classifier(pack), build_shadow(policy, pack.domain_heads)
        pipeline = Pipeline(
            policy=policy,
            semantic_cache=build_semantic_cache(
                policy,
                self._store,
                self._embedder,
                self._clock,
                board=self._board,
                pair_model=find_pair_model(policy, self._embedder),
                old=None if old is None else old.semantic_cache,
                labels=self._labels,
            ),
            intent_router=IntentRouter(classifier=classifier, policy=policy, shadow=shadow, facts=self._models.facts),
            confidence_gate=ConfidenceGate(policy=policy, calibration=pack.gate_calibration),
            decision_record=self._recorder,
            registry=self._registry,
            embedder=self._embedder,
            catalogue=self._models,
            models=self._models,
            clock=self._clock,
            cache_group=pack.cache_group,
            spawn=self.spawn,
            stopped_arms=guard.stopped,
        )
        if old is not None:
            router = replace(pipeline.intent_router, turns=old.intent_router.turns)
            pipeline = replace(pipeline, intent_router=router, latency=old.latency, judge_spend=old.judge_spend)
        self._classifiers += [part for part in (classifier, shadow) if part is not None]
        return replace(pipeline, arms=build_arms(pipeline))

    def mount(self, app: Any) -> None:
        """Put the dashboard into the proxy's own app."""
        mount_dashboard(app, self.dashboard)

    def spawn(self, work: Coroutine[Any, Any, Any]) -> None:
        """Run work in the background and keep a reference until it ends."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def watch(self) -> None:
        """Reload on SIGHUP and when an artifact's files change, and look for drift, until `aclose`."""
        self._watch.start()
        self._drift.start()
        if self._refit is not None:
            self._refit.start()

    def reload(self) -> bool:
        """Read policy and artifacts anew and put them in force together; a bad file is refused and the old one stays.

        Requests in flight keep the pipeline they began with. Encoder, answer store and decision log hold files and
        processes: a policy that changes them is refused until a restart.
        """
        try:
            pack = load_pack(self._policy_path, self._config_path)
            _check_reloadable(self.pipeline.policy, pack.policy, self._policy_path)
            guard = ExperimentGuard(pack.policy.experiments)
            guard.stopped |= self._guard.stopped
            pipeline = self._build_pipeline(pack, guard, self.pipeline)
        except ConfigurationError as exc:
            _logger.error("the new configuration is refused and the old one stays: %s", exc)  # noqa: TRY400  told
            return False
        self._guard, self.pipeline = guard, pipeline
        # A warning, since LiteLLM leaves the root logger at that level and an operator wants to see it.
        _logger.warning("policy reloaded, in force: artifact %s", pipeline.intent_router.classifier.digest)
        return True

    def _watched_files(self) -> list[Path]:
        policy = self.pipeline.policy
        shadow, calibration = policy.intent_router.shadow, policy.confidence_gate.calibration
        folders = [artifact_path(policy), *([shadow.artifact] if shadow is not None else [])]
        return [*(folder / MANIFEST for folder in folders), *([calibration] if calibration is not None else [])]

    async def aclose(self) -> None:
        """Finish what runs in the background, then flush and close every adapter."""
        atexit.unregister(self.close)
        self._watch.stop()
        self._drift.stop()
        if self._refit is not None:
            await asyncio.to_thread(self._refit.stop)
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=5)
        for classifier in self._classifiers:
            await classifier.aclose()
        for part in (self._log, self._reader, self._store, self._embedder, self._pool):
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
    models = LiteLLMModels(router)
    return Runtime(pack, policy_path=policy_path, config_path=config_path, models=models, redis=redis)


def build_classifier(pack: Pack) -> IntentClassifier:
    """Build the classifier that policy names, over the pack's artifact.

    Raises:
        ArtifactError: The artifact reads a surface feature that this version does not compute.
    """
    settings = pack.policy.intent_router.classifier
    embedded = EmbeddedClassifier(pack.artifact, pack.domain_heads)
    if settings.kind == "vllm":
        return VllmClassifier(settings, embedded, pack.artifact)
    return embedded


def build_shadow(policy: Policy, own: DomainHeads | None = None) -> IntentClassifier | None:
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
    return EmbeddedClassifier(artifact, own)


def _check_reloadable(old: Policy, new: Policy, path: Path) -> None:
    fixed = {
        "encoder": old.encoder != new.encoder,
        "semantic_cache.enabled": old.semantic_cache.enabled != new.semantic_cache.enabled,
        "semantic_cache.store": old.semantic_cache.store != new.semantic_cache.store,
        "semantic_cache.encryption_keys": old.semantic_cache.encryption_keys != new.semantic_cache.encryption_keys,
        "semantic_cache.labels": old.semantic_cache.labels != new.semantic_cache.labels,
        "semantic_cache.single_flight": old.semantic_cache.single_flight != new.semantic_cache.single_flight,
        "decision_log.url": old.decision_log.url != new.decision_log.url,
        "decision_log.journal": old.decision_log.journal != new.decision_log.journal,
        "decision_log.retention_days": old.decision_log.retention_days != new.decision_log.retention_days,
    }
    for key in (name for name, changed in fixed.items() if changed):
        raise PolicyError(path, key, "cannot change while the proxy runs", "restart the proxy")


def build_meters(
    policy: Policy, artifact: Artifact, log: SqlDecisionLog, providers: MeterProviders
) -> list[DecisionMeter]:
    """Build a meter for each place that measurements go to."""
    return [
        DecisionMeter(
            tiers=policy.tier_names,
            domains={*artifact.domains, *policy.domains},
            dropped=lambda: log.dropped,
            provider=provider,
        )
        for provider in providers
    ]


def build_drift_watch(policy: Callable[[], Policy], artifact: Artifact, providers: MeterProviders) -> DriftWatch:
    """Build what looks for drift in the background, with a meter for each place that measurements go to."""
    domains = {*artifact.domains, *policy().domains}
    meters = [DriftMeter(domains=domains, provider=provider) for provider in providers]

    def publish(found: Sequence[DriftFinding]) -> None:
        for meter in meters:
            meter.record((one.kind.value, one.domain, one.alarm) for one in found)

    return DriftWatch(policy, publish)


def guard_listener(guard: Callable[[], ExperimentGuard]) -> Listener:
    """Return a listener that lets the guard in force see the records of experiments."""

    def watch(record: DecisionRecord, _parent: Any) -> None:
        if record.experiment is not None:
            guard().take(record.to_line())

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
