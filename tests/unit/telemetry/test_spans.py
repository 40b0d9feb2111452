from dataclasses import replace
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, Decision, Sampler, SamplingResult

from tiergate.decisions import CacheDecision, CacheOutcome, HedgeOutcome, Reason
from tiergate.telemetry.names import SCHEMA_URL, Stage
from tiergate.telemetry.parent import build_parent_context, find_trace_id
from tiergate.telemetry.record import DecisionRecord, DecisionStatus
from tiergate.telemetry.spans import DecisionTracer

T0 = 1_700_000_000_000_000_000
MS = 1_000_000


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def provider(exporter: InMemorySpanExporter) -> TracerProvider:
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return provider


def tree(exporter: InMemorySpanExporter) -> list[dict[str, Any]]:
    """Return the spans as nested dictionaries: name, times in ms after T0, attributes, status, links, children."""
    spans = exporter.get_finished_spans()
    names = {span.context.span_id: span.name for span in spans}

    def node(span: ReadableSpan) -> dict[str, Any]:
        found: dict[str, Any] = {
            "name": span.name,
            "ms": ((span.start_time - T0) / MS, (span.end_time - T0) / MS),
            "attributes": dict(span.attributes or {}),
        }
        if span.status.status_code is not trace.StatusCode.UNSET:
            found["status"] = (span.status.status_code.name, span.status.description)
        if span.links:
            found["links"] = [
                (names[link.context.span_id], link.context.span_id in names, dict(link.attributes or {}))
                for link in span.links
            ]
        children = [node(child) for child in spans if child.parent and child.parent.span_id == span.context.span_id]
        if children:
            found["children"] = children
        return found

    return [node(span) for span in spans if span.parent is None or span.parent.span_id not in names]


def test_an_escalated_decision_is_one_whole_tree(
    escalated: DecisionRecord, provider: TracerProvider, exporter: InMemorySpanExporter
) -> None:
    DecisionTracer(provider).record(escalated)
    cache = {
        "tiergate.semantic_cache.outcome": "miss",
        "tiergate.semantic_cache.reason": "below_min_similarity",
    }
    route = {
        "tiergate.intent_router.outcome": "routed",
        "tiergate.intent_router.reason": "score_meets_quality",
    }
    gate = {
        "tiergate.confidence_gate.outcome": "escalated",
        "tiergate.confidence_gate.reason": "confidence_low",
    }
    assert tree(exporter) == [
        {
            "name": "tiergate.decision",
            "ms": (0.0, 150.0),
            "attributes": {
                "tiergate.decision.id": "dec-1",
                "tiergate.call_id": "call-1",
                "tiergate.tenant": "t-9",
                "tiergate.entry_model": "auto",
                "tiergate.strategy": "cascade",
                "tiergate.experiment": "gate-065-vs-075",
                "tiergate.arm": "b",
                "tiergate.session": "s-4",
                "tiergate.final_tier": "frontier",
                "tiergate.cost_usd": 0.00201,
                "tiergate.baseline_cost_usd": 0.002,
                "tiergate.saved_usd": -0.00001,
                "tiergate.overhead_ms": 4.5,
                "tiergate.status": "ok",
                **cache,
                **route,
                **gate,
                "tiergate.hedge.outcome": "skipped",
                "tiergate.hedge.reason": "answered_in_time",
            },
            "children": [
                {
                    "name": "tiergate.semantic_cache",
                    "ms": (2.0, 3.5),
                    "attributes": {
                        **cache,
                        "tiergate.semantic_cache.similarity": 0.5,
                        "tiergate.semantic_cache.error_bound": 0.01,
                    },
                },
                {
                    "name": "tiergate.intent_router",
                    "ms": (3.5, 4.0),
                    "attributes": {
                        **route,
                        "tiergate.intent_router.tier": "simple",
                        "tiergate.intent_router.score": 0.91237,
                        "tiergate.intent_router.scores.simple": 0.91237,
                        "tiergate.intent_router.scores.frontier": 0.99,
                        "tiergate.intent_router.domain": "coding",
                        "tiergate.intent_router.domain_score": 0.7,
                        "tiergate.intent_router.classifier": "embedded",
                        "tiergate.intent_router.artifact_digest": "sha256:ab",
                    },
                },
                {
                    "name": "tiergate.confidence_gate",
                    "ms": (45.0, 46.0),
                    "attributes": {
                        **gate,
                        "tiergate.confidence_gate.confidence": 0.4,
                        "tiergate.confidence_gate.signals.mean_logprob": -1.5,
                        "tiergate.confidence_gate.escalate_below": 0.7,
                        "tiergate.confidence_gate.trust_from": 0.85,
                        "tiergate.confidence_gate.escalate_to": "frontier",
                    },
                },
                {
                    "name": "tiergate.call",
                    "ms": (5.0, 45.0),
                    "attributes": {
                        "gen_ai.operation.name": "chat",
                        "gen_ai.provider.name": "deepseek",
                        "gen_ai.request.model": "tier-simple",
                        "gen_ai.response.model": "deepseek-v4-pro",
                        "gen_ai.usage.input_tokens": 20,
                        "gen_ai.usage.output_tokens": 5,
                        "gen_ai.usage.cache_read.input_tokens": 8,
                        "tiergate.call.tier": "simple",
                        "tiergate.call.fallback_from": "tier-simple-alt",
                        "tiergate.call.cost_usd": 0.00001,
                    },
                },
                {
                    "name": "tiergate.call",
                    "ms": (46.0, 146.0),
                    "attributes": {
                        "gen_ai.operation.name": "chat",
                        "gen_ai.provider.name": "anthropic",
                        "gen_ai.request.model": "tier-frontier",
                        "gen_ai.response.model": "claude-opus-4.7",
                        "gen_ai.usage.input_tokens": 20,
                        "gen_ai.usage.output_tokens": 50,
                        "tiergate.call.tier": "frontier",
                        "tiergate.call.cost_usd": 0.002,
                    },
                    "links": [("tiergate.call", True, {"tiergate.link": "escalated_from"})],
                },
            ],
        }
    ]


