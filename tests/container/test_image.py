"""Dockerfile and compose.yaml without Docker: linted, read, and the install steps run as they stand in a clean venv."""

import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import yaml

from tiergate.demo.proxy_process import new_key

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
START_S = 120


def instructions() -> list[tuple[str, str]]:
    """Return the Dockerfile's instructions in order, continued lines joined."""
    lines = [line for line in DOCKERFILE.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [(line.split(maxsplit=1)[0], line.split(maxsplit=1)[1]) for line in joined.splitlines()]


def test_the_dockerfile_is_clean_by_hadolint() -> None:
    linter = Path(sys.executable).parent / "hadolint"
    linted = subprocess.run(
        [linter, "-c", ".hadolint.yaml", "Dockerfile"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert linted.returncode == 0, linted.stdout + linted.stderr


def test_the_last_stage_runs_as_a_number_without_a_compiler() -> None:
    found = instructions()
    last = found[max(place for place, (name, _) in enumerate(found) if name == "FROM") :]
    kinds = [name for name, _ in last]
    assert [text for name, text in last if name == "USER"] == ["10001:10001"]
    assert not re.search(r"apt-get|build-essential|gcc|pip install", " ".join(text for _, text in last))
    assert {"HEALTHCHECK", "LABEL", "WORKDIR", "VOLUME", "ENTRYPOINT"} <= set(kinds)
    labels = " ".join(text for name, text in last if name == "LABEL")
    assert all(f"org.opencontainers.image.{key}" in labels for key in ("title", "licenses", "version", "description"))


def test_bases_are_pinned_and_name_no_registry() -> None:
    bases = [text.split()[0] for name, text in instructions() if name == "FROM"]
    services = [service["image"] for service in COMPOSE["services"].values() if "image" in service]
    assert len(set(bases)) == 1
    for image in (*bases, *services):
        name, _, tag = image.partition(":")
        assert re.search(r"\d+\.\d+", tag), image
        assert "." not in name.split("/")[0], image


def test_everything_the_dockerfile_copies_is_let_in() -> None:
    allowed = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    for name, text in instructions():
        if name == "COPY" and "--from" not in text:
            for source in [part for part in text.split()[:-1] if not part.startswith("--")]:
                assert (ROOT / source).exists(), source
                assert any(Path(source).match(pattern) or source == pattern for pattern in allowed), source


def test_compose_mounts_files_that_exist_and_has_no_default_secret() -> None:
    text = (ROOT / "compose.yaml").read_text(encoding="utf-8")
    for service in COMPOSE["services"].values():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert source in COMPOSE["volumes"] or (ROOT / source).exists(), source
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
    for name in ("LITELLM_MASTER_KEY", "POSTGRES_PASSWORD", "QDRANT_API_KEY", "GRAFANA_PASSWORD"):
        assert set(re.findall(rf"\${{{name}[^}}]*}}", text)) == {f"${{{name}:?set it to a random value}}"}
    assert COMPOSE["services"]["tiergate"]["read_only"] is True
    assert {"postgres", "redis", "qdrant", "collector", "prometheus", "grafana"} <= set(COMPOSE["services"])


def test_the_policy_of_compose_is_accepted_with_the_production_config(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "litellm_config", tmp_path / "config")
    shutil.copy(ROOT / "compose" / "policy.yaml", tmp_path / "config" / "policy.yaml")
    command = [Path(sys.executable).parent / "tiergate", "check", tmp_path / "config"]
    environ = {**os.environ, "TIERGATE_LOG_URL": "postgresql+asyncpg://a:b@postgres/tiergate", "QDRANT_API_KEY": "x"}
    checked = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_compose_uses_the_stores_that_it_starts() -> None:
    policy = yaml.safe_load((ROOT / "compose" / "policy.yaml").read_text(encoding="utf-8"))
    store, proxy = policy["semantic_cache"]["store"], COMPOSE["services"]["tiergate"]
    assert store["url"] == "http://qdrant:6333"
    for reference in (store["api_key"], policy["decision_log"]["url"]):
        assert reference.removeprefix("os.environ/") in proxy["environment"]
    assert set(proxy["depends_on"]) == {"postgres", "redis", "qdrant"}
    assert not [name for name, service in COMPOSE["services"].items() if service.get("profiles")]


@pytest.mark.slow
@pytest.mark.proxy
@pytest.mark.timeout(1500)
def test_the_install_steps_give_a_proxy_that_is_healthy_and_writes_to_data_only(tmp_path: Path) -> None:
    prefix = tmp_path / "opt" / "tiergate"
    source = copy_context(tmp_path / "src")
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "COV_", "VIRTUAL"))}
    environ["SETUPTOOLS_SCM_PRETEND_VERSION"] = "0.1.0"
    stage = [text for name, text in instructions() if name == "RUN" and "/opt/tiergate" in text]
    assert len(stage) == 3
    for command in stage:
        words = shlex.split(command.replace("/opt/tiergate", str(prefix)))
        words[0] = sys.executable if words[0] == "python" else words[0]
        done = subprocess.run(words, cwd=source, env=environ, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-3000:]
    told = subprocess.run([prefix / "bin" / "tiergate", "version"], capture_output=True, text=True, check=False)
    assert told.stdout.startswith("tiergate 0.1.0")
    serve(prefix, source / "litellm_config", tmp_path)


