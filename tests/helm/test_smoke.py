import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from tests.helm.conftest import Chart, Document

TEMPLATE = "tests/smoke.yaml"
Script = Callable[..., subprocess.CompletedProcess[str]]


def container_of(document: Document) -> dict[str, Any]:
    return document["spec"]["containers"][0]


class StandIn(BaseHTTPRequestHandler):
    """A proxy with one fault, taken from the server."""

    def do_GET(self) -> None:
        fault = self.server.fault
        keyed = self.headers.get("Authorization") == "Bearer sk-right" or fault == "open"
        status = 200 if keyed or self.path.startswith("/health") else 401
        if self.path.endswith(fault):
            status = 503
        models = [] if fault == "no entry model" else [{"id": "auto"}]
        body = json.dumps({"data": models}).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def run_script(chart: Chart) -> Script:
    """Run the pod's script against a stand-in with a fault."""
    container = container_of(chart.document(TEMPLATE))

    def run(fault: str = "none") -> subprocess.CompletedProcess[str]:
        server = HTTPServer(("127.0.0.1", 0), StandIn)
        server.fault = fault
        threading.Thread(target=server.serve_forever, daemon=True).start()
        settings = {"PROXY_URL": f"http://127.0.0.1:{server.server_port}", "LITELLM_MASTER_KEY": "sk-right"}
        try:
            return subprocess.run(
                [sys.executable, "-c", *container["args"]],
                env={**os.environ, "ENTRY_MODELS": "auto", **settings, "no_proxy": "*"},
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
        finally:
            server.shutdown()
            server.server_close()

    return run


def test_it_is_a_helm_test_of_the_service(chart: Chart) -> None:
    document = chart.document(TEMPLATE, {"service.port": 8080})
    assert document["metadata"]["annotations"]["helm.sh/hook"] == "test"
    variables = {entry["name"]: entry.get("value") for entry in container_of(document)["env"]}
    assert variables["PROXY_URL"] == "http://tiergate:8080"


def test_it_asks_for_the_policys_entry_models(chart: Chart) -> None:
    changes = {"config.policy": {"entry_models": ["auto", "tier-simple"]}}
    variables = {entry["name"]: entry.get("value") for entry in container_of(chart.document(TEMPLATE, changes))["env"]}
    assert variables["ENTRY_MODELS"] == "auto,tier-simple"


def test_a_sound_proxy_passes(run_script: Script) -> None:
    done = run_script()
    assert done.returncode == 0, done.stdout + done.stderr
    assert "FAILED" not in done.stdout


@pytest.mark.parametrize(
    ("fault", "line"),
    [
        ("/health/liveliness", "FAILED /health/liveliness answers 200"),
        ("/health/readiness", "FAILED /health/readiness answers 200"),
        ("open", "FAILED /v1/models refuses a caller without a key"),
        ("no entry model", "FAILED /v1/models offers auto"),
        ("/v1/models", "FAILED /v1/models answers the master key"),
    ],
)
def test_a_faulty_proxy_fails_and_says_where(run_script: Script, fault: str, line: str) -> None:
    done = run_script(fault)
    assert done.returncode == 1
    assert line in done.stdout


def test_it_runs_without_privileges(chart: Chart) -> None:
    document = chart.document(TEMPLATE)
    assert document["spec"]["securityContext"]["runAsNonRoot"] is True
    assert container_of(document)["securityContext"]["readOnlyRootFilesystem"] is True


def test_it_is_left_out_for_an_existing_release(existing: Chart) -> None:
    assert existing.find(TEMPLATE) is None
