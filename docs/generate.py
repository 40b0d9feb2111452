"""Writes the reference pages and the schema of policy.yaml from the code.

python docs/generate.py [--check]: --check writes nothing and exits 1 when a file is stale.
"""

import argparse
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import typer.main
import yaml
from sizing_page import sizing_page

from tiergate.cli.main import app
from tiergate.cli.probe_file import ProbeFile, write_probe_schema
from tiergate.decisions import CacheOutcome, GateOutcome, HedgeOutcome, Reason, RouteOutcome
from tiergate.settings import Policy, write_policy_schema
from tiergate.telemetry.names import (
    DESCRIPTIONS,
    GATE_PENDING,
    SEMCONV_VERSION,
    UNITS,
    Attribute,
    Header,
    Label,
    Metric,
    Span,
)
from tiergate.telemetry.record import build_record_table

ROOT = Path(__file__).resolve().parents[1]
NOTE = "<!-- Written by docs/generate.py. Change the code, then run it again. -->\n\n"

HEADER_TEXT: Mapping[Header, tuple[str, str]] = {
    Header.DECISION_ID: ("id", "Names the decision: the row of the log, the span, the JSON line"),
    Header.TIER: ("name", "Tier that answered; on a stream, the tier routed to"),
    Header.CACHE: (", ".join(CacheOutcome), "What the semantic cache did"),
    Header.ROUTE_SCORE: ("probability", "P(the chosen tier's answer is good enough)"),
    Header.CONFIDENCE: ("probability", "P(the answer sent is good); absent without a signal and on a stream"),
    Header.GATE: (f"{', '.join(GateOutcome)}, {GATE_PENDING}", f"What the gate did; {GATE_PENDING} on a stream"),
    Header.COST_USD: ("USD", "All calls of the request together; absent on a stream and while a hedge still runs"),
    Header.SAVED_USD: ("USD", "Against the baseline tier; negative when dearer; absent where the cost is"),
    Header.EXPERIMENT: ("NAME=ARM", "Only for a request that takes part in an experiment"),
}


def pages() -> Mapping[Path, str]:
    """Return every generated file with its text."""
    reference = ROOT / "docs" / "reference"
    return {
        reference / "policy.md": policy_page(),
        reference / "headers.md": headers_page(),
        reference / "http.md": http_page(),
        ROOT / "docs" / "how-to" / "size.md": sizing_page(NOTE),
        reference / "record.md": record_page(),
        reference / "cli.md": cli_page(),
        reference / "probes.md": probes_page(),
        reference / "telemetry.md": telemetry_page(),
        ROOT / "docs" / "runbook.md": runbook_page(),
        ROOT / "litellm_config" / "policy.schema.json": write_policy_schema(),
        ROOT / "litellm_config" / "probes.schema.json": write_probe_schema(),
    }


def policy_page() -> str:
    """Return the page of policy.yaml."""
    schema = Policy.model_json_schema()
    text = f"# policy.yaml\n\n{NOTE}Unknown keys are errors. A value may be `os.environ/NAME`. "
    text += "`tiergate check DIR` validates the file; `policy.schema.json` beside it serves editors.\n\n"
    text += "| Key | Type | Default |\n|---|---|---|\n"
    return text + "".join(f"| `{key}` | {kind} | {default} |\n" for key, kind, default in _keys(schema, schema, ""))


def _keys(
    node: Mapping[str, Any], schema: Mapping[str, Any], prefix: str, variant: str = ""
) -> Iterator[tuple[str, str, str]]:
    required = node.get("required", ())
    for name, value in node.get("properties", {}).items():
        key = f"{prefix}{name}"
        if variant and name == "kind":  # said by the line of the variants
            continue
        default = "required" if name in required else _default(value)
        variants = [_resolve(item, schema) for item in value.get("oneOf", ())]
        inner = _resolve(value.get("items", value.get("additionalProperties", value)), schema)
        if variants:
            kinds = ", ".join(str(item["properties"]["kind"]["const"]) for item in variants)
            yield f"{key}.kind", kinds, _default_kind(variants)
            for item in variants:
                only = item["properties"]["kind"]["const"]
                yield from ((k, f"{t} (kind {only})", d) for k, t, d in _keys(item, schema, f"{key}.", only))
        elif isinstance(inner, dict) and inner.get("properties"):
            suffix = "[]." if value.get("type") == "array" else ".NAME." if "additionalProperties" in value else "."
            yield from _keys(inner, schema, f"{key}{suffix}")
        else:
            yield key, _kind(value, schema), default


