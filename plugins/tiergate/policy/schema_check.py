"""Whether data follows a JSON schema that a client sent: by jsonschema, on what of it takes bounded time.

The schema is a stranger's and the check runs beside every other request, so what could take long or reach out is left
out of it: references to other documents, regular expressions (`pattern`, `patternProperties`), `uniqueItems`, and what
recursion goes deeper than `MAX_DEPTH`. What is left out passes; the check can miss a defect, never invent one.
"""

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError

MAX_DEPTH: Final = 32
MAX_NODES: Final = 2_000
"""A schema that is larger when its references are written out is not checked."""
MAX_SCHEMA_CHARS: Final = 50_000
MAX_CHARS: Final = 20_000
"""Data longer than this as text is not checked."""

_LEFT_OUT = frozenset(
    {"pattern", "patternProperties", "uniqueItems", "$dynamicRef", "$id", "$schema", "$defs", "definitions"}
)
_CLOSING = frozenset({"additionalProperties", "unevaluatedProperties"})
"""What a schema with `patternProperties` says of the other names; without the patterns it would refuse good ones."""
_NAMED = frozenset({"properties", "dependentSchemas"})
"""Keywords whose value is no schema but a mapping of names to schemas."""
_DATA = frozenset({"enum", "const", "default", "examples", "required"})


class _TooLargeError(Exception):
    """The schema has more than `MAX_NODES` nodes."""


def breaks_schema(text: str, schema: Mapping[str, Any]) -> bool:
    """Tell whether a JSON text is certain to break a schema.

    Args:
        text: JSON, as a whole; a text that is no JSON breaks every schema.
        schema: JSON schema, trusted in nothing.
    """
    if len(text) > MAX_CHARS:
        return False
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return True
    try:
        written = json.dumps(schema, sort_keys=True)
    except (TypeError, ValueError, RecursionError):
        return False
    validator = _build_validator(written) if len(written) <= MAX_SCHEMA_CHARS else None
    if validator is None:
        return False
    try:
        return not validator.is_valid(value)
    except RecursionError:
        return False


@lru_cache(maxsize=256)
def _build_validator(written: str) -> Any:
    """Return a validator of a schema; None when it cannot be used."""
    try:
        root = json.loads(written)
        bounded = _Bounded(root).write(root, 0)
        Draft202012Validator.check_schema(bounded)
    except (_TooLargeError, SchemaError, RecursionError):
        return None
    return Draft202012Validator(bounded)


class _Bounded:
    """Writes a schema out: local references in place, what takes unbounded time left out."""

    def __init__(self, root: Any) -> None:
        self._root, self._nodes = root, 0

    def write(self, schema: Any, depth: int) -> Any:
        """Return the bounded form of a schema, or of a list or mapping of them.

        Raises:
            _TooLargeError: There are too many nodes.
        """
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise _TooLargeError
        if isinstance(schema, list):
            return [self.write(item, depth + 1) for item in schema]
        if not isinstance(schema, dict):
            return schema
        if depth > MAX_DEPTH:
            return {}
        if "$ref" in schema:
            target = self._find(schema["$ref"])
            rest = {key: value for key, value in schema.items() if key != "$ref"}
            return {"allOf": [self.write(target, depth + 1), self.write(rest, depth + 1)]}
        skipped = _LEFT_OUT | (_CLOSING if "patternProperties" in schema else frozenset())
        return {key: self._value(key, value, depth) for key, value in schema.items() if key not in skipped}

    def _value(self, key: str, value: Any, depth: int) -> Any:
        if key in _DATA:
            return value
        if key in _NAMED and isinstance(value, dict):
            return {name: self.write(item, depth + 1) for name, item in value.items()}
        return self.write(value, depth + 1)

    def _find(self, reference: Any) -> Any:
        """Return what a local reference leads to; {} for any other."""
        if not isinstance(reference, str) or not reference.startswith("#"):
            return {}
        place = self._root
        for part in reference[1:].split("/")[1:]:
            name = part.replace("~1", "/").replace("~0", "~")
            if not isinstance(place, dict) or name not in place:
                return {}
            place = place[name]
        return place
