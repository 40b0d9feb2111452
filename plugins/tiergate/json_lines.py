"""Reading JSON lines: one document a line, and a bad line is named by its number."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tiergate.errors import ConfigurationError


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    r"""Yield the number and text of each line that is not blank, one after the other.

    Only "\n" ends a line: JSON texts may hold U+2028 and other characters at which `str.splitlines` would cut them.

    Raises:
        ConfigurationError: The file cannot be read, or a line is not UTF-8.
    """
    try:
        with path.open("rb") as file:
            for number, raw in enumerate(file, start=1):
                line = _decode(path, number, raw).strip("\ufeff \t\r\n")
                if line:
                    yield number, line
    except OSError as exc:
        raise ConfigurationError(
            path, "", f"cannot be read ({exc.strerror})", "name a readable file of JSON lines"
        ) from exc


def read_json_lines(path: Path) -> Iterator[tuple[int, Any]]:
    """Yield the number and document of each line that is not blank.

    Raises:
        ConfigurationError: As for `read_lines`, or a line is not JSON.
    """
    for number, line in read_lines(path):
        yield number, _parse(path, number, line)


def read_json_rows(path: Path) -> list[tuple[int, Any]]:
    """Return the number and document of each row of a log: JSON lines, one JSON list, or a list under `data`.

    The rows of a list are numbered from 1.

    Raises:
        ConfigurationError: As for `read_json_lines`.
    """
    lines = list(read_lines(path))
    if lines and (lines[0][1] == "{" or lines[0][1].startswith("[")):
        lines = [(lines[0][0], "\n".join(text for _, text in lines))]
    rows = [(number, _parse(path, number, text)) for number, text in lines]
    if len(rows) == 1:
        only = rows[0][1]
        inner = only.get("data") if isinstance(only, dict) else only
        if isinstance(inner, list):
            return list(enumerate(inner, start=1))
    return rows


def _decode(path: Path, number: int, raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as exc:
        raise ConfigurationError(path, f"line {number}", "is not UTF-8 text", "save the file as UTF-8") from exc


def _parse(path: Path, number: int, text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as exc:
        problem = f"is not JSON ({exc})"
        raise ConfigurationError(path, f"line {number}", problem, "write one JSON document per line") from exc
