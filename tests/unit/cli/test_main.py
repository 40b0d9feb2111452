"""The command as a whole: every subcommand is there, nothing heavy is imported before it is wanted."""

import subprocess
import sys
from collections.abc import Callable

import pytest
from typer.testing import Result

from tiergate.pack import locate_pack


def test_every_subcommand_has_help(tiergate: Callable[..., Result]) -> None:
    text = tiergate("--help").stdout
    for name in ("init", "check", "explain", "demo", "version"):
        assert name in text
        assert tiergate(name, "--help").exit_code == 0


@pytest.mark.parametrize("arguments", [["fly"], ["check"], ["check", "--colour"], ["explain"], ["demo", "--port", "x"]])
def test_wrong_usage_is_exit_code_two(tiergate: Callable[..., Result], arguments: list[str]) -> None:
    assert tiergate(*arguments).exit_code == 2


HEAVY = ("litellm", "onnxruntime", "sqlalchemy", "numpy", "pydantic")
RUN = """
import sys
from tiergate.cli.main import app
try:
    app(sys.argv[2:])
except SystemExit:
    pass
print([name for name in sys.argv[1].split() if name in sys.modules], file=sys.stderr)
"""


def imported(names: tuple[str, ...], *arguments: str) -> str:
    """Return which of the modules a command has imported, in a process of its own."""
    command = [sys.executable, "-c", RUN, " ".join(names), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stderr.strip().splitlines()[-1]


def test_the_command_starts_without_the_heavy_libraries() -> None:
    assert imported(HEAVY, "--help") == "[]"


def test_explain_imports_no_litellm() -> None:
    assert imported(("litellm", "numpy"), "explain", "hello") == "['numpy']"


def test_check_imports_no_litellm_and_no_onnxruntime() -> None:
    assert imported(("litellm", "onnxruntime", "numpy"), "check", str(locate_pack("quickstart"))) == "['numpy']"