def copy_context(target: Path) -> Path:
    """Copy what the Dockerfile's first stage copies."""
    target.mkdir()
    copies = [text.split() for name, text in instructions() if name == "COPY" and "--" not in text]
    for *sources, folder in copies:
        for source in sources:
            place = target / folder / Path(source).name if folder.endswith("/") else target / folder
            place.parent.mkdir(parents=True, exist_ok=True)
            if (ROOT / source).is_dir():
                shutil.copytree(ROOT / source, place, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
            else:
                shutil.copy(ROOT / source, place / source if place.is_dir() else place)
    return target


def serve(prefix: Path, config: Path, folder: Path) -> None:
    """Start the image's entry point; it may write to its data folder and to the stand-in of /tmp only."""
    for name in ("data", "scratch"):
        (folder / name).mkdir()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environ = {
        "PATH": f"{prefix / 'bin'}:/usr/bin:/bin",
        "HOME": str(folder / "scratch"),
        "TMPDIR": str(folder / "scratch"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "LITELLM_UI_PATH": str(folder / "scratch" / "ui"),
        "LITELLM_MASTER_KEY": new_key(),
        **dict.fromkeys(("OPENAI_API_KEY", "DEEPSEEK_API_KEY", "ANTHROPIC_API_KEY"), "none"),
    }
    command = [prefix / "bin" / "litellm", "--config", config / "config.yaml", "--host", "127.0.0.1"]
    before = snapshot(prefix) | snapshot(config)
    with (folder / "proxy.log").open("wb") as log:
        proxy = subprocess.Popen(
            [*command, "--port", str(port)],
            cwd=folder / "data",
            env=environ,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        healthy = wait_healthy(port, proxy)
        assert healthy, (folder / "proxy.log").read_text(errors="replace")[-3000:]
        assert (folder / "data" / "data" / "decisions.db").is_file()
    finally:
        os.killpg(proxy.pid, signal.SIGTERM)
        proxy.wait(30)
    assert snapshot(prefix) | snapshot(config) == before


def snapshot(folder: Path) -> dict[Path, tuple[int, int]]:
    """Return size and time of change of every file below a folder."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path: (path.stat().st_size, path.stat().st_mtime_ns) for path in files}


def wait_healthy(port: int, proxy: "subprocess.Popen[bytes]") -> bool:
    """Run the HEALTHCHECK's own command until it succeeds."""
    (check,) = [text for name, text in instructions() if name == "HEALTHCHECK"]
    assert "/health/liveliness" in check
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and proxy.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/liveliness", timeout=4):
                return True
        except (urllib.error.URLError, OSError):
            time.sleep(0.5)
    return False
