"""Spans, measurements and events of a real proxy, received over OTLP: one request is one trace."""

import threading
import time
from collections.abc import Iterator, Mapping
from concurrent import futures
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import grpc
import pytest
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2, logs_service_pb2_grpc
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2, metrics_service_pb2_grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc

pytestmark = [pytest.mark.proxy, pytest.mark.gateway]

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
TRACEPARENT = {"traceparent": f"00-{TRACE_ID}-b7ad6b7169203331-01"}
WEAK = "What is the national bird of Tuvalu?"
REQUESTS = {
    "/v1/traces": trace_service_pb2.ExportTraceServiceRequest,
    "/v1/metrics": metrics_service_pb2.ExportMetricsServiceRequest,
    "/v1/logs": logs_service_pb2.ExportLogsServiceRequest,
}


@dataclass(slots=True)
class Sink:
    """An OTLP back end on loopback that keeps what it is sent."""

    endpoint: str
    received: list[Any] = field(default_factory=list)

    def spans(self) -> dict[str, list[Any]]:
        """Return the spans so far, by name."""
        found: dict[str, list[Any]] = {}
        for request in [item for item in self.received if hasattr(item, "resource_spans")]:
            for resource in request.resource_spans:
                for scope in resource.scope_spans:
                    for span in scope.spans:
                        found.setdefault(span.name, []).append(span)
        return found

    def await_span(self, name: str, *, count: int = 1) -> list[Any]:
        """Return the spans of a name once there are so many."""
        for _ in range(300):
            if len(self.spans().get(name, ())) >= count:
                return self.spans()[name]
            time.sleep(0.05)
        raise AssertionError(f"no {name} among {sorted(self.spans())}")

    def events(self) -> list[Any]:
        """Return the log records so far."""
        return [
            record
            for request in self.received
            if hasattr(request, "resource_logs")
            for resource in request.resource_logs
            for scope in resource.scope_logs
            for record in scope.log_records
        ]

    def metrics(self) -> dict[str, Any]:
        """Return the last state of each metric."""
        return {
            metric.name: metric
            for request in self.received
            if hasattr(request, "resource_metrics")
            for resource in request.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }


@pytest.fixture
def http_sink() -> Iterator[Sink]:
    received: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.headers.get("content-encoding") == "gzip":
                raise AssertionError("nobody asked for compression")
            request = REQUESTS[self.path]()
            request.ParseFromString(body)
            received.append(request)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield Sink(f"http://127.0.0.1:{server.server_port}", received)
    server.shutdown()


@pytest.fixture
def grpc_sink() -> Iterator[Sink]:
    sink = Sink("")

    class Servicer:
        def Export(self, request: Any, _: Any) -> Any:  # noqa: N802  its name in OTLP
            sink.received.append(request)
            return trace_service_pb2.ExportTraceServiceResponse()

    server = grpc.server(futures.ThreadPoolExecutor(2))
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(Servicer(), server)
    metrics_service_pb2_grpc.add_MetricsServiceServicer_to_server(Servicer(), server)
    logs_service_pb2_grpc.add_LogsServiceServicer_to_server(Servicer(), server)
    sink.endpoint = f"http://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    yield sink
    server.stop(None)


def attributes(span: Any) -> dict[str, Any]:
    return {item.key: getattr(item.value, item.value.WhichOneof("value")) for item in span.attributes}


def without_domains(policy: dict[str, Any]) -> None:
    policy["domains"] = {}


def with_otel(config: dict[str, Any]) -> None:
    config["litellm_settings"]["callbacks"].append("otel")


def ask_traced(gateway: Any, prompt: str) -> Mapping[str, str]:
    with gateway.proxy.client("sk-ann-blue") as client:
        body = {"model": "auto", "messages": [{"role": "user", "content": prompt}]}
        headers: Mapping[str, str] = client.post("/v1/chat/completions", json=body, headers=TRACEPARENT).headers
    return headers


def environ_for(sink: Sink, protocol: str) -> dict[str, str]:
    return {
        "OTEL_EXPORTER_OTLP_ENDPOINT": sink.endpoint,
        "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
        "OTEL_BSP_SCHEDULE_DELAY": "100",
        "OTEL_BLRP_SCHEDULE_DELAY": "100",
        "OTEL_METRIC_EXPORT_INTERVAL": "200",
    }


def check_trace(gateway: Any, sink: Sink, headers: Mapping[str, str]) -> Any:
    """Check that the decision's spans are whole and tell what header and row tell; return the decision's span."""
    record = gateway.final_record(headers["x-tiergate-decision-id"])
    (decision,) = sink.await_span("tiergate.decision")
    weak, strong = sorted(sink.await_span("tiergate.call", count=2), key=lambda span: span.start_time_unix_nano)
    (gate,) = sink.await_span("tiergate.confidence_gate")
    (route,) = sink.await_span("tiergate.intent_router")
    assert {span.trace_id.hex() for span in (decision, weak, strong, gate, route)} == {TRACE_ID}
    assert {span.parent_span_id for span in (weak, strong, gate, route)} == {decision.span_id}
    assert [link.span_id for link in strong.links] == [weak.span_id]
    facts = attributes(decision)
    assert facts["tiergate.decision.id"] == record["decision_id"]
    assert facts["tiergate.final_tier"] == record["final_tier"] == headers["x-tiergate-tier"] == "medium"
    assert facts["tiergate.cost_usd"] == record["cost_usd"]
    assert float(headers["x-tiergate-cost-usd"]) == pytest.approx(record["cost_usd"], abs=1e-8)
    confidence = attributes(gate)["tiergate.confidence_gate.confidence"]
    assert confidence == record["gate"]["confidence"]
    assert float(headers["x-tiergate-confidence"]) == pytest.approx(record["gate"]["final_confidence"], abs=1e-4)
    assert attributes(route)["tiergate.intent_router.score"] == record["route"]["score"]
    assert [attributes(span)["tiergate.call.cost_usd"] for span in (weak, strong)] == [
        call["cost_usd"] for call in record["calls"]
    ]
    assert record["trace_id"] == TRACE_ID
    assert not [name for span in (decision, gate, route, weak, strong) for name in attributes(span) if "prompt" in name]
    return decision


