"""Writes a config pack for a choice of providers, from the production pack that ships with tiergate."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from typing_extensions import override

from tiergate.errors import TiergateError
from tiergate.pack import locate_pack
from tiergate.proxy_config import read_proxy_config

DEFAULT_PROVIDERS = ("deepseek", "openai", "anthropic")
TIERS = ("simple", "medium", "frontier")
_PLAIN_FILES = ("policy.schema.json",)


class PackWriteError(TiergateError):
    """A pack cannot be written as asked for; the message says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """A provider of the pack.

    Attributes:
        name: Stem of its file in models/.
        variables: Environment variables that its file refers to.
        models: Entries of its model_list.
    """

    name: str
    variables: tuple[str, ...]
    models: tuple[Mapping[str, Any], ...]

    def is_found(self, environ: Mapping[str, str]) -> bool:
        """Whether every variable is set."""
        return all(environ.get(name) for name in self.variables)


def load_providers() -> dict[str, Provider]:
    """Return the providers of the pack by name, in alphabetical order."""
    providers = {}
    for path in sorted((locate_pack("models")).glob("*.yaml")):
        config = read_proxy_config(path)
        models = yaml.safe_load(path.read_text(encoding="utf-8"))["model_list"]
        providers[path.stem] = Provider(
            name=path.stem, variables=tuple(sorted(config.references)), models=tuple(models)
        )
    return providers


def write_pack(folder: Path, providers: Sequence[Provider]) -> tuple[str, ...]:
    """Write policy.yaml, config.yaml and models/ into a folder that is missing or empty.

    The first entry of a tier becomes `tier-NAME`, those of other providers `tier-NAME-alt`, its fallback. An entry
    whose group in the pack has no `-alt` goes before one that has. A tier that no provider serves is left out.

    Args:
        folder: Where to write; its parents are made.
        providers: In order of preference.

    Returns:
        Names of the tiers written, cheapest first.

    Raises:
        PackWriteError: The folder has files, or the providers serve fewer than two tiers.
    """
    if folder.is_dir() and any(folder.iterdir()):
        raise PackWriteError(f"{folder} has files in it, and init never overwrites. Fix: name another folder")
    if folder.exists() and not folder.is_dir():
        raise PackWriteError(f"{folder} is a file. Fix: name another folder")
    groups = _assign_groups(providers)
    tiers = tuple(tier for tier in TIERS if f"tier-{tier}" in groups.values())
    if len(tiers) < 2:  # noqa: PLR2004  a policy needs two
        names = ", ".join(provider.name for provider in providers)
        raise PackWriteError(
            f"{names} serves only the tier {', '.join(tiers) or 'none'}, and two are needed. "
            "Fix: add a provider, such as `--provider openai`"
        )
    source = locate_pack()
    (folder / "models").mkdir(parents=True, exist_ok=True)
    for provider in providers:
        header = _comment(source / "models" / f"{provider.name}.yaml")
        entries = [{**entry, "model_name": groups[_id(entry)]} for entry in provider.models]
        (folder / "models" / f"{provider.name}.yaml").write_text(header + _dump({"model_list": entries}), "utf-8")
    config = (source / "config.yaml").read_text(encoding="utf-8")
    for key, text in _config_blocks(providers, groups, tiers).items():
        config = replace_block(config, key, text)
    (folder / "config.yaml").write_text(config, encoding="utf-8")
    (folder / "policy.yaml").write_text(_policy_text(source / "policy.yaml", tiers), encoding="utf-8")
    for name in _PLAIN_FILES:
        shutil.copyfile(source / name, folder / name)
    return tiers


def replace_block(text: str, key: str, lines: str) -> str:
    """Replace a key of block style and everything indented under it; the key's own comment stays.

    Args:
        text: The YAML document.
        key: The key with its indentation, such as "include:" or "  fallbacks:".
        lines: What stands below the key instead; empty removes the key as well.
    """
    indent = len(key) - len(key.lstrip())
    kept: list[str] = []
    inside = False
    for line in text.splitlines():
        if line == key or line.startswith(f"{key} "):
            inside = True
            kept += [line, *lines.splitlines()] if lines else []
        elif not (inside and (not line.strip() or len(line) - len(line.lstrip()) > indent)):
            if inside and not indent:
                kept.append("")
            inside = False
            kept.append(line)
    return "\n".join(kept) + "\n"


