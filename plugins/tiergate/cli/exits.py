"""Exit codes, and the end of a command that cannot go on."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from typing import Any, NoReturn

import typer

from tiergate.errors import TiergateError


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
    except (TiergateError, OSError) as exc:
        stop(str(exc))
    except KeyboardInterrupt:
        stop("stopped")


def print_json(value: Any) -> None:
    """Print one JSON document."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))
