import re
from dataclasses import replace

from opentelemetry.exporter import prometheus
from opentelemetry.sdk.metrics import MeterProvider
from prometheus_client import CollectorRegistry, generate_latest

from tiergate.decisions import Reason
from tiergate.telemetry.drift_meter import DriftMeter
from tiergate.telemetry.metrics import DecisionMeter
from tiergate.telemetry.prometheus_names import list_series
from tiergate.telemetry.record import DecisionRecord


def test_the_names_are_those_that_the_exporter_makes(
    escalated: DecisionRecord,
) -> None:

    registry = CollectorRegistry()
    provider = MeterProvider(metric_readers=[prometheus.PrometheusMetricReader(registry=registry)])
    meter = DecisionMeter(tiers=("simple",), domains=(), dropped=lambda: 1, provider=provider)
    for reason in (Reason.STAGE_FAILED, Reason.SLICE_CLOSED):
        meter.record(replace(escalated, cache=replace(escalated.cache, reason=reason)))
    meter.record_feedback(confidence=0.9, score=1.0, hit=False, wrong_hit=False)
    DriftMeter(domains=(), provider=provider).record([("labels", None, True)])
    lines = generate_latest(registry).decode().splitlines()
    assert {found[0] for line in lines if (found := re.match(r"tiergate_\w+", line))} == list_series()
    provider.shutdown()
