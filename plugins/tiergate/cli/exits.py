"""Exit codes, and the end of a command that cannot go on."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import IntEnum
from typing import Any, NoReturn

import typer

from tiergate.errors import DecisionLogError, TiergateError

_LOG_FIX = "name the log as sqlite:///FILE or postgresql+asyncpg://USER@HOST/DATABASE, as decision_log.url does"
_FIXES: Mapping[type[OSError], str] = {
    FileNotFoundError: "correct the path; the folder has to exist",
    IsADirectoryError: "name a file",
    NotADirectoryError: "name a folder, or remove the file in its place",
    FileExistsError: "name a folder, or remove the file in its place",
    PermissionError: "allow this user to use it, or name another",
}


class Exit(IntEnum):
    """Exit codes of every command."""

    OK = 0
    CHECK_FAILED = 1
    BAD_INPUT = 2


def stop(message: str) -> NoReturn:
    """End with a message on stderr and the code for bad input."""
    typer.echo(f"tiergate: {message}", err=True)
    raise typer.Exit(Exit.BAD_INPUT)


@contextmanager
def bad_input() -> Iterator[None]:
    """Turn errors of tiergate, of files and Ctrl-C into a message and an exit code: no traceback reaches the user."""
    try:
        yield
    except DecisionLogError as exc:
        stop(f"{exc}. Fix: {_LOG_FIX}." if "Fix: " not in str(exc) else str(exc))
    except TiergateError as exc:
        stop(str(exc))
    except OSError as exc:
        stop(_describe(exc))
    except KeyboardInterrupt:
        stop("stopped")


def _describe(error: OSError) -> str:
    if error.strerror is None:
        return str(error)
    fix = next((text for kind, text in _FIXES.items() if isinstance(error, kind)), "name another file or folder")
    where = f"{error.filename}: " if error.filename else ""
    return f"{where}{error.strerror.lower()}. Fix: {fix}."


def print_json(value: Any) -> None:
    """Print one JSON document."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))
