"""Where spans, measurements and events go: the host's providers, else our own when the environment asks.

| Signal | Host has a provider | None, and the environment says where to | Else |
|---|---|---|---|
| spans | its processors and resource, our sampler over its own | OTLP | nothing |
| metrics | it | OTLP, with `OTEL_METRICS_EXPORTER=otlp` or a metrics endpoint | nothing |
| events | it | OTLP, with `OTEL_LOGS_EXPORTER=otlp` or a logs endpoint | nothing |

Spans need `OTEL_EXPORTER_OTLP_ENDPOINT` or `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`. Metrics and events need to be asked
for by name, since many back ends for traces refuse them. `OTEL_EXPORTER_OTLP_PROTOCOL` is grpc, the default, or
http/protobuf.
Our own providers are never made the process's: other libraries keep theirs.
"""

import importlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

from opentelemetry import _logs, metrics, trace
from opentelemetry.metrics import MeterProvider
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider as SdkMeterProvider
from opentelemetry.sdk.metrics.export import MetricReader, PeriodicExportingMetricReader
from opentelemetry.sdk.trace import TracerProvider as SdkTracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from tiergate.telemetry.sampling import DecisionSampler

MeterProviders = Sequence[MeterProvider | None]
"""Where measurements go; None is the process's provider."""

_ENDPOINT: Final = "OTEL_EXPORTER_OTLP_ENDPOINT"
_MODULES: Final = {
    "grpc": "opentelemetry.exporter.otlp.proto.grpc",
    "http/protobuf": "opentelemetry.exporter.otlp.proto.http",
}
_EXPORTERS: Final = {
    "TRACES": ("trace_exporter", "OTLPSpanExporter"),
    "METRICS": ("metric_exporter", "OTLPMetricExporter"),
    "LOGS": ("_log_exporter", "OTLPLogExporter"),
}


class Providers:
    """Finds each provider when it is first needed, since the host sets its own only after plugins are loaded.

    Args:
        environ: The environment.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._own: list[SdkTracerProvider | SdkMeterProvider | LoggerProvider] = []
        self._tracers: trace.TracerProvider | None = None
        self._events: _logs.LoggerProvider | None = None

    def tracers(self) -> trace.TracerProvider:
        """Return where spans go; the host may set its provider at any time before the first span."""
        if self._tracers is None:
            host = trace.get_tracer_provider()
            if isinstance(host, SdkTracerProvider):
                self._tracers = _shadow(host)
            elif wants(self._environ, "TRACES"):
                own = SdkTracerProvider(sampler=DecisionSampler(SdkTracerProvider().sampler))
                own.add_span_processor(BatchSpanProcessor(build_exporter(self._environ, "TRACES")))
                self._tracers = self._keep(own)
            else:
                return host
        return self._tracers

    def events(self) -> _logs.LoggerProvider:
        """Return where events go."""
        if self._events is None:
            host = _logs.get_logger_provider()
            if isinstance(host, LoggerProvider) or not wants(self._environ, "LOGS"):
                return host
            own = LoggerProvider()
            own.add_log_record_processor(BatchLogRecordProcessor(build_exporter(self._environ, "LOGS")))
            self._events = self._keep(own)
        return self._events

    def meters(self) -> list[MeterProvider | None]:
        """Return where measurements go: the process's provider (None), and one of our own for whom it does not reach.

        Our own serves LiteLLM's Prometheus endpoint, where `tiergate[prometheus]` is installed, and OTLP.
        """
        readers: list[MetricReader] = []
        prometheus = _build_prometheus_reader()
        if prometheus is not None:
            readers.append(prometheus)
        if wants(self._environ, "METRICS") and not isinstance(metrics.get_meter_provider(), SdkMeterProvider):
            readers.append(PeriodicExportingMetricReader(build_exporter(self._environ, "METRICS")))
        if not readers:
            return [None]
        return [None, self._keep(SdkMeterProvider(metric_readers=readers))]

    def close(self) -> None:
        """Send what waits in our own providers, and close them. The host closes its own."""
        for provider in self._own:
            provider.shutdown()
        self._own.clear()

    def _keep(self, provider: Any) -> Any:
        self._own.append(provider)
        return provider


def wants(environ: Mapping[str, str], signal: str) -> bool:
    """Tell whether the environment asks for a signal (TRACES, METRICS or LOGS) over OTLP."""
    if environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return False
    chosen = environ.get(f"OTEL_{signal}_EXPORTER")
    if chosen is not None:
        return "otlp" in chosen.split(",")
    own = f"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT" in environ
    return own or (signal == "TRACES" and _ENDPOINT in environ)


def build_exporter(environ: Mapping[str, str], signal: str) -> Any:
    """Return the OTLP exporter of a signal; it reads its endpoint, headers and certificates from the environment.

    Raises:
        ValueError: The protocol is neither grpc nor http/protobuf.
    """
    protocol = environ.get(f"OTEL_EXPORTER_OTLP_{signal}_PROTOCOL") or environ.get(
        "OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"
    )
    if protocol not in _MODULES:
        raise ValueError(f"OTEL_EXPORTER_OTLP_PROTOCOL is {protocol!r}; use one of {', '.join(_MODULES)}")
    module, name = _EXPORTERS[signal]
    return getattr(importlib.import_module(f"{_MODULES[protocol]}.{module}"), name)()


def _shadow(host: SdkTracerProvider) -> SdkTracerProvider:
    """Return a provider whose spans go where the host's go, under our sampler."""
    return SdkTracerProvider(
        sampler=DecisionSampler(host.sampler),
        resource=host.resource,
        shutdown_on_exit=False,
        active_span_processor=host._active_span_processor,  # noqa: SLF001  the constructor takes it, nothing gives it
    )


def _build_prometheus_reader() -> MetricReader | None:
    try:
        exporter = importlib.import_module("opentelemetry.exporter.prometheus")
    except ImportError:
        return None
    reader: MetricReader = exporter.PrometheusMetricReader(scope_info_enabled=False)
    return reader