def test_failures_are_seen_on_the_span_they_belong_to(
    escalated: DecisionRecord, provider: TracerProvider, exporter: InMemorySpanExporter
) -> None:
    failed = replace(
        escalated,
        status=DecisionStatus.FAILED,
        cache=CacheDecision(outcome=CacheOutcome.SKIPPED, reason=Reason.STAGE_FAILED),
        errors={Stage.EMBEDDING: "EmbedderError"},
        calls=(replace(escalated.calls[0], status="RateLimitError", start_ms=None),),
        stage_ms={Stage.EMBEDDING: 1.0, Stage.SEMANTIC_CACHE: 0.5},
        stage_start_ms={Stage.SEMANTIC_CACHE: 1.0},
    )
    DecisionTracer(provider).record(failed)
    (root,) = tree(exporter)
    assert root["status"] == ("ERROR", "failed")
    embedding, cache, call = root["children"]
    assert embedding == {
        "name": "tiergate.embedding",
        "ms": (0.0, 1.0),
        "attributes": {"error.type": "EmbedderError"},
        "status": ("ERROR", "EmbedderError"),
    }
    assert cache == {
        "name": "tiergate.semantic_cache",
        "ms": (1.0, 1.5),
        "attributes": {
            "tiergate.semantic_cache.outcome": "skipped",
            "tiergate.semantic_cache.reason": "stage_failed",
            "error.type": "stage_failed",
        },
        "status": ("ERROR", "stage_failed"),
    }
    assert call["ms"] == (0.0, 40.0)
    assert call["attributes"]["error.type"] == "RateLimitError"
    assert call["status"] == ("ERROR", "RateLimitError")


def test_a_second_try_on_the_same_tier_is_not_linked(
    escalated: DecisionRecord, provider: TracerProvider, exporter: InMemorySpanExporter
) -> None:
    DecisionTracer(provider).record(replace(escalated, calls=(escalated.calls[0], escalated.calls[0])))
    assert [span.links for span in exporter.get_finished_spans() if span.name == "tiergate.call"] == [(), ()]


@pytest.mark.parametrize(("outcome", "linked"), [(HedgeOutcome.WON, True), (HedgeOutcome.LOST, False)])
def test_only_a_hedge_that_was_asked_for_is_linked_to_the_answer_it_replaces(
    escalated: DecisionRecord,
    provider: TracerProvider,
    exporter: InMemorySpanExporter,
    outcome: HedgeOutcome,
    linked: bool,  # noqa: FBT001
) -> None:
    assert escalated.hedge is not None
    weak, strong = escalated.calls
    early, last = replace(strong, hedge=True), replace(weak, tier="medium")
    record = replace(escalated, hedge=replace(escalated.hedge, outcome=outcome), calls=(weak, early, last))
    DecisionTracer(provider).record(record)
    first, hedge, after = (span for span in exporter.get_finished_spans() if span.name == "tiergate.call")
    assert [link.context for link in hedge.links] == ([first.get_span_context()] if linked else [])
    assert [link.context for link in after.links] == [(hedge if linked else first).get_span_context()]
    assert dict(hedge.attributes or {})["tiergate.call.hedge"] is True
    assert "tiergate.call.hedge" not in dict(first.attributes or {})


def test_the_callers_span_is_the_parent(
    escalated: DecisionRecord, provider: TracerProvider, exporter: InMemorySpanExporter
) -> None:
    request = provider.get_tracer("host").start_span("request")
    context = DecisionTracer(provider).record(escalated, trace.set_span_in_context(request))
    decision = exporter.get_finished_spans()[-1]
    assert decision.name == "tiergate.decision"
    assert decision.parent == request.get_span_context()
    assert {span.context.trace_id for span in exporter.get_finished_spans()} == {request.get_span_context().trace_id}
    assert trace.get_current_span(context).get_span_context() == decision.context


