"""policy.yaml and the environment, read once into a frozen model. Bad configuration stops start-up."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails, PydanticCustomError

from tiergate.agent_settings import Agents, ClassifierPluginSettings, DriftSettings
from tiergate.cache_settings import EdgeStore, ServerStore, SingleFlight, StoreLimit
from tiergate.classifier_settings import EmbeddedClassifierSettings, ShadowSettings, VllmClassifierSettings
from tiergate.domain_settings import Domain, find_idle_strategy
from tiergate.errors import PolicyError
from tiergate.plan_settings import Latency, Session, Strategy
from tiergate.policy_section import Milliseconds, Name, Seconds, Section, Share
from tiergate.settings_experiments import Experiment, Exploration, QualityJudge
from tiergate.yaml_file import load_mapping

ENVIRONMENT_PREFIX = "os.environ/"
CONTROLS = ("cache", "max_age_s", "ttl_s", "start_tier", "latency_budget_ms", "session_id")


class Tier(Section):
    """One tier: a LiteLLM model group and the parameters its calls get."""

    name: Name
    model_group: str = Field(min_length=1)
    params: dict[str, Any] = Field(default_factory=dict)


class SemanticCache(Section):
    """The semantic cache."""

    enabled: bool = True
    store: Annotated[EdgeStore | ServerStore, Field(discriminator="kind")] = EdgeStore()
    scope: Literal["key", "team", "user", "end_user", "global"] = "key"
    max_error: Annotated[float, Field(gt=0, lt=1)] | None = None
    min_similarity: Annotated[float, Field(gt=0, le=1)] | None = None
    ttl_s: Seconds = 86400
    budget_ms: Milliseconds = 50
    max_answer_chars: int = Field(default=100_000, gt=0)
    ttl_jitter: Share = 0.1
    cache_version: str = "1"
    multi_turn: Literal["off", "embed_conversation"] = "off"
    confirmations: int = Field(default=2, ge=1)
    pair_model: str = "builtin"
    re_ask_share: Share = 0.0
    labels: Path = Path("./data/cache_labels.jsonl")
    refit_every_s: Seconds = 3600
    single_flight: SingleFlight = SingleFlight()
    store_limit: StoreLimit = StoreLimit()
    encryption_keys: str | None = None

    @model_validator(mode="after")
    def _one_bound(self) -> Self:
        if self.max_error is not None and self.min_similarity is not None:
            raise ValueError("max_error and min_similarity exclude each other; keep one")
        return self


class IntentRouter(Section):
    """The intent router."""

    enabled: bool = True
    classifier: Annotated[EmbeddedClassifierSettings | VllmClassifierSettings, Field(discriminator="kind")] = (
        EmbeddedClassifierSettings()
    )
    shadow: ShadowSettings | None = None
    min_quality: Share = 0.95
    min_quality_of: Literal["request", "traffic"] = "request"
    min_domain_score: Share | None = None
    max_slice_error: Share = 0.06
    budget_ms: Milliseconds = 50


class Verifier(Section):
    """Who is asked about answers in the middle band."""

    kind: Literal["judge", "self_consistency"]
    model_group: str | None = None
    budget_ms: Milliseconds = 800
    samples: int = Field(default=2, ge=1, le=10)

    @model_validator(mode="after")
    def _judge_named(self) -> Self:
        if self.kind == "judge" and not self.model_group:
            raise ValueError("kind judge needs `model_group`, the model that judges; name one of config.yaml")
        return self


class StreamGate(Section):
    """What the gate may do with a stream."""

    mode: Literal["hold", "record"] = "record"
    max_hold_ms: Milliseconds = 1500


class ConfidenceGate(Section):
    """The confidence gate."""

    enabled: bool = True
    escalate_below: Share = 0.70
    trust_from: Share = 0.85
    calibration: Path | None = None
    verifier: Verifier | None = None
    max_escalations: int = Field(default=1, ge=0, le=5)
    top_logprobs: int = Field(default=0, ge=0, le=20)
    stream: StreamGate = StreamGate()
    escalation_budget_ms: Milliseconds = 60_000

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.escalate_below > self.trust_from:
            raise ValueError(
                f"escalate_below {self.escalate_below} is above trust_from {self.trust_from}; "
                "put escalate_below at or below trust_from"
            )
        return self


class DecisionLogSettings(Section):
    """Where decisions are written."""

    url: str = "sqlite:///./data/decisions.db"
    store_prompts: bool = False
    retention_days: int = Field(default=30, gt=0)
    journal: Path | None = None


class Encoder(Section):
    """Which sentence encoder gives the shared vector."""

    kind: Literal["builtin", "onnx", "openai"] = "builtin"
    path: Path | None = None
    base_url: str | None = None
    model: str | None = None
    api_key: str | None = None
    dimensions: int | None = Field(default=None, gt=0)
    threads: int = Field(default=1, ge=1)
    max_queue: int = Field(default=64, ge=1)

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.kind == "onnx" and self.path is None:
            raise ValueError("kind onnx needs `path`, the folder with model.onnx and tokenizer.json")
        if self.kind == "openai" and not (self.base_url and self.model and self.dimensions):
            raise ValueError("kind openai needs `base_url`, `model` and `dimensions`")
        return self


class Policy(Section):
    """The whole of policy.yaml."""

    version: Literal[1] = 1
    entry_models: tuple[str, ...] = Field(default=("auto",), min_length=1)
    tiers: tuple[Tier, ...] = Field(min_length=2)
    baseline_tier: Name | None = None
    encoder: Encoder = Encoder()
    semantic_cache: SemanticCache = SemanticCache()
    intent_router: IntentRouter = IntentRouter()
    domains: dict[str, Domain] = Field(default_factory=dict)
    agents: Agents = Agents()
    drift: DriftSettings = DriftSettings()
    classifier_plugin: ClassifierPluginSettings = ClassifierPluginSettings()
    confidence_gate: ConfidenceGate = ConfidenceGate()
    strategy: Strategy = "cascade"
    latency: Latency = Latency()
    session: Session = Session()
    exploration: Exploration = Exploration()
    quality_judge: QualityJudge | None = None
    mode: Literal["active", "shadow"] = "active"
    experiments: tuple[Experiment, ...] = ()
    controls: tuple[Literal["cache", "max_age_s", "ttl_s", "start_tier", "latency_budget_ms", "session_id"], ...] = ()
    decision_log: DecisionLogSettings = DecisionLogSettings()

    @field_validator("tiers")
    @classmethod
    def _unique_tiers(cls, tiers: tuple[Tier, ...]) -> tuple[Tier, ...]:
        names = [tier.name for tier in tiers]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"tier {name!r} stands twice; give each tier its own name")
        return tiers

    @model_validator(mode="after")
    def _names_exist(self) -> Self:
        known = f"use one of: {', '.join(self.tier_names)}"
        if self.baseline_tier is not None and self.baseline_tier not in self.tier_names:
            raise _at_key("baseline_tier", f"{self.baseline_tier!r} is no tier", known)
        for domain, override in self.domains.items():
            if override.start_tier is not None and override.start_tier not in self.tier_names:
                raise _at_key(f"domains.{domain}.start_tier", f"{override.start_tier!r} is no tier", known)
            idle = find_idle_strategy(
                override,
                strongest_tier=self.strongest_tier,
                routed=self.intent_router.enabled,
                escalates=self.confidence_gate.enabled and self.confidence_gate.max_escalations > 0,
            )
            if idle is not None:
                raise _at_key(f"domains.{domain}.strategy", *idle)
        for key, name in (self.agents.tiers_named() | self.classifier_plugin.tiers_named()).items():
            if name not in self.tier_names:
                raise _at_key(key, f"{name!r} is no tier", known)
        return self

    @property
    def tier_names(self) -> tuple[str, ...]:
        """Names of the tiers, cheapest first."""
        return tuple(tier.name for tier in self.tiers)

    @property
    def strongest_tier(self) -> str:
        """The last tier."""
        return self.tiers[-1].name

    @property
    def baseline(self) -> str:
        """The tier that savings are counted against; the strongest where none is named."""
        return self.baseline_tier or self.strongest_tier

    def tier(self, name: str) -> Tier:
        """Return a tier by its name."""
        return next(tier for tier in self.tiers if tier.name == name)

    def stronger_tier(self, name: str) -> str | None:
        """Return the next tier after `name`, or None for the strongest."""
        place = self.tier_names.index(name) + 1
        return self.tier_names[place] if place < len(self.tiers) else None


def load_policy(path: Path, environ: Mapping[str, str] | None = None) -> Policy:
    """Read and validate a policy file.

    Args:
        path: The YAML file.
        environ: Where `os.environ/NAME` references are looked up; the process environment by default.

    Raises:
        PolicyError: The file is missing, no YAML, or breaks the schema. Names file, key and fix.
    """
    policy, errors = read_policy(path, environ)
    if policy is None:
        raise errors[0]
    return policy


def read_policy(path: Path, environ: Mapping[str, str] | None = None) -> tuple[Policy | None, tuple[PolicyError, ...]]:
    """Read and validate a policy file, and return every error instead of the first.

    Args:
        path: The YAML file.
        environ: As for `load_policy`.
    """
    environ = os.environ if environ is None else environ
    try:
        raw = load_mapping(
            path,
            absent_fix="create it, or set TIERGATE_POLICY to its path",
            empty_fix="start from `tiergate init` or the example policy.yaml",
        )
    except PolicyError as exc:
        return None, (exc,)
    unset: list[PolicyError] = []
    resolved = _resolve_environment(raw, path, "", environ, unset)
    if unset:
        return None, tuple(unset)
    try:
        return Policy.model_validate(resolved), ()
    except ValidationError as exc:
        return None, tuple(_policy_error(path, details) for details in exc.errors())


def check_model_groups(policy: Policy, model_groups: frozenset[str], *, policy_path: Path, config_path: Path) -> None:
    """Check that every model group the policy names is in config.yaml.

    Raises:
        PolicyError: A tier, a verifier or an entry model names no model group.
    """
    for missing in find_missing_groups(policy, model_groups, policy_path=policy_path, config_path=config_path):
        raise missing


def find_missing_groups(
    policy: Policy, model_groups: frozenset[str], *, policy_path: Path, config_path: Path
) -> list[PolicyError]:
    """Return an error for every tier, verifier and entry model that names no model group."""
    known = f"use one of: {', '.join(sorted(model_groups)) or 'none'}"
    missing = []
    for place, tier in enumerate(policy.tiers):
        if tier.model_group not in model_groups:
            problem = (
                f"tier {tier.name!r} names the model group {tier.model_group!r}, which {config_path} does not have"
            )
            fix = f"add `model_name: {tier.model_group}` to model_list, or {known}"
            missing.append(PolicyError(policy_path, f"tiers[{place}].model_group", problem, fix))
    verifier = policy.confidence_gate.verifier
    if verifier is not None and verifier.model_group is not None and verifier.model_group not in model_groups:
        problem = f"the model group {verifier.model_group!r} is not in {config_path}"
        missing.append(PolicyError(policy_path, "confidence_gate.verifier.model_group", problem, known))
    judge = policy.quality_judge
    if judge is not None and judge.model_group not in model_groups:
        problem = f"the model group {judge.model_group!r} is not in {config_path}"
        missing.append(PolicyError(policy_path, "quality_judge.model_group", problem, known))
    for place, entry in enumerate(policy.entry_models):
        if entry not in model_groups:
            problem = f"{entry!r} is no model group of {config_path}, so a request could not go on without tiergate"
            fix = f"add a model_list entry `model_name: {entry}` that points where requests should go by default"
            missing.append(PolicyError(policy_path, f"entry_models[{place}]", problem, fix))
    return missing


def write_policy_schema() -> str:
    """Return the JSON schema of policy.yaml as text."""
    return json.dumps(Policy.model_json_schema(), indent=2, sort_keys=True) + "\n"


def _at_key(key: str, problem: str, fix: str) -> PydanticCustomError:
    """Return an error of a whole-document check that names its key."""
    return PydanticCustomError("at_key", "{problem}", {"key": key, "problem": problem, "fix": fix})


def _resolve_environment(value: Any, path: Path, key: str, environ: Mapping[str, str], unset: list[PolicyError]) -> Any:
    """Replace `os.environ/NAME` by the variable's value, everywhere in the document; note the unset ones."""
    if isinstance(value, dict):
        return {
            k: _resolve_environment(v, path, f"{key}.{k}" if key else str(k), environ, unset) for k, v in value.items()
        }
    if isinstance(value, list):
        return [_resolve_environment(v, path, f"{key}[{i}]", environ, unset) for i, v in enumerate(value)]
    if isinstance(value, str) and value.startswith(ENVIRONMENT_PREFIX):
        name = value.removeprefix(ENVIRONMENT_PREFIX)
        if name not in environ:
            fix = f"set {name}, or write the value here"
            unset.append(PolicyError(path, key, f"the environment variable {name} is not set", fix))
            return value
        return environ[name]
    return value


