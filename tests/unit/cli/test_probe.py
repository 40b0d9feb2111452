"""`tiergate probe`: exit codes, table and JSON, against a server over HTTP."""

import json
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest
from typer.testing import Result


class Proxy(BaseHTTPRequestHandler):
    """Answers every request as a small tier would, and refuses another key."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200 if self.headers["authorization"] == "Bearer sk-test" else 401)
        for name, value in {"decision-id": "d", "tier": "simple", "cache": "miss", "gate": "trusted"}.items():
            self.send_header(f"x-tiergate-{name}", value)
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@pytest.fixture
def address(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("LITELLM_MASTER_KEY", "sk-test")
    server = HTTPServer(("127.0.0.1", 0), Proxy)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def write(tier: str) -> None:
    text = f"probes:\n  - {{name: capital, prompt: 'Where?', expect: {{tier: {tier}}}}}\n"
    Path("probes.yaml").write_text(text + "  - {name: weak, prompt: x, stand_in: true, expect: {}}\n", encoding="utf-8")


def test_probes_as_expected_are_exit_code_zero(tiergate: Callable[..., Result], address: str) -> None:
    write("simple")
    result = tiergate("probe", ".", "--base-url", f"{address}/v1", "--fresh")
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["ok", "capital", "200", "simple", "miss", "trusted"]
    assert lines[1] == "skip  weak: it needs stand-in providers"
    assert lines[-1] == "1 of 1 probes as expected, 100% needed"


def test_a_difference_is_exit_code_one(tiergate: Callable[..., Result], address: str) -> None:
    write("medium")
    result = tiergate("probe", ".", "--base-url", address)
    assert result.exit_code == 1
    assert "tier is simple, not medium" in result.stdout


def test_json_holds_every_probe(tiergate: Callable[..., Result], address: str) -> None:
    write("simple")
    report = json.loads(tiergate("probe", ".", "--base-url", address, "--json").stdout)
    assert (report["ok"], report["sent"], report["skipped"]) == (True, 1, ["weak"])
    assert report["probes"][0]["tier"] == "simple"


def test_the_key_s_variable_is_named(
    tiergate: Callable[..., Result], address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("simple")
    monkeypatch.setenv("OTHER", "sk-other")
    assert "status is 401" in tiergate("probe", ".", "--base-url", address, "--key", "OTHER").stdout
    result = tiergate("probe", ".", "--base-url", address, "--key", "NOWHERE")
    assert result.exit_code == 2
    assert "NOWHERE is not set" in result.stderr


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "localhost:4000"])
def test_no_proxy_is_exit_code_two(tiergate: Callable[..., Result], url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LITELLM_MASTER_KEY", "sk-test")
    write("simple")
    result = tiergate("probe", ".", "--base-url", url)
    assert result.exit_code == 2
    assert "Fix: " in result.stderr


def test_a_broken_file_is_exit_code_two(tiergate: Callable[..., Result], address: str) -> None:
    result = tiergate("probe", ".", "--base-url", address)
    assert result.exit_code == 2
    assert "probes.yaml" in result.stderr
