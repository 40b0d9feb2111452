import importlib
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry import _logs, metrics, trace
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

from tiergate.telemetry.providers import Providers, build_exporter, wants
from tiergate.telemetry.record import DecisionRecord
from tiergate.telemetry.sampling import DecisionSampler
from tiergate.telemetry.spans import DecisionTracer

HERE = "http://127.0.0.1:9"


@pytest.fixture
def no_prometheus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.prometheus", None)


@pytest.fixture
def providers() -> Iterator[list[Providers]]:
    made: list[Providers] = []
    yield made
    for provider in made:
        provider.close()


@pytest.mark.parametrize(
    ("environ", "traces", "metrics_", "logs"),
    [
        ({}, False, False, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": HERE}, True, False, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": HERE, "OTEL_TRACES_EXPORTER": "none"}, False, False, False),
        ({"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": HERE}, False, True, False),
        ({"OTEL_METRICS_EXPORTER": "otlp,console", "OTEL_LOGS_EXPORTER": "otlp"}, False, True, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": HERE, "OTEL_SDK_DISABLED": "true"}, False, False, False),
    ],
)
def test_what_the_environment_asks_for(environ: dict[str, str], traces: bool, metrics_: bool, logs: bool) -> None:  # noqa: FBT001  a table of expectations
    assert [wants(environ, signal) for signal in ("TRACES", "METRICS", "LOGS")] == [traces, metrics_, logs]


def test_spans_go_where_the_hosts_go_also_those_that_the_host_drops(
    escalated: DecisionRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    exporter = InMemorySpanExporter()
    host = TracerProvider(sampler=ALWAYS_OFF, resource=Resource.create({"service.name": "litellm"}))
    host.add_span_processor(SimpleSpanProcessor(exporter))
    providers = Providers({})
    tracer = DecisionTracer(providers.tracers)
    tracer.record(escalated)
    assert exporter.get_finished_spans() == ()
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: host)
    tracer.record(escalated)
    names = {span.name for span in exporter.get_finished_spans()}
    assert "tiergate.decision" in names
    assert exporter.get_finished_spans()[0].resource.attributes["service.name"] == "litellm"
    assert providers.tracers() is providers.tracers()


@pytest.mark.usefixtures("no_prometheus")
@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
def test_without_a_host_the_environment_decides_and_the_process_keeps_its_own(
    providers: list[Providers], protocol: str
) -> None:
    environ = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": HERE,
        "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
        "OTEL_METRICS_EXPORTER": "otlp",
        "OTEL_LOGS_EXPORTER": "otlp",
    }
    own = Providers(environ)
    providers.append(own)
    tracers = own.tracers()
    assert isinstance(tracers, TracerProvider)
    assert isinstance(tracers.sampler, DecisionSampler)
    assert isinstance(own.events(), LoggerProvider)
    assert own.events() is own.events()
    process, mine = own.meters()
    assert process is None
    assert isinstance(mine, MeterProvider)
    assert not isinstance(trace.get_tracer_provider(), TracerProvider)
    assert not isinstance(metrics.get_meter_provider(), MeterProvider)
    assert not isinstance(_logs.get_logger_provider(), LoggerProvider)


@pytest.mark.usefixtures("no_prometheus")
def test_without_host_and_environment_nothing_is_built() -> None:
    own = Providers({})
    assert not isinstance(own.tracers(), TracerProvider)
    assert not isinstance(own.events(), LoggerProvider)
    assert own.meters() == [None]


def test_measurements_are_on_the_endpoint_that_litellm_serves(providers: list[Providers]) -> None:
    client = pytest.importorskip("prometheus_client")
    own = Providers({})
    providers.append(own)
    _, mine = own.meters()
    assert mine is not None
    mine.get_meter("tiergate").create_counter("tiergate.requests").add(1)
    assert "tiergate_requests_total 1.0" in client.generate_latest().decode()


def test_an_unknown_protocol_is_named() -> None:
    with pytest.raises(ValueError, match="http/json"):
        build_exporter({"OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"}, "TRACES")


@pytest.mark.parametrize("signal", ["TRACES", "METRICS", "LOGS"])
@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
def test_every_signal_has_an_exporter_of_every_protocol(signal: str, protocol: str) -> None:
    exporter: Any = build_exporter({f"OTEL_EXPORTER_OTLP_{signal}_PROTOCOL": protocol}, signal)
    assert importlib.import_module(type(exporter).__module__).__name__.startswith("opentelemetry.exporter.otlp")
    exporter.shutdown()
