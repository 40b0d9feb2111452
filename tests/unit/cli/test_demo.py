"""`tiergate demo` hands its options to the quickstart, and its exit code on. tests/proxy walks the walk."""

from collections.abc import Callable, Sequence

import pytest
from typer.testing import Result

from tiergate.demo import quickstart


@pytest.mark.parametrize("code", [0, 1, 2])
def test_options_and_exit_code_are_passed(
    tiergate: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    seen: list[Sequence[str]] = []

    def main(arguments: Sequence[str]) -> int:
        seen.append(arguments)
        return code

    monkeypatch.setattr(quickstart, "main", main)
    assert tiergate("demo", "--once", "--port", "4010").exit_code == code
    assert seen == [["--once", "--port", "4010"]]
