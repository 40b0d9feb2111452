"""values.schema.json, made from values.yaml and from tiergate's own policy model."""

import json
from typing import Any, Final

from helm.chartgen.values_file import Value

from tiergate.settings import Policy

_TYPES: Final = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}


def write_schema(values: tuple[Value, ...]) -> str:
    """Return the text of values.schema.json; an unknown key is an error wherever the chart names the keys."""
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Values of the tiergate chart",
        **_section(values),
        "$defs": _policy_definitions(),
    }
    schema["properties"]["global"] = {"type": "object", "description": "Set by parent charts; not read."}
    return json.dumps(schema, indent=2, sort_keys=True) + "\n"


def _section(values: tuple[Value, ...]) -> dict[str, Any]:
    properties = {value.key: _section(value.children) if value.is_section else _leaf(value) for value in values}
    return {"type": "object", "additionalProperties": False, "properties": properties}


def _leaf(value: Value) -> dict[str, Any]:
    schema: dict[str, Any] = {"description": value.description}
    if "$ref" not in value.narrowing:
        schema["type"] = _TYPES[type(value.default)]
    return {**schema, **value.narrowing}


def _policy_definitions() -> dict[str, Any]:
    """Return policy.yaml's schema as definitions, with no section required: the packaged file has the rest."""
    schema = Policy.model_json_schema()
    definitions: dict[str, Any] = schema.pop("$defs")
    schema.pop("required", None)
    return {**definitions, "Policy": schema}
