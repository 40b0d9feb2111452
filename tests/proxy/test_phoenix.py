"""A real back end for traces: one request is one trace in Phoenix, read back through its API."""

import os
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tiergate.demo.proxy_process import free_port

pytestmark = [pytest.mark.proxy, pytest.mark.slow, pytest.mark.timeout(900)]

ROOT = Path(__file__).parents[2]
WEAK = "What is the national bird of Tuvalu?"
CLIENTS_SPAN = "b7ad6b7169203331"


@dataclass(frozen=True, slots=True, kw_only=True)
class Phoenix:
    """A running Phoenix."""

    http: str
    grpc: str

    def spans(self, trace_id: str) -> list[dict[str, Any]]:
        """Return the spans of a trace that Phoenix holds."""
        url = f"{self.http}/v1/projects/default/spans"
        with httpx.Client(trust_env=False, timeout=30) as client:
            listed = client.get(url, params={"limit": 1000})
        listed.raise_for_status()
        return [span for span in listed.json()["data"] if span["context"]["trace_id"] == trace_id]

    def await_spans(self, trace_id: str, names: set[str]) -> list[dict[str, Any]]:
        """Return the spans of a trace once those of these names are there."""
        for _ in range(120):
            spans = self.spans(trace_id)
            if names <= {span["name"] for span in spans}:
                return spans
            time.sleep(0.5)
        raise AssertionError(f"only {sorted({span['name'] for span in self.spans(trace_id)})}")


@pytest.fixture(scope="module")
def phoenix(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Phoenix]:
    subprocess.run(["make", ".venv-phoenix/.phoenix"], cwd=ROOT, check=True)
    folder = tmp_path_factory.mktemp("phoenix")
    http, grpc = free_port(), free_port()
    environ = {
        **os.environ,
        "PHOENIX_WORKING_DIR": str(folder),
        "PHOENIX_HOST": "127.0.0.1",
        "PHOENIX_PORT": str(http),
        "PHOENIX_GRPC_PORT": str(grpc),
        "PHOENIX_TELEMETRY_ENABLED": "false",
    }
    with (folder / "phoenix.log").open("wb") as log:
        process = subprocess.Popen(
            [str(ROOT / ".venv-phoenix" / "bin" / "phoenix"), "serve"], env=environ, stdout=log, stderr=log, cwd=folder
        )
        try:
            await_ready(f"http://127.0.0.1:{http}/v1/projects", process, folder / "phoenix.log")
            yield Phoenix(http=f"http://127.0.0.1:{http}", grpc=f"http://127.0.0.1:{grpc}")
        finally:
            process.terminate()
            process.wait(timeout=30)


def await_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(240):
        try:
            if httpx.get(url, trust_env=False).is_success:
                return
        except httpx.HTTPError:
            assert process.poll() is None, log.read_text()
        time.sleep(0.5)
    raise AssertionError(log.read_text())


def without_domains(policy: dict[str, Any]) -> None:
    policy["domains"] = {}


def with_otel(config: dict[str, Any]) -> None:
    config["litellm_settings"]["callbacks"].append("otel")


@pytest.mark.parametrize(("protocol", "v2"), [("http/protobuf", "true"), ("http/protobuf", "false"), ("grpc", "none")])
def test_one_request_is_one_trace_from_the_client_to_both_calls(
    phoenix: Phoenix, start_gateway: Any, protocol: str, v2: str
) -> None:
    endpoint = phoenix.grpc if protocol == "grpc" else phoenix.http
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_EXPORTER_OTLP_PROTOCOL": protocol}
    environ |= {"OTEL_BSP_SCHEDULE_DELAY": "100"}
    if v2 != "none":
        environ |= {"OTEL_EXPORTER": "otlp_http", "OTEL_ENDPOINT": endpoint, "LITELLM_OTEL_V2": v2}
    trace_id = os.urandom(16).hex()
    changes = {"policy": without_domains, "environ": environ, **({"config": with_otel} if v2 != "none" else {})}
    with start_gateway(**changes) as gateway:
        with gateway.proxy.client("sk-ann-blue") as client:
            body = {"model": "auto", "messages": [{"role": "user", "content": WEAK}]}
            trace_context = {"traceparent": f"00-{trace_id}-{CLIENTS_SPAN}-01"}
            headers = client.post("/v1/chat/completions", json=body, headers=trace_context).headers
        record = gateway.final_record(headers["x-tiergate-decision-id"])
        ours = {"tiergate.decision", "tiergate.call", "tiergate.confidence_gate", "tiergate.intent_router"}
        spans = phoenix.await_spans(trace_id, ours)
    check(spans, record, headers)
    if v2 == "true":
        assert [span for span in spans if span["name"].startswith("chat ")]
        assert [span for span in spans if span["name"] == "POST /v1/chat/completions"]
    if v2 == "false":
        assert [span for span in spans if span["name"] == "litellm_request"]


def check(spans: list[dict[str, Any]], record: dict[str, Any], headers: Any) -> None:
    """Check that the trace, the record and the headers tell the same."""
    by_name: dict[str, list[dict[str, Any]]] = {}
    for span in spans:
        by_name.setdefault(span["name"], []).append(span)
    (decision,) = by_name["tiergate.decision"]
    calls = sorted(by_name["tiergate.call"], key=lambda span: str(span["start_time"]))
    (gate,), (route,) = by_name["tiergate.confidence_gate"], by_name["tiergate.intent_router"]
    ids = {span["context"]["span_id"] for span in spans}
    assert decision["parent_id"] in ids | {CLIENTS_SPAN}
    assert {span["parent_id"] for span in (*calls, gate, route)} == {decision["context"]["span_id"]}
    facts = decision["attributes"]
    assert record["trace_id"] == decision["context"]["trace_id"]
    assert facts["tiergate.decision.id"] == headers["x-tiergate-decision-id"] == record["decision_id"]
    assert facts["tiergate.final_tier"] == headers["x-tiergate-tier"] == record["final_tier"] == "medium"
    assert facts["tiergate.cost_usd"] == record["cost_usd"]
    assert float(headers["x-tiergate-cost-usd"]) == pytest.approx(record["cost_usd"], abs=1e-8)
    assert [call["attributes"]["tiergate.call.tier"] for call in calls] == ["simple", "medium"]
    assert [call["attributes"]["tiergate.call.cost_usd"] for call in calls] == [
        call["cost_usd"] for call in record["calls"]
    ]
    assert gate["attributes"]["tiergate.confidence_gate.confidence"] == record["gate"]["confidence"]
    # The client hears of the answer that it got; the gate span of the one that was escalated.
    assert float(headers["x-tiergate-confidence"]) == pytest.approx(record["gate"]["final_confidence"], abs=1e-4)
    assert route["attributes"]["tiergate.intent_router.score"] == record["route"]["score"]
    assert WEAK not in str([span for span in spans if span["name"].startswith("tiergate.")])
