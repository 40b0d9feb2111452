"""LiteLLM's config.yaml and its includes, read for checks: every defect is collected, none is raised."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from tiergate.defects import Defect, error, from_error, warning
from tiergate.errors import PolicyError
from tiergate.yaml_file import load_mapping

SECTIONS = ("litellm_settings", "router_settings", "general_settings", "environment_variables")
"""Sections of config.yaml that must be mappings."""

FALLBACK_KEYS = ("fallbacks", "context_window_fallbacks", "content_policy_fallbacks")

_READ_KEYS: Mapping[str, tuple[str, ...]] = {
    "": ("model_list", "include", *SECTIONS),
    "litellm_settings": ("callbacks", "custom_provider_map", "drop_params", "request_timeout", *FALLBACK_KEYS),
    "router_settings": (
        "num_retries",
        "timeout",
        "stream_timeout",
        "allowed_fails",
        "cooldown_time",
        "routing_strategy",
        "max_fallbacks",
        *FALLBACK_KEYS,
    ),
    "general_settings": ("master_key", "database_url"),
}
_NUMBERS = ("num_retries", "timeout", "stream_timeout", "allowed_fails", "cooldown_time", "max_fallbacks")
_PRICE_KEYS = ("input_cost_per_token", "output_cost_per_token")
_SECRET = re.compile(r"^(sk-|AIza|gsk_|AKIA|xai-)[A-Za-z0-9_-]{12,}")
_WRONG_REFERENCE = re.compile(r"^(\$\{?|os\.environ\.|os\.environ\[|env/|environ/|ENV\[)\w")
_WELL_KNOWN_KEYS = frozenset({"sk-1234", "sk-12345", "sk-123456", "changeme", "password"})
_DEPLOYMENT_FIX = "write `- model_name: NAME` with `litellm_params: {model: PROVIDER/MODEL}`"


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """One entry of a model_list.

    Attributes:
        group: Its model group, `model_name`.
        model: `litellm_params.model`.
        params: `litellm_params`.
        info: `model_info`.
        file: The file it stands in.
        key: Its place in that file, such as `model_list[0]`.
    """

    group: str
    model: str
    params: Mapping[str, Any]
    info: Mapping[str, Any]
    file: Path
    key: str

    @property
    def provider(self) -> str:
        """Who serves it: provider of the model name, and the address where the config gives one."""
        name = self.model.partition("/")[0] if "/" in self.model else self.model
        return f"{name} {self.params.get('api_base', '')}".strip()

    @property
    def price(self) -> tuple[float, float] | None:
        """USD per token of prompt and answer as the config says; None where it does not."""
        found = [self.info.get(key, self.params.get(key)) for key in _PRICE_KEYS]
        if any(isinstance(value, bool) or not isinstance(value, int | float) for value in found):
            return None
        return float(found[0]), float(found[1])


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyConfig:
    """What a config.yaml says, as far as it could be read.

    Attributes:
        path: config.yaml.
        deployments: Entries of model_list, those of includes after its own.
        sections: The sections of `SECTIONS`; {} where one is missing or no mapping.
        references: Names of the environment variables it refers to, with the place of the first reference.
        defects: What is wrong with the files themselves.
    """

    path: Path
    deployments: tuple[Deployment, ...]
    sections: Mapping[str, Mapping[str, Any]]
    references: Mapping[str, tuple[Path, str]]
    defects: tuple[Defect, ...]

    @property
    def groups(self) -> Mapping[str, tuple[Deployment, ...]]:
        """Deployments by model group."""
        groups: dict[str, tuple[Deployment, ...]] = {}
        for deployment in self.deployments:
            groups[deployment.group] = (*groups.get(deployment.group, ()), deployment)
        return groups

    def fallbacks(self, kind: str = "fallbacks") -> Mapping[str, tuple[str, ...]]:
        """Return whom each model group falls back to; entries of another shape are left out."""
        found: dict[str, tuple[str, ...]] = {}
        for section in ("litellm_settings", "router_settings"):
            entries = self.sections.get(section, {}).get(kind)
            for entry in entries if isinstance(entries, list) else ():
                for group, targets in entry.items() if isinstance(entry, dict) else ():
                    if isinstance(targets, list) and all(isinstance(name, str) for name in targets):
                        found[str(group)] = (*found.get(str(group), ()), *targets)
        return found


def read_proxy_config(path: Path) -> ProxyConfig:
    """Read a config.yaml and its includes; whatever is wrong with them is in `defects`."""
    defects: list[Defect] = []
    raw = _load(path, "correct the path", defects)
    defects += _misspelt(path, "", raw)
    sections: dict[str, Mapping[str, Any]] = {}
    for name in SECTIONS:
        value = raw.get(name)
        if value is not None and not isinstance(value, dict):
            defects.append(error(path, name, f"is {value!r:.80}, not a mapping", "write keys and values under it"))
        sections[name] = value if isinstance(value, dict) else {}
        if name in _READ_KEYS:
            defects += _misspelt(path, name, sections[name])
    deployments = _read_deployments(path, raw.get("model_list"), defects)
    references = dict(_references(path, "", raw))
    for place, entry in enumerate(_includes(path, raw.get("include"), defects)):
        included = _read_include(path, f"include[{place}]", path.parent / entry, defects)
        deployments += included[0]
        references = {**included[1], **references}
    if raw and not deployments and not any(defect.key.startswith(("model_list", "include")) for defect in defects):
        defects.append(error(path, "model_list", "holds no model", _DEPLOYMENT_FIX))
    defects += [*_router_defects(path, sections["router_settings"]), *_fallback_shapes(path, sections)]
    if raw:
        defects += _master_key_defects(path, sections["general_settings"])
    return ProxyConfig(
        path=path, deployments=tuple(deployments), sections=sections, references=references, defects=tuple(defects)
    )


def _load(path: Path, absent_fix: str, defects: list[Defect]) -> Mapping[str, Any]:
    try:
        return load_mapping(path, absent_fix=absent_fix, empty_fix="start from `tiergate init`")
    except PolicyError as exc:
        defects.append(from_error(exc))
        return {}


def _misspelt(path: Path, section: str, keys: Mapping[str, Any]) -> list[Defect]:
    """Find keys that are nearly one that tiergate or the pack relies on. Other keys are LiteLLM's business."""
    known = _READ_KEYS[section]
    found = []
    for key in keys:
        near = get_close_matches(key, known, n=1, cutoff=0.85) if key not in known else []
        if near and near[0] not in keys:
            where = f"{section}.{key}" if section else key
            found.append(error(path, where, "is not a key that LiteLLM knows", f"write `{near[0]}`"))
    return found


