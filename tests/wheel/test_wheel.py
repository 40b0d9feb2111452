"""The built wheel, in a clean virtual environment and away from the checkout."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def run(*command: str | Path, folder: Path, environ: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command away from the checkout, without this process's Python settings."""
    clean = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "COV_", "VIRTUAL_ENV"))
    }
    return subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        env={**clean, **(environ or {})},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    built = run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder, folder=ROOT)
    assert built.returncode == 0, built.stderr
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the bin folder of a clean venv that holds the wheel and the locked requirements."""
    venv = tmp_path_factory.mktemp("clean") / "venv"
    assert run(sys.executable, "-m", "venv", venv, folder=ROOT).returncode == 0
    pip = [venv / "bin" / "python", "-m", "pip", "install", "--quiet"]
    for arguments in (["--no-deps", "--require-hashes", "-r", ROOT / "requirements" / "run.txt"], ["--no-deps", wheel]):
        done = run(*pip, *arguments, folder=venv.parent)
        assert done.returncode == 0, done.stderr
    return venv / "bin"


def test_the_wheel_holds_what_it_needs_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    needed = [
        "tiergate/py.typed",
        "tiergate/models/encoder/model.onnx",
        "tiergate/models/encoder/tokenizer.json",
        "tiergate/models/encoder/card.md",
        "tiergate/models/intent/manifest.json",
        "tiergate/models/intent/head.safetensors",
        "tiergate/models/intent/card.md",
        "tiergate/_pack/config.yaml",
        "tiergate/_pack/policy.yaml",
        "tiergate/_pack/policy.schema.json",
        "tiergate/_pack/models/openai.yaml",
        "tiergate/_pack/quickstart/config.yaml",
        "tiergate/_pack/quickstart/policy.yaml",
        "tiergate/_pack/recipes/agent-stack/probes.yaml",
        "tiergate/_pack/recipes/agent-stack/verify.sh",
        "tiergate/demo/scenarios/quickstart.yaml",
        "tiergate/demo/quickstart_walk.yaml",
        "tiergate_classifier/__init__.py",
    ]
    assert [name for name in needed if name not in names] == []
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"tiergate", "tiergate_classifier"}
    unwanted = ("__pycache__", "/tests/", "/data/", ".db", "test_")
    assert [name for name in names if any(part in name for part in unwanted)] == []
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_the_version_is_told(installed: Path, tmp_path: Path) -> None:
    told = run(installed / "tiergate", "version", folder=tmp_path)
    assert told.returncode == 0, told.stderr
    assert told.stdout.startswith("tiergate ")
    assert "not installed" not in told.stdout


def test_init_and_check_work_without_a_checkout(installed: Path, tmp_path: Path) -> None:
    written = run(installed / "tiergate", "init", "pack", "--yes", folder=tmp_path)
    assert written.returncode == 0, written.stderr
    checked = run(installed / "tiergate", "check", "pack", folder=tmp_path)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "pack: ok, 0 errors" in checked.stdout


def test_explain_works_without_a_checkout(installed: Path, tmp_path: Path) -> None:
    told = run(installed / "tiergate", "explain", "What is the capital of France?", folder=tmp_path)
    assert told.returncode == 0, told.stderr
    assert told.stdout.startswith("tier simple")


def test_the_demo_works_without_a_checkout(installed: Path, tmp_path: Path) -> None:
    shown = run(installed / "tiergate", "demo", "--once", folder=tmp_path)
    assert shown.returncode == 0, shown.stdout + shown.stderr
