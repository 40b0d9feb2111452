"""What the Deployment would start, started here: LiteLLM on the rendered files, probed and tested as in a cluster.

Paths of the pod are moved below a temporary folder; everything else is the manifest's own.
"""

import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.helm.conftest import ONE_POD, Chart

from tiergate.demo.proxy_process import free_port

START_S = 180
pytestmark = [pytest.mark.proxy, pytest.mark.gateway, pytest.mark.timeout(300)]


class Pod:
    """The Deployment's container as a process."""

    def __init__(self, root: Path, chart: Chart) -> None:
        self.root, self.port, self.key = root, free_port(), f"sk-{secrets.token_hex(16)}"
        self.url = f"http://127.0.0.1:{self.port}"
        self.container = chart.document("deployment.yaml")["spec"]["template"]["spec"]["containers"][0]
        self.smoke = chart.document("tests/smoke.yaml")["spec"]["containers"][0]
        files = chart.document("configmap.yaml")["data"]
        for mount in self.container["volumeMounts"]:
            place = self.moved(mount["mountPath"])
            if mount["name"] == "config":
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_text(files[mount["subPath"]], encoding="utf-8")
            else:
                place.mkdir(parents=True, exist_ok=True)
            if mount["name"] == "models":
                for name, text in chart.document("configmap-models.yaml")["data"].items():
                    (place / name).write_text(text, encoding="utf-8")

    def moved(self, path: str) -> Path:
        """Return where a path of the pod is here."""
        return self.root / path.lstrip("/")

    def environ(self) -> dict[str, str]:
        """Return the container's environment; a Secret's keys get values made up here."""
        environ = {key: os.environ[key] for key in ("PATH", "LANG", "PYTHONPATH") if key in os.environ}
        for entry in self.container["env"]:
            value = entry.get("value", self.key)
            environ[entry["name"]] = str(self.moved(value)) if value.startswith("/") else value
        providers = ("OPENAI_API_KEY", "DEEPSEEK_API_KEY", "ANTHROPIC_API_KEY")
        return {**environ, **dict.fromkeys(providers, "sk-none")}

    def start(self) -> subprocess.Popen[bytes]:
        """Start the container's command on a free port."""
        arguments = [str(self.moved(each)) if each.startswith("/") else each for each in self.container["args"]]
        arguments = [str(self.port) if each == "4000" else each for each in arguments]
        command = [str(Path(sys.executable).parent / self.container["command"][0]), *arguments]
        log = (self.root / "log").open("wb")
        with log:
            return subprocess.Popen(
                command, cwd=self.moved(self.container["workingDir"]), env=self.environ(), stdout=log, stderr=log
            )

    def probe(self, name: str) -> bool:
        """Do what the kubelet does for a probe."""
        try:
            return httpx.get(self.url + self.container[name]["httpGet"]["path"], timeout=5, trust_env=False).is_success
        except httpx.HTTPError:
            return False


@pytest.fixture(scope="module")
def pod(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pod]:
    running = Pod(tmp_path_factory.mktemp("pod"), Chart(ONE_POD))
    process = running.start()
    try:
        end = time.monotonic() + START_S
        while not running.probe("startupProbe"):
            log = (running.root / "log").read_text(encoding="utf-8", errors="replace")
            assert process.poll() is None, log[-3000:]
            assert time.monotonic() < end, log[-3000:]
            time.sleep(0.5)
        yield running
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)


def test_the_probes_of_the_pod_succeed(pod: Pod) -> None:
    assert pod.probe("livenessProbe")
    assert pod.probe("readinessProbe")


def test_helm_test_passes(pod: Pod) -> None:
    settings = {"PROXY_URL": pod.url, "LITELLM_MASTER_KEY": pod.key, "ENTRY_MODELS": "auto", "no_proxy": "*"}
    done = subprocess.run(
        [sys.executable, "-c", *pod.smoke["args"]],
        env={"PATH": os.environ["PATH"], **settings},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_metrics_hold_the_gauge_that_the_autoscaler_reads(pod: Pod) -> None:
    [endpoint] = Chart(ONE_POD).document("servicemonitor.yaml", {"serviceMonitor.enabled": True})["spec"]["endpoints"]
    assert endpoint["authorization"]["credentials"]["key"] == "LITELLM_MASTER_KEY"
    headers = {"Authorization": f"Bearer {pod.key}"}
    url = pod.url + endpoint["path"]
    follow = endpoint["followRedirects"]
    answer = httpx.get(url, headers=headers, timeout=10, trust_env=False, follow_redirects=follow)
    assert answer.status_code == 200
    assert "litellm_in_flight_requests" in answer.text


def test_it_writes_to_its_volumes_alone(pod: Pod) -> None:
    volumes = [pod.moved(each["mountPath"]) for each in pod.container["volumeMounts"]]
    written = [path for path in pod.root.rglob("*") if path.is_file() and path != pod.root / "log"]
    strays = [path for path in written if not any(path.is_relative_to(volume) for volume in volumes)]
    assert strays == []
    assert [path for path in written if path.is_relative_to(pod.moved("/data"))]
