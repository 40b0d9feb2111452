"""Exit codes: what goes wrong becomes a message on stderr, never a traceback."""

import pytest
import typer

from tiergate.cli.exits import Exit, bad_input, stop
from tiergate.errors import PolicyError


@pytest.mark.parametrize(
    "raised",
    [PolicyError("policy.yaml", "tiers", "is wrong", "right it"), PermissionError(13, "no"), KeyboardInterrupt()],
)
def test_known_trouble_is_a_message_and_code_two(raised: BaseException, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as caught, bad_input():
        raise raised
    assert caught.value.exit_code == Exit.BAD_INPUT
    assert capsys.readouterr().err.startswith("tiergate: ")


def test_a_bug_is_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError), bad_input():
        raise ZeroDivisionError


def test_stop_ends_with_code_two() -> None:
    with pytest.raises(typer.Exit) as caught:
        stop("enough")
    assert caught.value.exit_code == 2
