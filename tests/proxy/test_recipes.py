"""Each recipe's verify.sh: its own config on stand-ins behind a real proxy, every probe as expected."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tiergate.pack import locate_pack

RECIPES = sorted(path.parent for path in (locate_pack() / "recipes").glob("*/probes.yaml"))

pytestmark = [pytest.mark.proxy, pytest.mark.slow, pytest.mark.timeout(600)]


def verify(recipe: Path) -> subprocess.CompletedProcess[str]:
    """Run a recipe's verify.sh with this interpreter."""
    return subprocess.run(
        ["sh", str(recipe / "verify.sh"), "--json"],
        env={**os.environ, "PYTHON": sys.executable},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_every_probe_of_a_recipe_is_as_expected(recipe: Path) -> None:
    done = verify(recipe)
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(done.stdout)
    assert report["sent"] == len(yaml.safe_load((recipe / "probes.yaml").read_text(encoding="utf-8"))["probes"])
    assert report["as_expected"] == report["sent"]
    assert report["skipped"] == []


def test_a_recipe_whose_policy_is_another_does_not_pass(tmp_path: Path) -> None:
    shutil.copytree(locate_pack("recipes/migrate-from-routellm"), tmp_path / "recipe")
    policy = tmp_path / "recipe" / "policy.yaml"
    policy.write_text(policy.read_text(encoding="utf-8").replace("min_quality: 0.95", "min_quality: 1.0"), "utf-8")
    done = verify(tmp_path / "recipe")
    assert done.returncode == 1, done.stdout + done.stderr
    failed = {row["name"] for row in json.loads(done.stdout)["probes"] if not row["ok"]}
    assert "weak model suffices" in failed
