"""The checks of a config pack: policy.yaml, config.yaml, artifact and encoder, each alone and against each other.

Start-up and `tiergate check` share this list. Start-up stops at an error and logs the warnings once; the command
shows everything.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from tiergate.adapters.decision_database import find_sqlite_path, parse_url
from tiergate.adapters.domain_examples import read_domain_heads
from tiergate.adapters.encoder_folder import builtin_encoder, load_encoder_folder
from tiergate.adapters.gate_calibration_file import read_gate_calibration
from tiergate.adapters.openai_embedder import digest_openai_encoder
from tiergate.artifact import Artifact, builtin_artifact_path, load_artifact
from tiergate.cache_settings import EdgeStore
from tiergate.config_check import check_config
from tiergate.defects import Defect, Severity, error, from_error, warning
from tiergate.errors import ArtifactError, ConfigurationError
from tiergate.policy.domain_heads import DomainHeads
from tiergate.policy.experiment import apply_overrides
from tiergate.policy.gate_calibration import GateCalibration
from tiergate.proxy_config import ProxyConfig, read_proxy_config
from tiergate.settings import Encoder, Policy, read_policy

TESTED_LITELLM = "1.106."
REFUSED_LITELLM = frozenset({"1.107.0"})
CACHE_PROVIDER_PREFIX = "tiergate/"
"""`litellm_params.model` of the cache's model group begins with this."""

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pack:
    """A policy checked against its config.yaml, with the artifact, the gate's calibration and the domains it names."""

    policy: Policy
    artifact: Artifact
    cache_group: str | None
    gate_calibration: GateCalibration | None = None
    domain_heads: DomainHeads | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PackReport:
    """What the checks found.

    Attributes:
        pack: The pack; None when there is an error.
        defects: Errors first, then warnings, each in the order of the checks.
    """

    pack: Pack | None
    defects: tuple[Defect, ...] = field(default=())

    @property
    def errors(self) -> tuple[Defect, ...]:
        """What stops start-up."""
        return tuple(defect for defect in self.defects if defect.severity is Severity.ERROR)

    @property
    def warnings(self) -> tuple[Defect, ...]:
        """What does not."""
        return tuple(defect for defect in self.defects if defect.severity is Severity.WARNING)


def load_pack(policy_path: Path, config_path: Path | None) -> Pack:
    """Read policy, config and artifact and check them against each other; log the warnings.

    Args:
        policy_path: policy.yaml.
        config_path: LiteLLM's config.yaml; None when unknown, then model groups are not checked.

    Raises:
        ConfigurationError: Names file, key and fix. Further errors are logged.
    """
    report = check_pack(policy_path, config_path)
    for defect in report.warnings:
        _logger.warning("%s", defect)
    for defect in report.errors[1:]:
        _logger.error("%s", defect)
    if report.pack is None:
        raise report.errors[0].to_error()
    return report.pack


def check_pack(
    policy_path: Path,
    config_path: Path | None,
    *,
    environ: Mapping[str, str] | None = None,
    litellm_version: str | None = None,
) -> PackReport:
    """Run every check and collect what it finds; raise nothing.

    Args:
        policy_path: policy.yaml.
        config_path: LiteLLM's config.yaml; None when unknown.
        environ: Where `os.environ/NAME` is looked up; the process environment by default.
        litellm_version: The installed one by default.
    """
    policy, errors = read_policy(policy_path, environ)
    defects = [from_error(exc) for exc in errors]
    config = None if config_path is None else read_proxy_config(config_path)
    defects += _check_litellm_version(config_path or policy_path, litellm_version)
    if config is not None:
        defects += check_config(config, policy, policy_path=policy_path, environ=environ)
    artifact = calibration = heads = None
    if policy is not None:
        artifact, found = _read_artifact(policy, policy_path)
        calibration, also_found = read_gate_calibration(policy, policy_path)
        defects += [*found, *also_found]
        if artifact is not None and not found:
            heads, found = read_domain_heads(policy, artifact, policy_path)
            defects += found
        for check in _POLICY_CHECKS:
            defects += check(policy, policy_path)
    defects.sort(key=lambda defect: defect.severity is Severity.WARNING)
    if policy is None or artifact is None or any(defect.severity is Severity.ERROR for defect in defects):
        return PackReport(pack=None, defects=tuple(defects))
    pack = Pack(
        policy=policy,
        artifact=artifact,
        cache_group=find_cache_group(config),
        gate_calibration=calibration,
        domain_heads=heads,
    )
    return PackReport(pack=pack, defects=tuple(defects))


def find_cache_group(config: ProxyConfig | None) -> str | None:
    """Return the model group that serves stored answers; None when there is none or no config."""
    if config is None:
        return None
    return next((item.group for item in config.deployments if item.model.startswith(CACHE_PROVIDER_PREFIX)), None)


def artifact_path(policy: Policy) -> Path:
    """Return the folder of the artifact that policy names."""
    source = policy.intent_router.classifier.artifact
    return builtin_artifact_path() if source == "builtin" else Path(source)


def _check_litellm_version(path: Path, installed: str | None) -> list[Defect]:
    if installed is None:
        try:
            installed = version("litellm")
        except PackageNotFoundError:
            return [error(path, "", "litellm is not installed", "pip install 'litellm[proxy]'")]
    if installed in REFUSED_LITELLM:
        problem = f"the installed litellm {installed} was a compromised release"
        return [error(path, "", problem, f"install litellm {TESTED_LITELLM}x and renew every key it could read")]
    if not installed.startswith(TESTED_LITELLM):
        problem = f"tiergate is tested with litellm {TESTED_LITELLM}x, and {installed} is installed"
        return [warning(path, "", problem, f"install litellm {TESTED_LITELLM}x, or test your requests first")]
    return []