def test_without_a_parent_the_ambient_span_is_not_taken(
    escalated: DecisionRecord, provider: TracerProvider, exporter: InMemorySpanExporter
) -> None:
    with provider.get_tracer("host").start_as_current_span("another request"):
        DecisionTracer(provider).record(escalated)
    decision = next(span for span in exporter.get_finished_spans() if span.name == "tiergate.decision")
    assert decision.parent is None


def test_the_scope_names_the_conventions(
    escalated: DecisionRecord, provider: TracerProvider, exporter: InMemorySpanExporter
) -> None:
    DecisionTracer(provider).record(escalated)
    scopes = {
        (span.instrumentation_scope.name, span.instrumentation_scope.schema_url)
        for span in exporter.get_finished_spans()
    }
    assert scopes == {("tiergate", SCHEMA_URL)}


def test_no_prompt_text_is_in_any_span(
    escalated: DecisionRecord, provider: TracerProvider, exporter: InMemorySpanExporter
) -> None:
    DecisionTracer(provider).record(escalated)
    assert "a secret question" not in "".join(span.to_json() for span in exporter.get_finished_spans())


def test_a_sampler_can_keep_escalations(escalated: DecisionRecord, exporter: InMemorySpanExporter) -> None:
    class Escalations(Sampler):
        def should_sample(self, parent_context: Any, *args: Any, **kwargs: Any) -> SamplingResult:
            attributes = kwargs.get("attributes") or args[3]
            parent = trace.get_current_span(parent_context).get_span_context()
            keep = parent.trace_flags.sampled or attributes["tiergate.confidence_gate.outcome"] == "escalated"
            return SamplingResult(Decision.RECORD_AND_SAMPLE if keep else Decision.DROP)

        def get_description(self) -> str:
            return "escalations"

    provider = TracerProvider(sampler=Escalations())
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    DecisionTracer(provider).record(escalated)
    assert len(exporter.get_finished_spans()) == 6


def test_what_is_not_sampled_leaves_no_span(escalated: DecisionRecord, exporter: InMemorySpanExporter) -> None:
    provider = TracerProvider(sampler=ALWAYS_OFF)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    context = DecisionTracer(provider).record(escalated)
    assert exporter.get_finished_spans() == ()
    assert not trace.get_current_span(context).is_recording()


def test_without_a_provider_nothing_happens(escalated: DecisionRecord) -> None:
    context = DecisionTracer(trace.NoOpTracerProvider()).record(escalated, Context())
    assert not trace.get_current_span(context).get_span_context().is_valid


def test_the_confidence_is_an_event_of_the_call_that_it_judges(
    escalated: DecisionRecord, provider: TracerProvider, exporter: InMemorySpanExporter
) -> None:
    logs = InMemoryLogRecordExporter()
    events = LoggerProvider()
    events.add_log_record_processor(SimpleLogRecordProcessor(logs))
    DecisionTracer(provider, events).record(escalated)
    (event,) = [item.log_record for item in logs.get_finished_logs()]
    weak = next(span for span in exporter.get_finished_spans() if span.name == "tiergate.call")
    assert event.event_name == "gen_ai.evaluation.result"
    assert (event.trace_id, event.span_id) == (weak.context.trace_id, weak.context.span_id)
    assert event.timestamp == T0 + 45 * MS
    assert event.attributes == {
        "gen_ai.evaluation.name": "tiergate.confidence_gate",
        "gen_ai.evaluation.score.value": 0.4,
        "gen_ai.evaluation.score.label": "escalated",
        "gen_ai.evaluation.explanation": "confidence_low",
        "tiergate.decision.id": "dec-1",
    }


def test_an_answer_that_nobody_judged_has_no_event(escalated: DecisionRecord, provider: TracerProvider) -> None:
    logs = InMemoryLogRecordExporter()
    events = LoggerProvider()
    events.add_log_record_processor(SimpleLogRecordProcessor(logs))
    tracer = DecisionTracer(provider, events)
    tracer.record(replace(escalated, gate=replace(escalated.gate, confidence=None)))
    tracer.record(replace(escalated, calls=()))
    assert logs.get_finished_logs() == ()


def test_the_trace_id_is_that_of_the_request(escalated: DecisionRecord, provider: TracerProvider) -> None:
    parent = build_parent_context(None, {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"})
    context = DecisionTracer(provider).record(escalated, parent)
    assert find_trace_id(parent) == find_trace_id(context) == "0af7651916cd43dd8448eb211c80319c"
    assert find_trace_id(Context()) is None
    assert find_trace_id(None) is None
