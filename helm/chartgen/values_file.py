"""values.yaml read together with its comments: `# --` describes a value, `# @schema` narrows its schema."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from helm.chartgen.places import CHART

_DESCRIPTION = "# -- "
_SCHEMA = "# @schema "


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """One key of values.yaml.

    Attributes:
        key: Its name.
        default: Its default, as Python data.
        description: What the comment above says; empty for a section.
        narrowing: JSON schema keywords from the comment.
        children: The keys below, for a section.
    """

    key: str
    default: Any
    description: str
    narrowing: dict[str, Any]
    children: tuple["Value", ...] = field(default=())

    @property
    def is_section(self) -> bool:
        """Whether its keys are values of their own, with comments of their own."""
        return bool(self.children)


def load_values(path: Path = CHART / "values.yaml") -> tuple[Value, ...]:
    """Read values.yaml.

    Raises:
        ValueError: A value has no description.
    """
    text = path.read_text(encoding="utf-8")
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    if not isinstance(root, yaml.MappingNode):
        raise TypeError(f"{path} is no mapping")
    return tuple(_read(root, text.splitlines(), ""))


def walk_values(values: tuple[Value, ...], prefix: str = "") -> Iterator[tuple[str, Value]]:
    """Yield every value that is no section, with its dotted key."""
    for value in values:
        key = f"{prefix}{value.key}"
        if value.is_section:
            yield from walk_values(value.children, f"{key}.")
        else:
            yield key, value


def _read(mapping: yaml.MappingNode, lines: list[str], prefix: str) -> Iterator[Value]:
    for key_node, node in mapping.value:
        key = str(key_node.value)
        description, narrowing = _read_comment(lines, key_node.start_mark.line)
        children: tuple[Value, ...] = ()
        if isinstance(node, yaml.MappingNode) and not description:
            children = tuple(_read(node, lines, f"{prefix}{key}."))
        if not description and not children:
            raise ValueError(f"values.yaml: {prefix}{key} has no description; write `{_DESCRIPTION}...` above it")
        yield Value(
            key=key,
            default=yaml.SafeLoader("").construct_document(node),
            description=description,
            narrowing=narrowing,
            children=children,
        )


def _read_comment(lines: list[str], line: int) -> tuple[str, dict[str, Any]]:
    """Return description and narrowing from the comment right above a line."""
    description, narrowing = "", {}
    while line and (comment := lines[line - 1].strip()).startswith("#"):
        line -= 1
        if comment.startswith(_DESCRIPTION):
            description = comment.removeprefix(_DESCRIPTION)
        elif comment.startswith(_SCHEMA):
            narrowing = yaml.safe_load(comment.removeprefix(_SCHEMA))
    return description, narrowing
