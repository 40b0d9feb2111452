"""A newcomer's run of the tutorial: a fresh clone, a fresh venv, each command from the text."""

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "tutorial.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MARK = "=== end of block ==="

pytestmark = [pytest.mark.slow, pytest.mark.proxy, pytest.mark.timeout(1500)]


def read_blocks() -> tuple[list[str], list[list[str]]]:
    """Return the commands, and for each block the lines that the text promises after it."""
    commands: list[str] = []
    promised: list[list[str]] = []
    for kind, text in BLOCK.findall(PAGE.read_text(encoding="utf-8")):
        if kind == "sh":
            commands.append(text)
            promised.append([])
        elif kind == "text":
            promised[-1] += text.splitlines()
    return commands, promised


def test_the_commands_of_the_tutorial_print_what_it_says(tmp_path: Path) -> None:
    commands, promised = read_blocks()
    assert len(commands) >= 7
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(tmp_path / "clone")], check=True)
    clean = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "COV_", "VIRTUAL_ENV"))
    }
    script = "set -eu\n" + "".join(f"{text}echo '{MARK}'\n" for text in commands)
    done = subprocess.run(
        ["sh", "-c", script], cwd=tmp_path / "clone", env=clean, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    printed = done.stdout.split(MARK)
    for number, lines in enumerate(promised):
        for line in lines:
            assert line in printed[number], f"block {number + 1} does not print {line!r}: {printed[number][-2000:]}"
