"""Exit codes: what goes wrong becomes a message on stderr, never a traceback."""

import pytest
import typer

from tiergate.cli.exits import Exit, bad_input, stop
from tiergate.errors import DecisionLogError, PolicyError


@pytest.mark.parametrize(
    "raised",
    [
        PolicyError("policy.yaml", "tiers", "is wrong", "right it"),
        PermissionError(13, "no"),
        OSError("no number"),
        KeyboardInterrupt(),
    ],
)
def test_known_trouble_is_a_message_and_code_two(raised: BaseException, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as caught, bad_input():
        raise raised
    assert caught.value.exit_code == Exit.BAD_INPUT
    assert capsys.readouterr().err.startswith("tiergate: ")


@pytest.mark.parametrize(
    ("raised", "said"),
    [
        (IsADirectoryError(21, "Is a directory", "a/b"), "tiergate: a/b: is a directory. Fix: name a file."),
        (FileNotFoundError(2, "No such file", "a/b"), "tiergate: a/b: no such file. Fix: correct the path"),
        (OSError(28, "No space left on device", "a/b"), "tiergate: a/b: no space left on device. Fix: name another"),
        (DecisionLogError("there is no decision log at x.db"), "at x.db. Fix: name the log as sqlite:///FILE"),
        (DecisionLogError("the driver is missing. Fix: install it"), "Fix: install it\n"),
    ],
)
def test_trouble_with_files_and_logs_names_the_fix(
    raised: Exception, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit), bad_input():
        raise raised
    told = capsys.readouterr().err
    assert said in told
    assert told.count("Fix: ") == 1


def test_a_bug_is_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError), bad_input():
        raise ZeroDivisionError


def test_stop_ends_with_code_two() -> None:
    with pytest.raises(typer.Exit) as caught:
        stop("enough")
    assert caught.value.exit_code == 2
