import math
from dataclasses import replace
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.metrics import AlwaysOnExemplarFilter, MeterProvider
from opentelemetry.sdk.metrics.export import HistogramDataPoint, InMemoryMetricReader, Metric, Sum
from opentelemetry.sdk.trace import TracerProvider

from tiergate.decisions import (
    CacheDecision,
    CacheOutcome,
    GateDecision,
    GateOutcome,
    Reason,
    RouteDecision,
    RouteOutcome,
)
from tiergate.telemetry import names
from tiergate.telemetry.metrics import DecisionMeter
from tiergate.telemetry.names import Stage
from tiergate.telemetry.record import DecisionRecord
from tiergate.telemetry.spans import DecisionTracer


@pytest.fixture
def reader() -> InMemoryMetricReader:
    return InMemoryMetricReader()


@pytest.fixture
def meter(reader: InMemoryMetricReader) -> DecisionMeter:
    return build_meter(reader)


def build_meter(reader: InMemoryMetricReader, **options: Any) -> DecisionMeter:
    provider = MeterProvider(metric_readers=[reader], exemplar_filter=AlwaysOnExemplarFilter())
    return DecisionMeter(tiers=("simple", "frontier"), domains=("coding",), provider=provider, **options)


def read(reader: InMemoryMetricReader) -> dict[str, Metric]:
    data = reader.get_metrics_data()
    if data is None:
        return {}
    (scope,) = data.resource_metrics[0].scope_metrics
    return {metric.name: metric for metric in scope.metrics}


def points(metric: Metric) -> dict[tuple[tuple[str, str], ...], float]:
    """Return label set -> value of a counter, or sum of a histogram."""
    return {
        tuple(sorted(point.attributes.items())): pytest.approx(
            point.sum if isinstance(point, HistogramDataPoint) else point.value
        )
        for point in metric.data.data_points
    }


def test_an_escalated_decision_in_numbers(
    escalated: DecisionRecord, meter: DecisionMeter, reader: InMemoryMetricReader
) -> None:
    meter.record(escalated)
    found = {name: points(metric) for name, metric in read(reader).items()}
    simple, frontier = ("tier", "simple"), ("tier", "frontier")
    assert found == {
        "tiergate.requests": {
            (("cache", "miss"), ("domain", "coding"), ("gate", "escalated"), ("status", "ok"), frontier): 1
        },
        "tiergate.calls": {
            (("fallback", "true"), ("provider", "deepseek"), ("status", "ok"), simple): 1,
            (("fallback", "false"), ("provider", "anthropic"), ("status", "ok"), frontier): 1,
        },
        "tiergate.tokens": {
            (simple, ("type", "input")): 20,
            (simple, ("type", "output")): 5,
            (simple, ("type", "cached")): 8,
            (frontier, ("type", "input")): 20,
            (frontier, ("type", "output")): 50,
            (frontier, ("type", "cached")): 0,
        },
        "tiergate.cost_usd": {(simple,): 0.00001, (frontier,): 0.002},
        "tiergate.baseline_cost_usd": {(): 0.002},
        "tiergate.saved_usd": {(): 0.0},
        "tiergate.overspent_usd": {(): 0.00001},
        "tiergate.escalations": {(("domain", "coding"), ("reason", "confidence_low")): 1},
        "tiergate.hedges": {(("outcome", "skipped"), ("reason", "answered_in_time")): 1},
        "tiergate.stage.duration": {
            (("stage", "semantic_cache"),): 0.0015,
            (("stage", "intent_router"),): 0.0005,
            (("stage", "confidence_gate"),): 0.001,
        },
        "tiergate.request.duration": {(frontier,): 0.15},
        "tiergate.overhead": {(): 0.0045},
        "tiergate.semantic_cache.similarity": {(("outcome", "miss"),): 0.5},
        "tiergate.confidence_gate.confidence": {(("outcome", "escalated"),): 0.4},
    }


def test_a_hit_of_a_closed_slice_is_counted(
    escalated: DecisionRecord, meter: DecisionMeter, reader: InMemoryMetricReader
) -> None:
    meter.record(replace(escalated, cache=replace(escalated.cache, reason=Reason.SLICE_CLOSED)))
    assert points(read(reader)["tiergate.semantic_cache.closed_slice_hits"]) == {(("domain", "coding"),): 1}


def test_a_request_that_passed_through_has_only_what_is_known(
    escalated: DecisionRecord, meter: DecisionMeter, reader: InMemoryMetricReader
) -> None:
    plain = DecisionRecord(
        decision_id="dec-3",
        ts=escalated.ts,
        call_id="call-3",
        entry_model="auto",
        cache=CacheDecision(outcome=CacheOutcome.SKIPPED, reason=Reason.DISABLED),
        route=RouteDecision(outcome=RouteOutcome.SKIPPED, reason=Reason.QUEUE_FULL),
        gate=GateDecision(outcome=GateOutcome.SKIPPED, reason=Reason.NO_SIGNAL),
        calls=(replace(escalated.calls[1], tier=None, status="Timeout"),),
    )
    meter.record(plain)
    found = read(reader)
    assert set(found) == {
        "tiergate.requests",
        "tiergate.calls",
        "tiergate.tokens",
        "tiergate.cost_usd",
        "tiergate.stage.failures",
        "tiergate.request.duration",
        "tiergate.overhead",
    }
    assert points(found["tiergate.calls"]) == {
        (("fallback", "false"), ("provider", "anthropic"), ("status", "failed"), ("tier", "none")): 1
    }
    assert points(found["tiergate.stage.failures"]) == {(("reason", "queue_full"), ("stage", "intent_router")): 1}


