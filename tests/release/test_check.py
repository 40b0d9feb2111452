"""`make release-check` on this checkout, and the rule that a tag, a wheel and the changelog agree."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from release.check import ROOT, check_version


def test_a_commit_without_a_tag_has_no_version_to_agree_with() -> None:
    assert check_version(Path("tiergate-0.1.0.dev3-py3-none-any.whl"), None) == []


def test_a_tag_must_be_the_version_and_in_the_changelog() -> None:
    found = check_version(Path("tiergate-9.9.8-py3-none-any.whl"), "v9.9.9")
    assert found == ["tiergate-9.9.8-py3-none-any.whl: the tag is v9.9.9", "CHANGELOG.md has no section for v9.9.9"]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_this_checkout_could_be_released() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "release.check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    bill = json.loads((ROOT / "dist" / "sbom.json").read_text(encoding="utf-8"))
    names = {component["name"].lower() for component in bill["components"]}
    assert {"litellm", "onnxruntime", "psycopg"} <= names
    assert bill["bomFormat"] == "CycloneDX"