def _read_artifact(policy: Policy, policy_path: Path) -> tuple[Artifact | None, list[Defect]]:
    try:
        artifact = load_artifact(artifact_path(policy))
    except ArtifactError as exc:
        return None, [from_error(exc)]
    return artifact, [*_check_artifact(policy, artifact, policy_path), *_check_encoder(policy, artifact, policy_path)]


def _check_artifact(policy: Policy, artifact: Artifact, policy_path: Path) -> list[Defect]:
    found = []
    for domain, override in policy.domains.items():
        if domain not in artifact.domains and not override.has_examples:
            problem = f"the classifier artifact does not know the domain {domain!r}"
            fix = f"use one of: {', '.join(artifact.domains)}; or give it `examples:`, 10 prompts or more"
            found.append(error(policy_path, f"domains.{domain}", problem, fix))
    for place, tier in enumerate(policy.tiers):
        if tier.name not in artifact.tiers:
            problem = f"the classifier artifact does not know the tier {tier.name!r}"
            fix = f"use one of: {', '.join(artifact.tiers)}; or train an artifact with that tier"
            found.append(error(policy_path, f"tiers[{place}].name", problem, fix))
    known = [name for name in policy.tier_names if name in artifact.tiers]
    if known != sorted(known, key=artifact.tiers.index):
        problem = f"the order {', '.join(known)} is not the artifact's, which is cheapest first"
        found.append(error(policy_path, "tiers", problem, f"order them {', '.join(artifact.tiers)}"))
    return found


def encoder_digest(settings: Encoder) -> str:
    """Return the digest of the encoder that policy names, without loading its model.

    Raises:
        ArtifactError: The encoder's folder is missing or torn.
    """
    if settings.kind == "openai":
        return digest_openai_encoder(settings.base_url or "", settings.model or "", settings.dimensions or 0)
    return load_encoder_folder(settings.path or builtin_encoder()).digest


def _check_encoder(policy: Policy, artifact: Artifact, policy_path: Path) -> list[Defect]:
    settings, trained = policy.encoder, artifact.manifest.encoder
    fix = "use the encoder that the artifact was trained with, or train an artifact on this one"
    try:
        digest = encoder_digest(settings)
    except ConfigurationError as exc:
        return [from_error(exc)]
    if digest != trained.digest:
        problem = f"is encoder {digest[:12]}, the classifier artifact was trained on {trained.digest[:12]}"
        return [error(policy_path, "encoder", problem, fix)]
    return []


def _check_store(policy: Policy, policy_path: Path) -> list[Defect]:
    store, key = policy.semantic_cache.store, "semantic_cache.store"
    if not policy.semantic_cache.enabled:
        return []
    if not isinstance(store, EdgeStore):
        if store.url.startswith(("http://", "https://")):
            return []
        return [error(policy_path, f"{key}.url", f"{store.url!r} is no address", "write https://HOST:6333")]
    blocked = _blocked_folder(store.path)
    if blocked is None:
        return []
    return [
        error(policy_path, f"{key}.path", f"{blocked} is a file, not a folder", "name a folder, or remove the file")
    ]


def _check_decision_log(policy: Policy, policy_path: Path) -> list[Defect]:
    key = "decision_log.url"
    try:
        path = find_sqlite_path(parse_url(policy.decision_log.url))
    except ValueError as exc:
        fix = "write sqlite:///./data/decisions.db or postgresql+asyncpg://USER@HOST/DATABASE"
        return [error(policy_path, key, f"the URL cannot be used: {exc}", fix)]
    if path is None:
        return []
    blocked = _blocked_folder(path.parent)
    if blocked is not None:
        return [error(policy_path, key, f"{blocked} is a file, not a folder", "name another file, or remove that one")]
    if path.is_dir():
        return [error(policy_path, key, f"{path} is a folder, not a file", "name a file in it")]
    return []


def _blocked_folder(folder: Path) -> Path | None:
    """Return the part of a path that is there and no folder; None when a folder can be there."""
    for part in (folder, *folder.parents):
        if part.exists():
            return None if part.is_dir() else part
    return None


def _check_twins(policy: Policy, policy_path: Path) -> list[Defect]:
    found = []
    for place, tier in enumerate(policy.tiers):
        for earlier in policy.tiers[:place]:
            if (tier.model_group, tier.params) == (earlier.model_group, earlier.params):
                problem = f"tiers {earlier.name!r} and {tier.name!r} both name {tier.model_group!r}"
                fix = "give each tier a model group of its own, or other params"
                found.append(error(policy_path, f"tiers[{place}].model_group", problem, fix))
    if policy.baseline != policy.strongest_tier:
        problem = f"{policy.baseline!r} is not the strongest tier, so a stronger one counts as a loss"
        found.append(warning(policy_path, "baseline_tier", problem, f"use {policy.strongest_tier}, unless it is meant"))
    return found


def _check_experiments(policy: Policy, policy_path: Path) -> list[Defect]:
    found = []
    for place, experiment in enumerate(policy.experiments):
        for arm, overrides in experiment.arms.items():
            try:
                apply_overrides(policy, overrides)
            except ValueError as exc:
                key = f"experiments[{place}].arms.{arm}"
                found.append(
                    error(
                        policy_path,
                        key,
                        str(exc),
                        "use dotted keys of policy.yaml, such as confidence_gate.escalate_below",
                    )
                )
    return found


_POLICY_CHECKS: tuple[Callable[[Policy, Path], list[Defect]], ...] = (
    _check_store,
    _check_decision_log,
    _check_twins,
    _check_experiments,
)