def _resolve(node: Any, schema: Mapping[str, Any]) -> Any:
    if isinstance(node, dict):
        if "$ref" in node:
            return schema["$defs"][node["$ref"].rsplit("/", 1)[-1]]
        if "anyOf" in node:
            found = [item for item in node["anyOf"] if "$ref" in item]
            return _resolve(found[0], schema) if found else node
    return node


def _default(value: Mapping[str, Any]) -> str:
    default = value.get("default", "")
    if isinstance(default, dict) or default == "":
        return ""
    return "none" if default is None else f"`{str(default).lower() if isinstance(default, bool) else default}`"


def _default_kind(variants: list[Mapping[str, Any]]) -> str:
    return next(
        (f"`{item['properties']['kind']['default']}`" for item in variants if "default" in item["properties"]["kind"]),
        "",
    )


def _kind(value: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    """Return a schema's type in words, with its bounds."""
    if "enum" in value:
        return ", ".join(map(str, value["enum"]))
    if "const" in value:
        return str(value["const"])
    if "anyOf" in value:
        return ", ".join(_kind(item, schema) for item in value["anyOf"] if item.get("type") != "null")
    if value.get("type") == "array":
        return f"list of {_kind(value.get('items', {}), schema)}"
    bounds = {"minimum": "from", "exclusiveMinimum": "above", "maximum": "to", "exclusiveMaximum": "below"}
    limits = " ".join(f"{word} {value[name]:g}" for name, word in bounds.items() if name in value)
    kinds = {"string": "text", "object": "mapping", "boolean": "true, false"}
    kind = str(value.get("type", "any"))
    return f"{kinds.get(kind, kind)} {limits}".strip()


def headers_page() -> str:
    """Return the page of the response headers."""
    text = (
        f"# Response headers\n\n{NOTE}Every answer to an entry model carries them; one without a value is absent.\n\n"
    )
    text += "| Header | Values | Meaning |\n|---|---|---|\n"
    return text + "".join(f"| `{name}` | {HEADER_TEXT[name][0]} | {HEADER_TEXT[name][1]} |\n" for name in Header)


def http_page() -> str:
    """Return the page of the HTTP endpoints."""
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # LiteLLM asks the network for prices otherwise
    from http_reference import build_http_page  # noqa: PLC0415  imports LiteLLM

    return build_http_page(NOTE)


def record_page() -> str:
    """Return the page of the decision record, its closed sets and the metrics."""
    text = f"# Decision record\n\n{NOTE}One for each request: a row of the decision log, a JSON line, a span.\n\n"
    text += build_record_table()
    for title, values in (
        ("CacheOutcome", CacheOutcome),
        ("RouteOutcome", RouteOutcome),
        ("GateOutcome", GateOutcome),
        ("HedgeOutcome", HedgeOutcome),
        ("Reason", Reason),
    ):
        text += f"\n## {title}\n\n" + ", ".join(f"`{item.value}`" for item in values) + "\n"
    text += "\n## Metrics\n\n| Metric | Unit | Meaning |\n|---|---|---|\n"
    return text + "".join(f"| `{name.value}` | {UNITS[name]} | {DESCRIPTIONS[name]} |\n" for name in Metric)


def cli_page() -> str:
    """Return the page of the command line."""
    text = f"# Command line\n\n{NOTE}Exit codes: 0 ok, 1 the check failed, 2 usage or bad input.\n"
    return text + "".join(_commands("tiergate", typer.main.get_group(app)))


def _commands(prefix: str, group: Any) -> Iterator[str]:
    """Yield a section for each command, those of a group under it behind the group's name."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            if command.invoke_without_command:  # a command that has others under it
                yield _command(f"{prefix} {name}", command)
            yield from _commands(f"{prefix} {name}", command)
            continue
        yield _command(f"{prefix} {name}", command)


def _command(name: str, command: Any) -> str:
    """Return the section of one command."""
    text = f"\n## {name}\n\n{command.help}\n\n| Argument or option | Meaning |\n|---|---|\n"
    for item in command.params:
        is_option = item.param_type_name == "option"
        shown = " ".join(item.opts) if is_option else str(item.metavar or item.name).upper()
        text += f"| `{shown}` | {getattr(item, 'help', None) or ''} |\n"
    return text


def probes_page() -> str:
    """Return the page of probes.yaml."""
    schema = ProbeFile.model_json_schema()
    text = (
        f"# probes.yaml\n\n{NOTE}Requests and the decisions expected of them, for `tiergate probe DIR --base-url URL`. "
    )
    text += "Unknown keys are errors. A value under `expect` may be a list: each of its members is allowed. "
    text += "A probe with `fault` or `stand_in: true` is sent to stand-in providers only.\n\n"
    text += "| Key | Type | Default |\n|---|---|---|\n"
    return text + "".join(f"| `{key}` | {kind} | {default} |\n" for key, kind, default in _keys(schema, schema, ""))


def telemetry_page() -> str:
    """Return the page of spans, attributes, metrics and labels."""
    text = f"# Spans and metrics\n\n{NOTE}GenAI names are those of the OpenTelemetry conventions {SEMCONV_VERSION}. "
    text += "Prompt and answer text is never an attribute. Prometheus writes dots as underscores and adds the unit.\n"
    text += "\n## Spans\n\n" + "".join(f"- `{name}`\n" for name in Span)
    text += "\n## Attributes\n\n" + "".join(f"- `{name}`\n" for name in Attribute)
    text += "\n## Metrics\n\n| Metric | Unit | Meaning |\n|---|---|---|\n"
    text += "".join(f"| `{name.value}` | {UNITS[name]} | {DESCRIPTIONS[name]} |\n" for name in Metric)
    return text + "\n## Labels\n\n" + "".join(f"- `{name}`\n" for name in Label)


ALERT_FILE = "litellm_config/observability/alerts/rules.yaml"


def runbook_page() -> str:
    """Return the runbook: each alert that ships, and what docs/runbook_steps.yaml says to do about it."""
    steps = yaml.safe_load((ROOT / "docs" / "runbook_steps.yaml").read_text(encoding="utf-8"))
    text = f"# Runbook\n\n{NOTE}One section for each alert that ships. The steps are in docs/runbook_steps.yaml.\n"
    groups = yaml.safe_load((ROOT / ALERT_FILE).read_text(encoding="utf-8"))["groups"]
    for rule in (rule for group in groups for rule in group["rules"] if "alert" in rule):
        alert = rule["alert"]
        step = steps.get(alert)
        if step is None:
            raise SystemExit(f"docs/runbook_steps.yaml has no steps for {alert}: add look, act and over")
        summary, action = rule["annotations"]["summary"], rule["annotations"]["action"]
        text += f"\n## {alert}\n\n" + (f"{summary}. " if "{{" not in summary else "") + f"{action}.\n\n"
        text += f"Severity {rule['labels']['severity']}; fires after {rule['for']}:\n\n"
        text += "".join(f"    {line}\n" for line in rule["expr"].strip().splitlines())
        text += "\nLook:\n\n" + "".join(f"1. {item}\n" for item in step["look"])
        text += "\nAct:\n\n" + "".join(f"1. {item}\n" for item in step["act"])
        text += f"\nOver when: {step['over']}\n"
    return text


def main() -> int:
    """Write the files, or with --check name the stale ones."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    stale = [path for path, text in pages().items() if not path.is_file() or path.read_text(encoding="utf-8") != text]
    for path in stale:
        if check:
            sys.stderr.write(f"{path.relative_to(ROOT)} is stale; run python docs/generate.py\n")
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(pages()[path], encoding="utf-8")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
