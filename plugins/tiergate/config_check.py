"""Checks of LiteLLM's config.yaml: what tiergate needs of it, and whether it fits the policy."""

import os
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from itertools import pairwise
from math import isclose
from pathlib import Path
from typing import Any

from tiergate.defects import Defect, error, from_error, warning
from tiergate.model_prices import find_map_price
from tiergate.proxy_config import FALLBACK_KEYS, Deployment, ProxyConfig
from tiergate.settings import Policy, find_missing_groups

CALLBACK = "tiergate.callbacks.tiergate"
CACHE_HANDLER = "tiergate.callbacks.cache_provider"
PROVIDER = "tiergate"
_PACKAGE = "tiergate"


def check_config(
    config: ProxyConfig, policy: Policy | None, *, policy_path: Path, environ: Mapping[str, str] | None = None
) -> list[Defect]:
    """Return every defect of a config, alone and against its policy.

    Args:
        config: What was read.
        policy: The policy; None when it is itself broken, then only the config is checked.
        policy_path: policy.yaml, for messages.
        environ: Where referenced variables are looked up; the process environment by default.
    """
    found = [*config.defects, *_check_shadow(config.path.parent)]
    if any(defect.file == str(config.path) and not defect.key for defect in config.defects):
        return found  # the file could not be read: nothing below would be true
    groups = frozenset(config.groups)
    if policy is not None:
        missing = find_missing_groups(policy, groups, policy_path=policy_path, config_path=config.path)
        found += [from_error(exc) for exc in missing]
    found += [*_check_callbacks(config), *_check_fallbacks(config), *_check_duplicate_ids(config)]
    found += _check_environment(config, os.environ if environ is None else environ)
    if policy is None:
        return found
    if policy.semantic_cache.enabled:
        found += _check_cache_group(config, policy, policy_path)
    present = [tier for tier in policy.tiers if tier.model_group in groups]
    for tier in present:
        found += _check_providers(config, tier.model_group)
    found += _check_prices(config, [tier.model_group for tier in present])
    return found


def _check_shadow(folder: Path) -> list[Defect]:
    """LiteLLM looks for `tiergate/callbacks.py` beside config.yaml before it asks for the installed package."""
    found = []
    for name in (_PACKAGE, f"{_PACKAGE}.py"):
        if (folder / name).exists():
            problem = f"LiteLLM would load this instead of the installed package {_PACKAGE}"
            found.append(error(folder / name, "", problem, "rename it or move it out of this folder"))
    return found


def _check_callbacks(config: ProxyConfig) -> list[Defect]:
    value = config.sections["litellm_settings"].get("callbacks")
    names = [value] if isinstance(value, str) else value
    where, fix = "litellm_settings.callbacks", f"write `callbacks: [{CALLBACK}]`"
    if names is None:
        return [error(config.path, where, "is missing, so LiteLLM would not load tiergate", fix)]
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        return [error(config.path, where, f"is {value!r:.80}, not a list of names", fix)]
    if CALLBACK in names:
        if names.count(CALLBACK) > 1:
            return [error(config.path, where, f"names {CALLBACK} twice, so each hook would run twice", fix)]
        strangers = [name for name in names if name != CALLBACK and name.startswith(f"{_PACKAGE}.")]
        return [error(config.path, where, f"{name!r} is no callback of tiergate", fix) for name in strangers]
    near = [name for name in names if "tiergate" in name] or get_close_matches(CALLBACK, names, n=1)
    problem = f"names {near[0]!r}, which is not tiergate's callback" if near else "does not name tiergate"
    return [error(config.path, where, problem, fix)]


def _check_cache_group(config: ProxyConfig, policy: Policy, policy_path: Path) -> list[Defect]:
    serving = [item for item in config.deployments if item.model.startswith(f"{PROVIDER}/")]
    if not serving:
        problem = "has no model group for stored answers, and policy.yaml enables semantic_cache"
        fix = "add `model_name: tier-cache` with `litellm_params: {model: tiergate/cache}`, and custom_provider_map"
        return [error(config.path, "model_list", problem, fix), *_check_provider_map(config)]
    found = _check_provider_map(config)
    group = serving[0].group
    if len(config.groups[group]) > 1:
        key = config.groups[group][1].key
        problem = f"is a second deployment of {group!r}, so some hits would be sent to a model"
        found.append(error(config.path, key, problem, "give it another model_name"))
    for name in (price for price in (serving[0].price,) if price is not None and max(price) > 0):
        found.append(error(serving[0].file, serving[0].key, f"a stored answer costs nothing, not {name}", "write 0"))
    for place, tier in enumerate(policy.tiers):
        if tier.model_group == group:
            problem = f"{group!r} serves stored answers only, so it cannot be a tier"
            found.append(error(policy_path, f"tiers[{place}].model_group", problem, "name a group of real models"))
    for place, entry in enumerate(policy.entry_models):
        if entry == group:
            problem = f"{group!r} serves stored answers only, so clients cannot enter by it"
            found.append(error(policy_path, f"entry_models[{place}]", problem, "name a group of real models"))
    return found


