"""What wheel and sdist must hold: archives with one thing wrong are refused."""

import io
import tarfile
import zipfile
from pathlib import Path

from release.archives import SDIST_NEEDS, WHEEL_NEEDS, check_sdist, check_wheel

LICENSE = "tiergate-1.0.dist-info/licenses/LICENSE"


def write_wheel(folder: Path, *names: str) -> Path:
    path = folder / "tiergate-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, "")
    return path


def write_sdist(folder: Path, *names: str) -> Path:
    path = folder / "tiergate-1.0.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for name in names:
            archive.addfile(tarfile.TarInfo(f"tiergate-1.0/{name}"), io.BytesIO())
    return path


def test_a_complete_wheel_passes(tmp_path: Path) -> None:
    assert check_wheel(write_wheel(tmp_path, *WHEEL_NEEDS, LICENSE)) == []


def test_a_wheel_without_a_model_or_licence_is_refused(tmp_path: Path) -> None:
    found = check_wheel(write_wheel(tmp_path, *WHEEL_NEEDS[1:]))
    assert any("tiergate/py.typed is missing" in text for text in found)
    assert any("has no licence" in text for text in found)


def test_a_wheel_with_strangers_is_refused(tmp_path: Path) -> None:
    found = check_wheel(write_wheel(tmp_path, *WHEEL_NEEDS, LICENSE, "tests/test_a.py", "tiergate/decisions.db"))
    assert any("has tests at its top" in text for text in found)
    assert any("decisions.db does not belong there" in text for text in found)


def test_an_sdist_is_looked_into(tmp_path: Path) -> None:
    assert check_sdist(write_sdist(tmp_path, *SDIST_NEEDS)) == []
    found = check_sdist(write_sdist(tmp_path, *SDIST_NEEDS[1:], ".env"))
    assert len(found) == 2


def test_rows_that_tests_read_may_be_in_an_sdist_and_a_runs_data_may_not(tmp_path: Path) -> None:
    assert check_sdist(write_sdist(tmp_path, *SDIST_NEEDS, "tests/classifier/data/rows.jsonl")) == []
    found = check_sdist(write_sdist(tmp_path, *SDIST_NEEDS, "data/cache/segment"))
    assert found == ["tiergate-1.0.tar.gz: data/cache/segment does not belong there"]