def _includes(path: Path, value: Any, defects: list[Defect]) -> list[str]:
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        defects.append(error(path, "include", f"is {value!r:.80}, not a list of files", "write `include: [FILE, …]`"))
        return []
    return value


def _read_include(
    root: Path, key: str, path: Path, defects: list[Defect]
) -> tuple[list[Deployment], dict[str, tuple[Path, str]]]:
    if not path.is_file():
        defects.append(error(root, key, f"names {path}, which is no file", "correct the path or remove the line"))
        return [], {}
    raw = _load(path, "make the file readable", defects)
    for other in raw:
        if other != "model_list":
            problem = "stands in an included file, whose sections replace those of config.yaml as a whole"
            defects.append(error(path, other, problem, f"move it to {root}; keep model_list only"))
    if raw and not raw.get("model_list"):
        defects.append(error(path, "model_list", "holds no model", _DEPLOYMENT_FIX))
    return _read_deployments(path, raw.get("model_list"), defects), dict(_references(path, "", raw))


def _read_deployments(path: Path, value: Any, defects: list[Defect]) -> list[Deployment]:
    if value is None:
        return []
    if not isinstance(value, list):
        defects.append(error(path, "model_list", f"is {value!r:.80}, not a list", _DEPLOYMENT_FIX))
        return []
    deployments = []
    for place, item in enumerate(value):
        key = f"model_list[{place}]"
        problem = _deployment_problem(item)
        if problem is not None:
            defects.append(error(path, f"{key}{problem[0]}", problem[1], problem[2]))
            continue
        deployment = Deployment(
            group=item["model_name"],
            model=item["litellm_params"]["model"],
            params=item["litellm_params"],
            info=item.get("model_info") or {},
            file=path,
            key=key,
        )
        defects += [*_price_defects(deployment), *_key_defects(deployment)]
        deployments.append(deployment)
    return deployments