def _assign_groups(providers: Sequence[Provider]) -> dict[str, str]:
    """Return the model group of each entry, by its id."""
    groups: dict[str, str] = {}
    for tier in TIERS:
        entries = [
            (provider.name, entry)
            for provider in providers
            for entry in provider.models
            if str(entry["model_name"]).removesuffix("-alt") == f"tier-{tier}"
        ]
        entries.sort(key=lambda item: str(item[1]["model_name"]).endswith("-alt"))
        for place, (name, entry) in enumerate(entries):
            first = place == 0 or name == entries[0][0]
            groups[_id(entry)] = f"tier-{tier}" if first else f"tier-{tier}-alt"
    return groups


def _config_blocks(providers: Sequence[Provider], groups: Mapping[str, str], tiers: tuple[str, ...]) -> dict[str, str]:
    """Return what stands below each key of config.yaml that depends on the choice."""
    models = {_id(entry): entry for provider in providers for entry in provider.models}
    strongest = next(name for name, group in groups.items() if group == f"tier-{tiers[-1]}")
    entry = {
        **models[strongest],
        "model_name": "auto",
        "model_info": {**models[strongest]["model_info"], "id": f"auto-{strongest}"},
    }
    cache = {"model": "tiergate/cache", "input_cost_per_token": 0, "output_cost_per_token": 0}
    model_list = [entry, {"model_name": "tier-cache", "litellm_params": cache}]
    pairs = [(f"tier-{tier}", f"tier-{tier}-alt") for tier in tiers if f"tier-{tier}-alt" in groups.values()]
    policy_pairs = "".join(f"    - {first}: [{second}]\n" for first, second in pairs)
    entry_pair = f"    - auto: [tier-{tiers[-1]}-alt]\n" if pairs and pairs[-1][0] == f"tier-{tiers[-1]}" else ""
    return {
        "include:": "".join(f"  - models/{provider.name}.yaml\n" for provider in providers),
        "model_list:": "".join(f"  {line}\n" for line in _dump(model_list).splitlines()),
        "  fallbacks:": entry_pair + policy_pairs,
        "  context_window_fallbacks:": "".join(f"    - tier-{tier}: [tier-{tiers[-1]}]\n" for tier in tiers[:-1]),
        "  content_policy_fallbacks:": policy_pairs,
    }


def _policy_text(path: Path, tiers: tuple[str, ...]) -> str:
    """Return the policy with the tiers that are there; the strongest takes baseline and domains."""
    text = path.read_text(encoding="utf-8")
    if tiers == TIERS:
        return text
    text = replace_block(text, "tiers:", "".join(f"  - {{name: {t}, model_group: tier-{t}}}\n" for t in tiers))
    return text.replace("baseline_tier: frontier", f"baseline_tier: {tiers[-1]}").replace(
        "start_tier: frontier", f"start_tier: {tiers[-1]}"
    )


def _id(entry: Mapping[str, Any]) -> str:
    return str(entry["model_info"]["id"])


def _comment(path: Path) -> str:
    """Return the comment lines that a file begins with."""
    lines = []
    for line in path.read_text(encoding="utf-8").splitlines(keepends=True):
        if not line.startswith("#"):
            break
        lines.append(line)
    return "".join(lines)


class _Plain(yaml.SafeDumper):
    """Dumper that writes entries out instead of referring to an earlier one, and prices as decimals."""

    @override
    def ignore_aliases(self, data: Any) -> bool:
        return True


def _represent_float(dumper: yaml.SafeDumper, value: float) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:float", f"{value:.12f}".rstrip("0"))


_Plain.add_representer(float, _represent_float)


def _dump(value: Any) -> str:
    text: str = yaml.dump(value, Dumper=_Plain, sort_keys=False, default_flow_style=False, width=1000)
    return text
