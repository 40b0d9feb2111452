"""Tests and alarms are counted, and the label of the domain is closed."""

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from tiergate.telemetry.drift_meter import DriftMeter


def test_tests_and_alarms_are_counted() -> None:
    reader = InMemoryMetricReader()
    meter = DriftMeter(domains={"legal"}, provider=MeterProvider(metric_readers=[reader]))
    meter.record([("input", None, True), ("input", "legal", False), ("score", "stranger", False)])
    data = reader.get_metrics_data()
    assert data is not None
    points = {
        (metric.name, point.attributes["type"], point.attributes["domain"]): point.value
        for scope in data.resource_metrics[0].scope_metrics
        for metric in scope.metrics
        for point in metric.data.data_points
    }
    assert points == {
        ("tiergate.drift.tests", "input", "none"): 1,
        ("tiergate.drift.tests", "input", "legal"): 1,
        ("tiergate.drift.tests", "score", "other"): 1,
        ("tiergate.drift.alarms", "input", "none"): 1,
    }
