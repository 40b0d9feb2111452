import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

TEMPLATE = "tests/smoke.yaml"


def container_of(document):
    return document["spec"]["containers"][0]


class StandIn(BaseHTTPRequestHandler):
    """A proxy with one fault, taken from the server."""

    def do_GET(self):  # noqa: N802  the name http.server asks for
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

    def log_message(self, *_):
        pass


@pytest.fixture
def run_script(chart):
    """Run the pod's script against a stand-in with a fault."""
    container = container_of(chart.document(TEMPLATE))

    def run(fault="none"):
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


def test_it_is_a_helm_test_of_the_service(chart):
    document = chart.document(TEMPLATE, {"service.port": 8080})
    assert document["metadata"]["annotations"]["helm.sh/hook"] == "test"
    variables = {entry["name"]: entry.get("value") for entry in container_of(document)["env"]}
    assert variables["PROXY_URL"] == "http://tiergate:8080"


def test_it_asks_for_the_policys_entry_models(chart):
    changes = {"config.policy": {"entry_models": ["auto", "tier-simple"]}}
    variables = {entry["name"]: entry.get("value") for entry in container_of(chart.document(TEMPLATE, changes))["env"]}
    assert variables["ENTRY_MODELS"] == "auto,tier-simple"


def test_a_sound_proxy_passes(run_script):
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
def test_a_faulty_proxy_fails_and_says_where(run_script, fault, line):
    done = run_script(fault)
    assert done.returncode == 1
    assert line in done.stdout


def test_it_runs_without_privileges(chart):
    document = chart.document(TEMPLATE)
    assert document["spec"]["securityContext"]["runAsNonRoot"] is True
    assert container_of(document)["securityContext"]["readOnlyRootFilesystem"] is True


def test_it_is_left_out_for_an_existing_release(existing):
    assert existing.find(TEMPLATE) is None
