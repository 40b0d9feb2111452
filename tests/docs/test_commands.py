"""Commands that pages show are commands: their options exist, and they take as many arguments."""

import re
from pathlib import Path
from typing import Any

import pytest
import typer
from tests.docs.test_pages import PAGES, ROOT

from tiergate.cli.main import app
from tiergate.policy import rollout

CODE = re.compile(r"`(tiergate [^`\n]+)`|^(?: {4}|\$ )(tiergate [^\n]+)$", re.MULTILINE)
FENCE = re.compile(r"^```[a-z]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
COMMANDS: Any = typer.main.get_command(app)


def commands_of(page: Path) -> list[str]:
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    text = FENCE.sub(lambda fence: re.sub(r"^(?=tiergate )", "$ ", fence[1], flags=re.MULTILINE), text)
    found = [(match[1] or match[2]).split("#")[0] for match in CODE.finditer(text)]
    return [
        part.strip() for line in found for part in re.split(r" && | \|\| |; ", line) if part.startswith("tiergate ")
    ]


def misused(line: str) -> str | None:
    """Return what is wrong with a command; None when nothing is, or when it stands for several."""
    words, command, path = line.split()[1:], COMMANDS, "tiergate"
    while hasattr(command, "commands") and words and words[0] in command.commands:
        path, command = f"{path} {words[0]}", command.commands[words.pop(0)]
    if "|" in line or "…" in line or (hasattr(command, "commands") and not words):
        return None
    if hasattr(command, "commands") and not words[0].startswith("-"):
        return f"{path} has no command {words[0]}"
    options = {name: param for param in command.params for name in (*param.opts, *param.secondary_opts)}
    places = sum(param.param_type_name == "argument" for param in command.params)
    quoted = re.sub(r'"[^"]*"', "TEXT", " ".join(words)).split()
    while quoted:
        word = quoted.pop(0)
        if not word.startswith("-"):
            places -= 1
        elif word.split("=")[0] not in options:
            return f"{path} has no option {word}"
        elif not getattr(options[word.split("=")[0]], "is_flag", False) and "=" not in word and quoted:
            quoted.pop(0)
    return f"{path} takes fewer arguments" if places < 0 else None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_shown_commands_take_what_they_are_given(page: Path) -> None:
    assert [(line, wrong) for line in commands_of(page) if (wrong := misused(line))] == []


def test_a_wrong_command_is_found() -> None:
    assert misused("tiergate cache stats DIR") == "tiergate cache stats takes fewer arguments"
    assert misused("tiergate cache stats --polcy x") == "tiergate cache stats has no option --polcy"
    assert misused("tiergate cache status") == "tiergate cache has no command status"
    assert misused('tiergate explain "two words" --policy policy.yaml') is None


def test_the_rollout_page_tells_the_criteria_of_the_code() -> None:
    text = (ROOT / "docs" / "how-to" / "rollout.md").read_text(encoding="utf-8")
    for told in (
        f"{rollout.MIN_REQUESTS} decisions or more",
        f"at most {rollout.MAX_FAILED_STAGES:.0%}".replace("%", " %"),
        f"overhead at most {rollout.MAX_OVERHEAD_P95_MS:g} ms (P95)",
        f"at most {rollout.MAX_ESCALATION_RATIO:.0%}".replace("%", " %") + " escalated",
        f"saving at least {rollout.MIN_SAVING:.0%}".replace("%", " %"),
        "`mode: shadow`",
        "tiergate rollout status",
    ):
        assert told in text
