from dataclasses import replace

import pytest
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, ParentBased, Sampler
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

from tiergate.decisions import CacheOutcome, GateOutcome, Reason
from tiergate.telemetry.record import DecisionRecord, DecisionStatus
from tiergate.telemetry.sampling import DecisionSampler
from tiergate.telemetry.spans import DecisionTracer

TRACE_ID = 0x0AF7651916CD43DD8448EB211C80319C


@pytest.fixture
def trusted(escalated: DecisionRecord) -> DecisionRecord:
    gate = replace(escalated.gate, outcome=GateOutcome.TRUSTED, reason=Reason.CONFIDENCE_HIGH)
    return replace(escalated, gate=gate, calls=escalated.calls[:1])


def spans_of(record: DecisionRecord, host: Sampler, parent: Context | None = None) -> dict[str, int]:
    """Return the trace id of each span that is kept, by its name."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(sampler=DecisionSampler(host))
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    DecisionTracer(provider).record(record, parent)
    return {span.name: span.context.trace_id for span in exporter.get_finished_spans()}


def unsampled_parent() -> Context:
    context = SpanContext(TRACE_ID, 0xB7AD6B7169203331, is_remote=True, trace_flags=TraceFlags(TraceFlags.DEFAULT))
    return trace.set_span_in_context(NonRecordingSpan(context), Context())


def test_an_ordinary_decision_is_the_hosts_to_keep_or_drop(trusted: DecisionRecord) -> None:
    assert spans_of(trusted, ALWAYS_OFF) == {}
    assert set(spans_of(trusted, ALWAYS_ON)) == {
        "tiergate.decision",
        "tiergate.semantic_cache",
        "tiergate.intent_router",
        "tiergate.confidence_gate",
        "tiergate.call",
    }
    assert spans_of(trusted, ParentBased(ALWAYS_ON), unsampled_parent()) == {}


def test_an_escalation_is_kept_whole_and_stays_in_its_requests_trace(escalated: DecisionRecord) -> None:
    kept = spans_of(escalated, ParentBased(ALWAYS_ON), unsampled_parent())
    assert set(kept.values()) == {TRACE_ID}
    assert {"tiergate.decision", "tiergate.call", "tiergate.confidence_gate"} <= set(kept)


@pytest.mark.parametrize("status", [DecisionStatus.FAILED, DecisionStatus.DISCONNECTED])
def test_a_request_that_did_not_end_well_is_kept(trusted: DecisionRecord, status: DecisionStatus) -> None:
    assert "tiergate.decision" in spans_of(replace(trusted, status=status), ALWAYS_OFF)


@pytest.mark.parametrize("reason", [Reason.STAGE_FAILED, Reason.BUDGET_EXCEEDED, Reason.QUEUE_FULL])
def test_a_failed_stage_is_kept_the_cache_included(trusted: DecisionRecord, reason: Reason) -> None:
    cache = replace(trusted.cache, outcome=CacheOutcome.SKIPPED, reason=reason)
    route = replace(trusted.route, reason=reason)
    assert "tiergate.decision" in spans_of(replace(trusted, cache=cache), ALWAYS_OFF)
    assert "tiergate.decision" in spans_of(replace(trusted, route=route), ALWAYS_OFF)


def test_the_description_names_the_hosts_sampler() -> None:
    assert "AlwaysOffSampler" in DecisionSampler(ALWAYS_OFF).get_description()
