"""The workflow files mirror the Makefile, pin their actions, and pass zizmor offline."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


def jobs(path: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert loaded["permissions"] == {}
    return dict(loaded["jobs"])


def test_ci_runs_what_the_makefile_has() -> None:
    named = jobs(ROOT / ".github" / "workflows" / "ci.yml")["make"]["strategy"]["matrix"]["target"]
    assert set(named) <= TARGETS
    lines = re.findall(r"^make (.+)$", (ROOT / ".ci" / "run").read_text(encoding="utf-8"), re.MULTILINE)
    local = {word for line in lines for word in line.split() if not word.startswith("-")}
    assert {"test", "test-packs", "test-install"} <= local <= set(named)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_actions_are_pinned_by_commit(path: Path) -> None:
    uses = [step["uses"] for job in jobs(path).values() for step in job["steps"] if "uses" in step]
    assert uses
    assert all(re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", name) for name in uses)


def test_only_the_publishing_job_may_ask_for_a_token_and_it_has_no_source() -> None:
    release = jobs(ROOT / ".github" / "workflows" / "release.yml")
    holders = [name for name, job in release.items() if job["permissions"].get("id-token") == "write"]
    assert holders == ["publish"]
    assert not any("checkout" in step.get("uses", "") for step in release["publish"]["steps"])
    assert "password" not in str(release)


def test_zizmor_finds_nothing() -> None:
    command = [Path(sys.executable).parent / "zizmor", "--offline", "--no-progress", *WORKFLOWS]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
