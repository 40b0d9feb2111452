"""`tiergate version`."""

import json
from collections.abc import Callable

import pytest
from typer.testing import Result

from tiergate.cli import version


def test_versions_are_printed_one_a_line(tiergate: Callable[..., Result]) -> None:
    lines = tiergate("version").stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["tiergate", "litellm", "onnxruntime", "qdrant-edge-py", "python"]


def test_versions_are_printed_as_json(tiergate: Callable[..., Result]) -> None:
    assert json.loads(tiergate("version", "--json").stdout)["litellm"].startswith("1.")


def test_a_missing_package_is_said(tiergate: Callable[..., Result], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(version, "_PACKAGES", ("no-such-package",))
    assert "no-such-package not installed" in tiergate("version").stdout


def test_the_option_prints_what_the_command_does(tiergate: Callable[..., Result]) -> None:
    assert tiergate("--version").stdout == tiergate("version").stdout
    assert tiergate("--version").exit_code == 0
