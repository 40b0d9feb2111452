"""Reading a YAML file that must be a mapping; a key that stands twice is an error, not a silent last one."""

import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml
from typing_extensions import override

from tiergate.errors import PolicyError


class _UniqueKeys(yaml.SafeLoader):
    """SafeLoader that refuses a mapping with the same key twice."""

    @override
    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = getattr(key_node, "value", None)
            if isinstance(key, str):
                if key in seen and key != "<<":
                    raise yaml.constructor.ConstructorError(
                        None, None, f"the key {key!r} stands twice", node.start_mark
                    )
                seen.add(key)
        return super().construct_mapping(node, deep=deep)


def load_mapping(path: Path, *, absent_fix: str, empty_fix: str) -> dict[str, Any]:
    """Read a YAML file whose top is a mapping.

    Args:
        path: The file.
        absent_fix: What to do when it cannot be read.
        empty_fix: What to do when it is empty or no mapping.

    Raises:
        PolicyError: The file cannot be read, is no YAML, holds a key twice, or is no mapping.
    """
    try:
        raw = yaml.load(path.read_text(encoding="utf-8"), Loader=_UniqueKeys)  # noqa: S506  a SafeLoader
    except IsADirectoryError as exc:
        raise PolicyError(path, "", "is a folder", "name a file in it") from exc
    except OSError as exc:
        raise PolicyError(path, "", f"cannot be read ({exc.strerror})", absent_fix) from exc
    except UnicodeDecodeError as exc:
        raise PolicyError(path, "", "is not UTF-8 text", "save it as UTF-8") from exc
    except (yaml.YAMLError, RecursionError, ValueError) as exc:  # ValueError: a date such as 2026-13-40
        text = re.sub(r"\s+", " ", str(exc)).strip()
        raise PolicyError(path, "", f"is not valid YAML ({text})", "correct the YAML at that place") from exc
    if not isinstance(raw, dict):
        raise PolicyError(path, "", "is not a mapping of keys", empty_fix)
    for key in raw:
        if not isinstance(key, str):
            raise PolicyError(path, str(key), "is a key that is no text", "put it in quotes, or remove it")
    return raw