def _check_provider_map(config: ProxyConfig) -> list[Defect]:
    entries = config.sections["litellm_settings"].get("custom_provider_map")
    where = "litellm_settings.custom_provider_map"
    fix = f"write `- {{provider: {PROVIDER}, custom_handler: {CACHE_HANDLER}}}` under it"
    if entries is None:
        return [error(config.path, where, "is missing, so stored answers could not be served", fix)]
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        return [error(config.path, where, f"is {entries!r:.80}, not a list of mappings", fix)]
    ours = [entry for entry in entries if entry.get("provider") == PROVIDER]
    if not ours:
        return [error(config.path, where, f"does not name the provider {PROVIDER!r}", fix)]
    handler = ours[0].get("custom_handler")
    if handler != CACHE_HANDLER:
        return [error(config.path, f"{where}.custom_handler", f"is {handler!r}, not {CACHE_HANDLER!r}", fix)]
    return []


def _check_fallbacks(config: ProxyConfig) -> list[Defect]:
    found = []
    groups = config.groups
    known = f"use one of: {', '.join(sorted(groups)) or 'none'}"
    for kind in FALLBACK_KEYS:
        where = f"router_settings.{kind}"
        for group, targets in config.fallbacks(kind).items():
            missing = [name for name in (group, *targets) if name not in groups and name != "*"]
            found += [error(config.path, f"{where}.{group}", f"{name!r} is no model group", known) for name in missing]
        cycle = _find_cycle(config.fallbacks(kind))
        if cycle:
            problem = f"{' -> '.join(cycle)} is a cycle, so a failing provider is asked again"
            found.append(error(config.path, f"{where}.{cycle[0]}", problem, "remove one of these fallbacks"))
    return found


def _find_cycle(edges: Mapping[str, Iterable[str]]) -> list[str]:
    """Return one cycle, first name repeated at the end; [] when there is none."""
    done: set[str] = set()

    def visit(name: str, trail: list[str]) -> list[str]:
        if name in trail:
            return [*trail[trail.index(name) :], name]
        if name in done:
            return []
        for target in edges.get(name, ()):
            if cycle := visit(target, [*trail, name]):
                return cycle
        done.add(name)
        return []

    return next((cycle for name in edges if (cycle := visit(name, []))), [])


def _check_environment(config: ProxyConfig, environ: Mapping[str, str]) -> list[Defect]:
    return [
        warning(path, key, f"the environment variable {name} is not set", f"set {name} before the proxy starts")
        for name, (path, key) in sorted(config.references.items())
        if name not in environ
    ]


def _check_duplicate_ids(config: ProxyConfig) -> list[Defect]:
    seen: dict[Any, Deployment] = {}
    found = []
    for item in config.deployments:
        name = item.info.get("id")
        if name is None:
            continue
        if name in seen:
            problem = f"{name!r} stands at {seen[name].key} too, so LiteLLM would keep one of the two"
            found.append(error(item.file, f"{item.key}.model_info.id", problem, "give each deployment its own id"))
        seen[name] = item
    return found


def _check_providers(config: ProxyConfig, group: str) -> list[Defect]:
    """Warn of a tier that goes down with one provider."""
    names = [group, *config.fallbacks().get(group, ())]
    providers = {item.provider for name in names for item in config.groups.get(name, ())}
    if len(providers) > 1:
        return []
    problem = f"single provider: {group!r} and its fallbacks are all served by {', '.join(providers) or 'nobody'}"
    fix = f"add a deployment of another provider to {group}, or a fallback `- {group}: [{group}-alt]`"
    return [warning(config.path, f"model_list.{group}", problem, fix)]


def _check_prices(config: ProxyConfig, tier_groups: list[str]) -> list[Defect]:
    """Warn of missing and stale prices, and of prices that do not rise with the tiers."""
    found = []
    used = {name for group in tier_groups for name in (group, *config.fallbacks().get(group, ()))}
    for item in config.deployments:
        if item.group not in used:
            continue
        known = find_map_price(item)
        where = f"{item.key}.model_info.input_cost_per_token"
        if item.price is None and known is None:
            problem = f"{item.model!r} has no price here or in LiteLLM's map, so cost and savings cannot be told"
            found.append(warning(item.file, where, problem, "write input_cost_per_token and output_cost_per_token"))
        elif _is_stale(item, known):
            problem = f"{_per_million(item.price)} is written, LiteLLM's map says {_per_million(known)}"
            found.append(warning(item.file, where, problem, "correct it, or remove both keys to use the map"))
    firsts = [(group, _first_price(config.groups[group])) for group in tier_groups]
    priced = [(group, price) for group, price in firsts if price is not None]
    for (cheaper, low), (dearer, high) in pairwise(priced):
        if sum(high) < sum(low):
            problem = f"{dearer!r} ({_per_million(high)}) costs less than {cheaper!r} ({_per_million(low)})"
            fix = "order the tiers cheapest first, or use the cheaper model in both"
            found.append(warning(config.path, f"model_list.{dearer}", problem, fix))
    return found


def _is_stale(item: Deployment, known: tuple[float, float] | None) -> bool:
    """Whether the map has another price. A model behind an own address has its own price."""
    return (
        item.price is not None and known is not None and "api_base" not in item.params and not _alike(item.price, known)
    )


def _alike(price: tuple[float, float], known: tuple[float, float]) -> bool:
    return all(isclose(a, b, rel_tol=0.01) for a, b in zip(price, known, strict=True))


def _first_price(deployments: Iterable[Deployment]) -> tuple[float, float] | None:
    prices = (item.price or find_map_price(item) for item in deployments)
    return next((price for price in prices if price is not None), None)


def _per_million(price: tuple[float, float] | None) -> str:
    if price is None:
        return "no price"
    return " / ".join(f"{value * 1e6:g}" for value in price) + " USD per million tokens"
