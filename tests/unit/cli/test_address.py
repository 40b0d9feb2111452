"""An address is used as pasted, and what is none is told before anything is sent."""

import pytest
import typer

from tiergate.cli.address import read_address


@pytest.mark.parametrize("pasted", ["http://h:4000", "http://h:4000/", "http://h:4000/v1", "http://h:4000/v1/"])
def test_the_end_of_a_pasted_address_does_not_matter(pasted: str) -> None:
    assert read_address(pasted) == "http://h:4000"


@pytest.mark.parametrize(
    "wrong", ["", "h:4000", "ftp://h", "http://", "http://h:99999", "http://h:0", "http://h:port", "http://[::1"]
)
def test_what_is_no_address_is_told(wrong: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as caught:
        read_address(wrong)
    assert caught.value.exit_code == 2
    assert "Fix: write http://HOST:PORT." in capsys.readouterr().err
