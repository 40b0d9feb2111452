"""`tiergate check`; what it refuses is in tests/config."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

from typer.testing import Result

from tiergate.pack import locate_pack


def test_a_good_pack_is_exit_code_zero(tiergate: Callable[..., Result]) -> None:
    result = tiergate("check", str(locate_pack("quickstart")))
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1].endswith("ok, 0 errors, 5 warnings")


def test_no_such_folder_is_exit_code_two(tiergate: Callable[..., Result]) -> None:
    result = tiergate("check", "nowhere")
    assert result.exit_code == 2
    assert "Fix: " in result.stderr


def test_strict_makes_warnings_fail(tiergate: Callable[..., Result]) -> None:
    assert tiergate("check", str(locate_pack("quickstart")), "--strict").exit_code == 1


def test_json_holds_every_defect(tiergate: Callable[..., Result], tmp_path: Path) -> None:
    shutil.copytree(locate_pack("quickstart"), tmp_path / "pack")
    (tmp_path / "pack" / "policy.yaml").unlink()
    report = json.loads(tiergate("check", "pack", "--json").stdout)
    assert (report["ok"], report["errors"]) == (False, 1)
    assert set(report["defects"][0]) == {"severity", "file", "key", "problem", "fix"}