@pytest.mark.parametrize("v2", ["false", "true"])
def test_under_litellms_own_tracing_a_request_is_one_trace(start_gateway: Any, http_sink: Sink, v2: str) -> None:
    environ = {
        **environ_for(http_sink, "http/protobuf"),
        "OTEL_EXPORTER": "otlp_http",
        "OTEL_ENDPOINT": http_sink.endpoint,
        "LITELLM_OTEL_V2": v2,
    }
    with start_gateway(policy=without_domains, config=with_otel, environ=environ) as gateway:
        headers = ask_traced(gateway, WEAK)
        decision = check_trace(gateway, http_sink, headers)
        calls = await_litellms_calls(http_sink)
    assert {span.trace_id.hex() for span in calls} == {TRACE_ID}
    # Where LiteLLM hangs its own spans of the call, ours hang too.
    assert {span.parent_span_id for span in calls} == {decision.parent_span_id}
    if v2 == "true":
        (server,) = [
            span for spans in http_sink.spans().values() for span in spans if span.span_id == decision.parent_span_id
        ]
        assert server.kind == server.SPAN_KIND_SERVER
        assert server.parent_span_id.hex() == "b7ad6b7169203331"


def await_litellms_calls(sink: Sink) -> list[Any]:
    """Return LiteLLM's own spans of the cheap and of the strong call."""
    found: list[Any] = []
    for _ in range(200):
        spans = sink.spans()
        found = [
            span for name in spans if name == "litellm_request" or name.startswith("chat ") for span in spans[name]
        ]
        if len(found) == 2:
            break
        time.sleep(0.05)
    assert len(found) == 2, sorted(sink.spans())
    return found


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
def test_without_litellms_tracing_ours_goes_over_otlp_into_the_clients_trace(
    start_gateway: Any, protocol: str, request: pytest.FixtureRequest
) -> None:
    sink: Sink = request.getfixturevalue("grpc_sink" if protocol == "grpc" else "http_sink")
    environ = {**environ_for(sink, protocol), "OTEL_METRICS_EXPORTER": "otlp", "OTEL_LOGS_EXPORTER": "otlp"}
    with start_gateway(policy=without_domains, environ=environ) as gateway:
        headers = ask_traced(gateway, WEAK)
        decision = check_trace(gateway, sink, headers)
        assert decision.parent_span_id.hex() == "b7ad6b7169203331"
        record = gateway.final_record(headers["x-tiergate-decision-id"])
        check_event(sink, record)
        check_exemplars(sink, record, headers)


def check_event(sink: Sink, record: dict[str, Any]) -> None:
    for _ in range(200):
        if sink.events():
            break
        time.sleep(0.05)
    (event,) = sink.events()
    weak = min(sink.spans()["tiergate.call"], key=lambda span: span.start_time_unix_nano)
    assert event.event_name == "gen_ai.evaluation.result"
    assert (event.trace_id.hex(), event.span_id) == (TRACE_ID, weak.span_id)
    assert attributes(event)["gen_ai.evaluation.score.value"] == record["gate"]["confidence"]


def check_exemplars(sink: Sink, record: dict[str, Any], headers: Mapping[str, str]) -> None:
    """Check that exemplars lead to the trace, and that metrics, the log's row and the headers tell the same."""
    for _ in range(200):
        if "tiergate.confidence_gate.confidence" in sink.metrics():
            break
        time.sleep(0.05)
    (point,) = sink.metrics()["tiergate.confidence_gate.confidence"].histogram.data_points
    (exemplar,) = point.exemplars
    assert exemplar.trace_id.hex() == TRACE_ID
    assert exemplar.as_double == record["gate"]["confidence"]
    costs = sink.metrics()["tiergate.cost_usd"].sum.data_points
    assert sum(point.as_double for point in costs) == pytest.approx(record["cost_usd"])
    paid = [exemplar for point in costs for exemplar in point.exemplars]
    assert {exemplar.trace_id.hex() for exemplar in paid} == {TRACE_ID} == {record["trace_id"]}
    assert sum(exemplar.as_double for exemplar in paid) == pytest.approx(
        float(headers["x-tiergate-cost-usd"]), abs=1e-8
    )
    (decided,) = sink.metrics()["tiergate.requests"].sum.data_points
    assert attributes(decided)["tier"] == headers["x-tiergate-tier"] == record["final_tier"]


def test_an_escalation_is_kept_when_the_host_keeps_nothing(start_gateway: Any, http_sink: Sink) -> None:
    environ = {
        **environ_for(http_sink, "http/protobuf"),
        "OTEL_EXPORTER": "otlp_http",
        "OTEL_ENDPOINT": http_sink.endpoint,
        "OTEL_TRACES_SAMPLER": "always_off",
    }
    with start_gateway(policy=without_domains, config=with_otel, environ=environ) as gateway:
        gateway.ask("What is the capital of Italy?")
        _, headers = gateway.ask(WEAK)
        (decision,) = http_sink.await_span("tiergate.decision")
        assert attributes(decision)["tiergate.decision.id"] == headers["decision-id"]
        assert {name for name in http_sink.spans() if not name.startswith("tiergate.")} == set()
