"""Where the config pack is."""

from pathlib import Path

import pytest

from tiergate import pack
from tiergate.errors import ConfigurationError
from tiergate.pack import locate_pack


def test_a_checkout_has_it_beside_the_sources() -> None:
    assert (locate_pack() / "quickstart" / "policy.yaml").is_file()
    assert (locate_pack("quickstart") / "config.yaml").is_file()


def test_the_wheels_own_copy_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "quickstart").mkdir()
    monkeypatch.setattr(pack, "_IN_WHEEL", tmp_path)
    assert locate_pack("quickstart") == tmp_path / "quickstart"


@pytest.mark.parametrize("name", ["nowhere", "quickstart/policy.yaml"])
def test_what_is_missing_is_named(name: str) -> None:
    with pytest.raises(ConfigurationError, match=name):
        locate_pack(name)
