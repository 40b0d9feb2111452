"""The audit of lock files: the real ones pass, each broken one is named."""

from pathlib import Path

import pytest
from release.check import check_locks
from release.lock_file import audit_lock, read_lock

GOOD = (
    "litellm[proxy]==1.106.2 \\\n    --hash=sha256:"
    + "a" * 64
    + "\nnumpy==2.0 ; python_version < '3.12' \\\n    --hash=sha256:"
    + "b" * 64
    + "\n"
)


def test_the_lock_files_pass() -> None:
    assert check_locks() == []


def test_entries_are_read_with_markers_and_extras() -> None:
    assert [(entry.name, entry.version, entry.hashes) for entry in read_lock(GOOD)] == [
        ("litellm", "1.106.2", 1),
        ("numpy", "2.0", 1),
    ]


@pytest.mark.parametrize(
    ("broken", "problem"),
    [
        (GOOD.replace("1.106.2", "1.107.0"), "litellm 1.107.0 is refused"),
        (GOOD.replace(" \\\n    --hash=sha256:" + "b" * 64, ""), "numpy has no hash"),
        (GOOD.replace("numpy==2.0", "numpy>=2.0"), "is not NAME==VERSION"),
        (GOOD + "# from https://example.org\n", "holds an address"),
        (GOOD.replace("numpy", "scipy"), "numpy is not in it"),
    ],
)
def test_a_broken_lock_file_is_named(broken: str, problem: str) -> None:
    found = audit_lock("run.txt", broken, ["litellm", "numpy"])
    assert any(problem in text for text in found), found


def test_the_good_one_has_no_problem() -> None:
    assert audit_lock("run.txt", GOOD, ["litellm", "numpy"]) == []


def test_every_lock_file_has_the_same_version_of_what_runs() -> None:
    folder = Path(__file__).resolve().parents[2] / "requirements"
    run: dict[str, set[str]] = {}  # a package may have one version for each Python
    for entry in read_lock((folder / "run.txt").read_text(encoding="utf-8")):
        run.setdefault(entry.name, set()).add(entry.version)
    for name in ("image.txt", "dev.txt"):
        for entry in read_lock((folder / name).read_text(encoding="utf-8")):
            assert entry.version in run.get(entry.name, {entry.version}), (name, entry.name)