def test_labels_stay_closed_whatever_names_arrive(
    escalated: DecisionRecord, meter: DecisionMeter, reader: InMemoryMetricReader
) -> None:
    for number in range(50):
        route = replace(escalated.route, domain=f"domain {number}")
        call = replace(escalated.calls[0], tier=f"tier {number}", status=f"Error{number}", model=f"model {number}")
        meter.record(replace(escalated, final_tier=f"tier {number}", route=route, calls=(call,)))
    for metric in read(reader).values():
        assert len(metric.data.data_points) <= len(Stage)
        for point in metric.data.data_points:
            assert set(point.attributes) <= set(names.Label)
            assert not [value for value in point.attributes.values() if any(char.isdigit() for char in value)]


def test_saved_money_and_overspent_money_are_counted_apart(
    escalated: DecisionRecord, meter: DecisionMeter, reader: InMemoryMetricReader
) -> None:
    for saved in (0.5, -0.25, 0.125):
        meter.record(replace(escalated, saved_usd=saved))
    found = read(reader)
    assert points(found["tiergate.saved_usd"]) == {(): 0.625}
    assert points(found["tiergate.overspent_usd"]) == {(): 0.25}


def test_a_number_that_is_not_finite_spoils_no_sum(
    escalated: DecisionRecord, meter: DecisionMeter, reader: InMemoryMetricReader
) -> None:
    meter.record(replace(escalated, saved_usd=math.nan, latency_ms=math.inf))
    meter.record(escalated)
    found = read(reader)
    assert points(found["tiergate.overspent_usd"]) == {(): 0.00001}
    assert points(found["tiergate.request.duration"]) == {(("tier", "frontier"),): 0.15}


def test_dropped_records_are_read_from_the_log(reader: InMemoryMetricReader) -> None:
    dropped = [0]
    build_meter(reader, dropped=lambda: dropped[0])
    dropped[0] = 7
    metric = read(reader)["tiergate.decision_log.dropped"]
    assert points(metric) == {(): 7}
    assert isinstance(metric.data, Sum)
    assert metric.data.is_monotonic


def test_every_metric_carries_its_declared_unit_and_no_gauge_is_among_them(
    escalated: DecisionRecord, reader: InMemoryMetricReader
) -> None:
    meter = build_meter(reader, dropped=lambda: 1)
    for reason in (Reason.STAGE_FAILED, Reason.SLICE_CLOSED):
        meter.record(replace(escalated, cache=replace(escalated.cache, reason=reason)))
    meter.record_feedback(confidence=0.9, score=1.0, hit=False, wrong_hit=False)
    found = read(reader)
    assert set(found) == set(names.Metric) - {names.Metric.DRIFT_TESTS, names.Metric.DRIFT_ALARMS}  # drift_meter
    for name, metric in found.items():
        assert metric.unit == names.UNITS[names.Metric(name)]
        assert metric.description == names.DESCRIPTIONS[names.Metric(name)]
        if isinstance(metric.data, Sum):
            assert metric.data.is_monotonic
        else:
            assert metric.data.data_points[0].explicit_bounds == names.BUCKETS[names.Metric(name)]


def test_exemplars_lead_to_the_decisions_trace(
    escalated: DecisionRecord, meter: DecisionMeter, reader: InMemoryMetricReader
) -> None:
    context = DecisionTracer(TracerProvider()).record(escalated)
    meter.record(escalated, context)
    trace_id = trace.get_current_span(context).get_span_context().trace_id
    (point,) = read(reader)["tiergate.confidence_gate.confidence"].data.data_points
    assert [exemplar.trace_id for exemplar in point.exemplars] == [trace_id]


def test_without_a_provider_nothing_happens(escalated: DecisionRecord) -> None:
    DecisionMeter(tiers=(), domains=()).record(escalated)


def test_providers_are_named_until_there_are_too_many(
    escalated: DecisionRecord, meter: DecisionMeter, reader: InMemoryMetricReader
) -> None:
    for number in range(2 * names.MAX_PROVIDERS):
        meter.record(replace(escalated, calls=(replace(escalated.calls[0], provider=f"p-{number}"),)))
    seen = {point.attributes["provider"] for point in read(reader)["tiergate.calls"].data.data_points}
    assert seen == {f"p-{number}" for number in range(names.MAX_PROVIDERS)} | {"other"}


def test_grades_are_summed_beside_the_confidence_they_are_compared_with(
    meter: DecisionMeter, reader: InMemoryMetricReader
) -> None:
    for confidence, score in ((0.95, 1.0), (0.92, 0.0), (1.0, 1.0), (0.31, 0.5)):
        meter.record_feedback(confidence=confidence, score=score, hit=False, wrong_hit=False)
    meter.record_feedback(confidence=None, score=0.5, hit=False, wrong_hit=False)
    meter.record_feedback(confidence=0.9, score=1.0, hit=True, wrong_hit=False)
    meter.record_feedback(confidence=0.9, score=None, hit=True, wrong_hit=True)
    found = read(reader)
    assert points(found["tiergate.feedback"]) == {
        (("bin", "9"), ("kind", "graded")): 3,
        (("bin", "3"), ("kind", "graded")): 1,
        (("bin", "none"), ("kind", "ungraded")): 1,
        (("bin", "none"), ("kind", "hit")): 1,
        (("bin", "none"), ("kind", "wrong_hit")): 1,
    }
    assert points(found["tiergate.feedback.confidence"]) == {(("bin", "9"),): 2.87, (("bin", "3"),): 0.31}
    assert points(found["tiergate.feedback.quality"]) == {(("bin", "9"),): 2.0, (("bin", "3"),): 0.5}
