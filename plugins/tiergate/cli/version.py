"""`tiergate version`."""

import sys
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed_version
from typing import Annotated

import typer

from tiergate.cli.exits import print_json

_PACKAGES = ("tiergate", "litellm", "onnxruntime", "qdrant-edge-py")


def version(*, as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Print the versions of tiergate and of what it stands on."""
    versions = {name: _version_of(name) for name in _PACKAGES}
    versions["python"] = ".".join(map(str, sys.version_info[:3]))
    if as_json:
        print_json(versions)
        return
    for name, text in versions.items():
        typer.echo(f"{name} {text}")


def show_and_leave(asked: bool) -> None:
    """Do for `tiergate --version` what `tiergate version` does, and end the command."""
    if asked:
        version(as_json=False)
        raise typer.Exit


def _version_of(name: str) -> str:
    try:
        return installed_version(name)
    except PackageNotFoundError:
        return "not installed"