def _policy_error(path: Path, error: ErrorDetails) -> PolicyError:
    """Turn one of pydantic's errors into ours."""
    key = _dotted(error["loc"])
    if error["type"] == "at_key":
        return PolicyError(path, error["ctx"]["key"], error["ctx"]["problem"], error["ctx"]["fix"])
    if error["type"] == "extra_forbidden":
        return PolicyError(
            path,
            key,
            "is not a known key",
            "remove it, or correct its spelling (see docs/reference/policy.md)",
        )
    if error["type"] == "missing":
        return PolicyError(path, key, "is required", f"add `{key.rsplit('.', 1)[-1]}:`")
    message = str(error["msg"]).removeprefix("Value error, ")
    if error["type"] == "value_error" and "; " in message:
        problem, fix = message.split("; ", 1)
        return PolicyError(path, key, problem, fix)
    return PolicyError(path, key, f"{message}, not {error['input']!r}"[:400], "use a value of the kind it names")


def _dotted(loc: tuple[int | str, ...]) -> str:
    """Write pydantic's location as a key of the YAML file; discriminator tags are left out."""
    text = ""
    for part in loc:
        if isinstance(part, int):
            text += f"[{part}]"
        elif part not in {"edge", "server", "embedded", "vllm"}:
            text += f".{part}" if text else part
    return text
