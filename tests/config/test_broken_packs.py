"""Every broken pack is refused with file, key and fix, and none with a traceback."""

import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from tiergate.artifact import builtin_artifact_path
from tiergate.cli.main import app
from tiergate.pack import locate_pack

CASES: list[dict[str, Any]] = yaml.safe_load((Path(__file__).parent / "broken_packs.yaml").read_text(encoding="utf-8"))


def break_pack(case: dict[str, Any], folder: Path) -> None:
    """Copy the quickstart's pack and put the case's defect into it."""
    shutil.copytree(locate_pack("quickstart"), folder)
    if "edit" in case:
        name, old, new = case["edit"]
        text = (folder / name).read_text(encoding="utf-8")
        assert old in text, "the quickstart no longer holds the text that this case edits"
        (folder / name).write_text(text.replace(old, new.replace("HERE", str(folder)), 1), encoding="utf-8")
    for name, text in case.get("write", {}).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    if "remove" in case:
        (folder / case["remove"]).unlink()
    if "write_bytes" in case:
        (folder / case["write_bytes"]).write_bytes(b"\xff\xfe\x00version")
    if "folder" in case:
        (folder / case["folder"]).unlink()
        (folder / case["folder"]).mkdir()
    if {"artifact", "artifact_without", "manifest"} & case.keys():
        break_artifact(case, folder)


def break_artifact(case: dict[str, Any], folder: Path) -> None:
    """Give the pack an artifact of its own and break that."""
    artifact = folder / "intent"
    shutil.copytree(builtin_artifact_path(), artifact)
    if "artifact" in case:
        file = artifact / case["artifact"]
        file.write_bytes(file.read_bytes()[:-1])
    if "artifact_without" in case:
        (artifact / case["artifact_without"]).unlink()
    if "manifest" in case:
        manifest = json.loads((artifact / "manifest.json").read_text(encoding="utf-8"))
        (artifact / "manifest.json").write_text(json.dumps({**manifest, **case["manifest"]}), encoding="utf-8")
    policy = folder / "policy.yaml"
    text = policy.read_text(encoding="utf-8").replace("artifact: builtin", f"artifact: {artifact}")
    policy.write_text(text, encoding="utf-8")


def run_check(folder: Path, *options: str) -> tuple[int, dict[str, Any]]:
    result = CliRunner().invoke(app, ["check", str(folder), "--json", *options])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, json.loads(result.stdout)


def test_there_are_at_least_sixty_of_them_with_names_of_their_own() -> None:
    names = [case["name"] for case in CASES]
    assert len(set(names)) == len(names) >= 60


def test_the_pack_they_are_made_from_is_accepted(tmp_path: Path) -> None:
    break_pack({}, tmp_path / "pack")
    code, report = run_check(tmp_path / "pack")
    assert (code, report["errors"]) == (0, 0)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_a_broken_pack_is_refused(case: dict[str, Any], tmp_path: Path) -> None:
    folder = tmp_path / "pack"
    break_pack(case, folder)
    code, report = run_check(folder)
    assert (code, report["ok"]) == (1, False)
    errors = [defect for defect in report["defects"] if defect["severity"] == "error"]
    assert (case["file"], case["key"]) in {(Path(defect["file"]).name, defect["key"]) for defect in errors}
    assert all(defect["problem"] and defect["fix"] for defect in errors)


def test_a_file_that_may_not_be_read_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "pack"
    break_pack({}, folder)
    (folder / "policy.yaml").chmod(0)
    if os.access(folder / "policy.yaml", os.R_OK):
        pytest.skip("this user may read every file")
    code, report = run_check(folder)
    (folder / "policy.yaml").chmod(stat.S_IRUSR | stat.S_IWUSR)
    assert code == 1
    assert "cannot be read" in report["defects"][0]["problem"]


def test_all_defects_are_told_at_once(tmp_path: Path) -> None:
    folder = tmp_path / "pack"
    break_pack({"edit": ["policy.yaml", "trust_from: 0.85", "trust_from: 85\n  colour: red"]}, folder)
    break_further = (folder / "config.yaml").read_text(encoding="utf-8").replace("num_retries: 0", "num_retries: -1")
    (folder / "config.yaml").write_text(break_further, encoding="utf-8")
    _, report = run_check(folder)
    keys = {defect["key"] for defect in report["defects"] if defect["severity"] == "error"}
    assert keys == {"confidence_gate.trust_from", "confidence_gate.colour", "router_settings.num_retries"}


@pytest.mark.parametrize("name", ["policy is no YAML", "callback misspelt", "artifact torn"])
def test_the_command_itself_prints_no_traceback(name: str, tmp_path: Path) -> None:
    break_pack(next(case for case in CASES if case["name"] == name), tmp_path / "pack")
    command = [sys.executable, "-m", "tiergate.cli.main", "check", str(tmp_path / "pack")]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert "Traceback" not in run.stdout + run.stderr
    assert "Fix: " in run.stdout


@pytest.mark.parametrize("blocked", ["cache", "decisions"])
def test_online_a_store_that_cannot_be_opened_is_refused(blocked: str, tmp_path: Path) -> None:
    folder = tmp_path / "pack"
    break_pack({}, folder)
    policy = folder / "policy.yaml"
    text = policy.read_text(encoding="utf-8").replace("./data", str(tmp_path / "data"))
    policy.write_text(text, encoding="utf-8")
    data = tmp_path / "data"
    data.mkdir()
    if blocked == "cache":
        (data / "cache").mkdir()
        (data / "cache" / "lock").mkdir()  # the store's lock file cannot be opened
    else:
        (data / "decisions.db").write_bytes(b"this is no database, whatever its name says" * 100)
    assert run_check(folder)[0] == 0
    code, report = run_check(folder, "--online")
    assert code == 1
    assert [defect["severity"] for defect in report["defects"]].count("error") == 1
    assert blocked in report["defects"][0]["file"] + report["defects"][0]["problem"]


def test_online_stores_that_can_be_opened_are_accepted(tmp_path: Path) -> None:
    folder = tmp_path / "pack"
    break_pack({}, folder)
    policy = folder / "policy.yaml"
    text = policy.read_text(encoding="utf-8").replace("./data", str(tmp_path / "data"))
    policy.write_text(text, encoding="utf-8")
    assert run_check(folder, "--online")[0] == 0
    assert (tmp_path / "data" / "decisions.db").is_file()
