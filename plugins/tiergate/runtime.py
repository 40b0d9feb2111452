"""The composition root: settings -> adapters -> stages, built once at start-up, closed once."""

import asyncio
import atexit
import logging
import os
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from tiergate.adapters.decision_log import SqlDecisionLog, open_decision_log
from tiergate.adapters.decision_reader import DecisionReader
from tiergate.adapters.embedded_classifier import EmbeddedClassifier
from tiergate.adapters.inference_pool import InferencePool
from tiergate.adapters.litellm_models import LiteLLMModels
from tiergate.adapters.onnx_embedder import OnnxEmbedder
from tiergate.adapters.openai_embedder import OpenAIEmbedder
from tiergate.adapters.qdrant_edge_store import QdrantEdgeStore
from tiergate.artifact import Artifact, builtin_artifact_path, load_artifact
from tiergate.errors import PolicyError
from tiergate.hooks.in_flight import InFlightRegistry
from tiergate.hooks.pipeline import Pipeline
from tiergate.http.dashboard import Dashboard
from tiergate.http.mount import mount_dashboard
from tiergate.ports import AnswerStore, Embedder
from tiergate.settings import EdgeStore, Encoder, Policy, check_model_groups, load_policy
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

CACHE_PROVIDER_PREFIX = "tiergate/"
"""`litellm_params.model` of the cache's model group begins with this."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Pack:
    """A policy checked against its config.yaml, with the artifact it names."""

    policy: Policy
    artifact: Artifact
    cache_group: str | None


def load_pack(policy_path: Path, config_path: Path | None) -> Pack:
    """Read policy, config and artifact and check them against each other.

    Args:
        policy_path: policy.yaml.
        config_path: LiteLLM's config.yaml; None when unknown, then model groups are not checked.

    Raises:
        ConfigurationError: Names file, key and fix.
    """
    policy = load_policy(policy_path)
    cache_group = None
    if config_path is not None:
        groups = load_model_groups(config_path)
        check_model_groups(policy, frozenset(groups), policy_path=policy_path, config_path=config_path)
        cache_group = next((name for name, model in groups.items() if model.startswith(CACHE_PROVIDER_PREFIX)), None)
        if policy.semantic_cache.enabled and cache_group is None:
            raise PolicyError(
                config_path,
                "model_list",
                "has no model group for stored answers, and policy.yaml enables semantic_cache",
                "add `model_name: tier-cache` with `litellm_params: {model: tiergate/cache}`, and custom_provider_map",
            )
    source = policy.intent_router.classifier.artifact
    artifact = load_artifact(builtin_artifact_path() if source == "builtin" else Path(source))
    _check_artifact(policy, artifact, policy_path)
    return Pack(policy=policy, artifact=artifact, cache_group=cache_group)


def load_model_groups(config_path: Path) -> dict[str, str]:
    """Return the model groups of a LiteLLM config and its includes: name -> model of its first deployment.

    Raises:
        PolicyError: The file cannot be read or is not a LiteLLM config.
    """
    try:
        raw = yaml.safe_load(config_path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as exc:
        raise PolicyError(config_path, "", f"cannot be read ({exc})", "correct the file or its path") from exc
    if not isinstance(raw, dict):
        raise PolicyError(config_path, "", "is not a mapping of keys", "start from `tiergate init`")
    groups: dict[str, str] = {}
    for place, item in enumerate(raw.get("model_list") or ()):
        if not isinstance(item, dict) or not isinstance(item.get("model_name"), str):
            raise PolicyError(config_path, f"model_list[{place}]", "has no model_name", "add `model_name:`")
        groups.setdefault(item["model_name"], str((item.get("litellm_params") or {}).get("model", "")))
    for name in raw.get("include") or ():
        for group, model in load_model_groups(config_path.parent / str(name)).items():
            groups.setdefault(group, model)
    return groups


def _check_artifact(policy: Policy, artifact: Artifact, policy_path: Path) -> None:
    known = ", ".join(artifact.domains)
    for domain in policy.domains:
        if domain not in artifact.domains:
            raise PolicyError(
                policy_path,
                f"domains.{domain}",
                f"the classifier artifact does not know the domain {domain!r}",
                f"use one of: {known}; or train an artifact with that domain",
            )
    for place, tier in enumerate(policy.tiers):
        if tier.name not in artifact.tiers:
            raise PolicyError(
                policy_path,
                f"tiers[{place}].name",
                f"the classifier artifact does not know the tier {tier.name!r}",
                f"use one of: {', '.join(artifact.tiers)}; or train an artifact with that tier",
            )


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
        self._log = open_decision_log(
            policy.decision_log.url,
            policy_file=policy_path,
            journal_folder=policy.decision_log.journal,
            retention_days=policy.decision_log.retention_days,
        )
        self._providers = Providers(os.environ)
        meters = build_meters(policy, pack.artifact, self._log, self._providers)
        self._reader = DecisionReader(policy.decision_log.url)
        self.dashboard = Dashboard(
            policy=policy, reader=self._reader, store=self._store, log_state=self._log.state, meters=tuple(meters)
        )
        clock = SystemClock()
        self.pipeline = Pipeline(
            policy=policy,
            semantic_cache=SemanticCache(store=self._store, settings=policy.semantic_cache, clock=clock),
            intent_router=IntentRouter(classifier=self._classifier, policy=policy),
            confidence_gate=ConfidenceGate(policy=policy),
            decision_record=DecisionRecorder(
                log=self._log, trace=build_trace(self._providers), listeners=build_listeners(meters)
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