def _deployment_problem(item: Any) -> tuple[str, str, str] | None:
    """Return what breaks an entry: key after the entry's own, problem, fix."""
    if not isinstance(item, dict):
        return "", f"is {item!r:.80}, not a mapping", _DEPLOYMENT_FIX
    if not isinstance(item.get("model_name"), str) or not item["model_name"]:
        return ".model_name", "is missing or no text", _DEPLOYMENT_FIX
    params = item.get("litellm_params")
    if not isinstance(params, dict):
        return ".litellm_params", "is missing or no mapping", _DEPLOYMENT_FIX
    if not isinstance(params.get("model"), str) or not params["model"]:
        return ".litellm_params.model", "is missing or no text", _DEPLOYMENT_FIX
    if not isinstance(item.get("model_info") or {}, dict):
        return ".model_info", "is no mapping", "write keys and values, such as `id: NAME`"
    return None


def _price_defects(deployment: Deployment) -> list[Defect]:
    found = []
    for section, values in (("model_info", deployment.info), ("litellm_params", deployment.params)):
        for name in _PRICE_KEYS:
            value = values.get(name)
            if value is None:
                continue
            where = f"{deployment.key}.{section}.{name}"
            if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
                fix = "write USD per token, such as 0.000003 (not 3e-6: YAML reads that as text)"
                found.append(error(deployment.file, where, f"is {value!r}, not a number from 0 on", fix))
            elif value >= 0.1:  # noqa: PLR2004  no model costs that; the number is per million
                fix = "divide it by 1000000"
                found.append(error(deployment.file, where, f"is {value!r} USD for one token", fix))
    return found


def _key_defects(deployment: Deployment) -> list[Defect]:
    found = []
    for name, value in deployment.params.items():
        if not isinstance(value, str):
            continue
        where = f"{deployment.key}.litellm_params.{name}"
        if _WRONG_REFERENCE.match(value):
            found.append(
                error(deployment.file, where, f"refers to the environment as {value!r}", "write os.environ/NAME")
            )
        elif _SECRET.match(value):
            fix = "put the key in the environment and write os.environ/NAME"
            found.append(error(deployment.file, where, "holds a secret in plain text", fix))
    return found


def _references(path: Path, key: str, value: Any) -> list[tuple[str, tuple[Path, str]]]:
    """Return the environment variables that a document refers to, the first place last."""
    if isinstance(value, dict):
        parts = [(f"{key}.{name}" if key else str(name), item) for name, item in value.items()]
    elif isinstance(value, list):
        parts = [(f"{key}[{place}]", item) for place, item in enumerate(value)]
    elif isinstance(value, str) and value.startswith("os.environ/"):
        return [(value.removeprefix("os.environ/"), (path, key))]
    else:
        return []
    return [found for name, item in reversed(parts) for found in _references(path, name, item)]


def _router_defects(path: Path, router: Mapping[str, Any]) -> list[Defect]:
    return [
        error(path, f"router_settings.{name}", f"is {router[name]!r}, not a number from 0 on", "write a number")
        for name in _NUMBERS
        if router.get(name) is not None
        and (isinstance(router[name], bool) or not isinstance(router[name], int | float) or router[name] < 0)
    ]


def _fallback_shapes(path: Path, sections: Mapping[str, Mapping[str, Any]]) -> list[Defect]:
    found = []
    for section in ("litellm_settings", "router_settings"):
        for kind in FALLBACK_KEYS:
            entries = sections[section].get(kind)
            if entries is not None and not _is_fallback_list(entries):
                fix = "write a list such as `- tier-simple: [tier-simple-alt]`"
                found.append(error(path, f"{section}.{kind}", f"is {entries!r:.80}", fix))
    return found


def _is_fallback_list(entries: Any) -> bool:
    return isinstance(entries, list) and all(
        isinstance(entry, dict) and all(_is_name_list(targets) for targets in entry.values()) for entry in entries
    )


def _is_name_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str) and all(isinstance(v, str) for v in value)


def _master_key_defects(path: Path, general: Mapping[str, Any]) -> list[Defect]:
    key, where, fix = general.get("master_key"), "general_settings.master_key", "write os.environ/LITELLM_MASTER_KEY"
    if key is None:
        return [warning(path, where, "is not set, so anyone may call the proxy", fix)]
    if not isinstance(key, str) or key in _WELL_KNOWN_KEYS:
        return [error(path, where, "is a well-known key, which LiteLLM refuses, or no text", fix)]
    if _WRONG_REFERENCE.match(key):
        return [error(path, where, f"refers to the environment as {key!r}", fix)]
    if not key.startswith("os.environ/"):
        return [warning(path, where, "stands in the file in plain text", fix)]
    return []
