"""Decision record -> one `tiergate.decision` span with the stages and the model calls as children.

Only the OpenTelemetry API is used: without a configured provider nothing is recorded and next to nothing is spent.
Names follow the GenAI conventions of `names.SEMCONV_VERSION` where they have one. The spans are written after the
fact, from the record's times, so that no stage knows of tracing.
"""

from collections.abc import Callable, Mapping

from opentelemetry import trace
from opentelemetry._logs import LoggerProvider, LogRecord, SeverityNumber, get_logger_provider
from opentelemetry.context import Context
from opentelemetry.trace import Link, Status, StatusCode, Tracer, TracerProvider
from opentelemetry.util.types import AttributeValue

from tiergate.decisions import HedgeOutcome
from tiergate.exchange import Call
from tiergate.telemetry import names
from tiergate.telemetry.names import Attribute, Span, Stage
from tiergate.telemetry.record import DecisionRecord, DecisionStatus, find_failure

_Facts = Mapping[str, AttributeValue | None]


class DecisionTracer:
    """Writes the spans of decisions, and the gate's confidence as an event of the call it judged.

    Args:
        provider: Where the spans go; None takes the process's provider, also one that is set later.
        events: Where the event goes; None takes the process's provider.
    """

    def __init__(
        self,
        provider: TracerProvider | Callable[[], TracerProvider] | None = None,
        events: LoggerProvider | Callable[[], LoggerProvider] | None = None,
    ) -> None:
        self._provider = provider if callable(provider) else lambda: provider or trace.get_tracer_provider()
        self._events = events if callable(events) else lambda: events or get_logger_provider()
        self._tracer_of: tuple[TracerProvider, Tracer] | None = None

    def record(self, record: DecisionRecord, parent: Context | None = None) -> Context:
        """Write the spans of one decision.

        Args:
            record: The finished record.
            parent: Context of the request's own span. None starts a trace of its own: the ambient context is never
                used, since it is another request's in some of LiteLLM's paths.

        Returns:
            The context of the decision span, for exemplars; it holds no recording span when nothing is traced.
        """
        attributes = _present(_decision_facts(record))
        tracer = self._find_tracer()
        span = tracer.start_span(
            Span.DECISION,
            context=Context() if parent is None else parent,
            attributes=attributes,
            start_time=_ns(record, 0.0),
        )
        context = trace.set_span_in_context(span, Context())
        if span.is_recording():
            self._record_stages(tracer, record, context)
            self._record_calls(tracer, record, context)
            if record.status is not DecisionStatus.OK:
                span.set_status(Status(StatusCode.ERROR, record.status.value))
        span.end(_ns(record, record.latency_ms))
        return context

    def _find_tracer(self) -> Tracer:
        provider = self._provider()
        if self._tracer_of is None or self._tracer_of[0] is not provider:
            self._tracer_of = provider, provider.get_tracer(names.SCOPE, schema_url=names.SCHEMA_URL)
        return self._tracer_of[1]

    def _record_stages(self, tracer: Tracer, record: DecisionRecord, context: Context) -> None:
        facts = {
            Stage.EMBEDDING: {},
            Stage.SEMANTIC_CACHE: _cache_facts(record),
            Stage.INTENT_ROUTER: _route_facts(record),
            Stage.CONFIDENCE_GATE: _gate_facts(record),
        }
        for stage, stage_facts in facts.items():
            if stage in record.stage_ms:
                start_ms = record.stage_start_ms.get(stage, 0.0)
                error = record.errors.get(stage) or find_failure(record, stage)
                span = tracer.start_span(
                    Span[stage.name],
                    context=context,
                    attributes=_present({**stage_facts, Attribute.ERROR_TYPE: error}),
                    start_time=_ns(record, start_ms),
                )
                if error is not None:
                    span.set_status(Status(StatusCode.ERROR, error))
                span.end(_ns(record, start_ms + record.stage_ms[stage]))

    def _record_calls(self, tracer: Tracer, record: DecisionRecord, context: Context) -> None:
        previous: tuple[Call, trace.SpanContext] | None = None
        judged: Call | None = None
        for call in record.calls:
            start_ms = call.start_ms or 0.0
            span = tracer.start_span(
                Span.CALL,
                context=context,
                attributes=_present(_call_facts(call)),
                links=_escalation_links(record, call, previous),
                start_time=_ns(record, start_ms),
            )
            if call.status != "ok":
                span.set_status(Status(StatusCode.ERROR, call.status))
            span.end(_ns(record, start_ms + call.ms))
            if judged is None and call.status == "ok" and record.gate.confidence is not None:
                judged = call
                self._evaluate(record, trace.set_span_in_context(span, Context()), start_ms + call.ms)
            if not _is_idle_hedge(record, call):
                previous = call, span.get_span_context()

    def _evaluate(self, record: DecisionRecord, context: Context, at_ms: float) -> None:
        """Emit what the gate made of an answer, as an event of the call that gave it."""
        gate = record.gate
        facts: _Facts = {
            Attribute.EVALUATION_NAME: Span.CONFIDENCE_GATE.value,
            Attribute.EVALUATION_SCORE: gate.confidence,
            Attribute.EVALUATION_LABEL: gate.outcome.value,
            Attribute.EVALUATION_EXPLANATION: gate.reason.value,
            Attribute.DECISION_ID: record.decision_id,
        }
        logger = self._events().get_logger(names.SCOPE, schema_url=names.SCHEMA_URL)
        logger.emit(
            LogRecord(
                timestamp=_ns(record, at_ms),
                context=context,
                severity_number=SeverityNumber.INFO,
                event_name=names.Event.EVALUATION.value,
                attributes={**_present(facts)},
            )
        )


def _is_idle_hedge(record: DecisionRecord, call: Call) -> bool:
    """Tell whether a call is a hedge that nobody asked for."""
    return call.hedge and record.hedge is not None and record.hedge.outcome is not HedgeOutcome.WON


def _escalation_links(
    record: DecisionRecord, call: Call, previous: tuple[Call, trace.SpanContext] | None
) -> list[Link]:
    """Link a call to the one before it when the tier changed: it was made to replace that answer."""
    if previous is None or previous[0].tier == call.tier or _is_idle_hedge(record, call):
        return []
    return [Link(previous[1], {Attribute.LINK: names.LINK_ESCALATED_FROM})]


def _ns(record: DecisionRecord, offset_ms: float) -> int:
    """Return a moment of the request as Unix time in nanoseconds."""
    return int(record.ts * 1e9) + int(offset_ms * 1e6)


def _present(facts: _Facts) -> dict[str, AttributeValue]:
    return {str(name): value for name, value in facts.items() if value is not None}


def _decision_facts(record: DecisionRecord) -> _Facts:
    # Given when the span starts, outcomes of the stages included, so that a sampler can keep escalations and errors.
    return {
        Attribute.DECISION_ID: record.decision_id,
        Attribute.CALL_ID: record.call_id,
        Attribute.TENANT: record.tenant,
        Attribute.ENTRY_MODEL: record.entry_model,
        Attribute.STRATEGY: record.strategy,
        Attribute.EXPERIMENT: record.experiment,
        Attribute.ARM: record.arm,
        Attribute.SESSION: record.session,
        Attribute.FINAL_TIER: record.final_tier,
        Attribute.COST_USD: record.cost_usd,
        Attribute.BASELINE_COST_USD: record.baseline_cost_usd,
        Attribute.SAVED_USD: record.saved_usd,
        Attribute.OVERHEAD_MS: record.overhead_ms,
        Attribute.STATUS: record.status.value,
        Attribute.CACHE_OUTCOME: record.cache.outcome.value,
        Attribute.CACHE_REASON: record.cache.reason.value,
        Attribute.ROUTE_OUTCOME: record.route.outcome.value,
        Attribute.ROUTE_REASON: record.route.reason.value,
        Attribute.GATE_OUTCOME: record.gate.outcome.value,
        Attribute.GATE_REASON: record.gate.reason.value,
        Attribute.HEDGE_OUTCOME: record.hedge.outcome.value if record.hedge else None,
        Attribute.HEDGE_REASON: record.hedge.reason.value if record.hedge else None,
    }


def _cache_facts(record: DecisionRecord) -> _Facts:
    cache = record.cache
    return {
        Attribute.CACHE_OUTCOME: cache.outcome.value,
        Attribute.CACHE_REASON: cache.reason.value,
        Attribute.CACHE_SIMILARITY: cache.similarity,
        Attribute.CACHE_ERROR_BOUND: cache.error_bound,
        Attribute.CACHE_AGE_S: cache.age_s,
        Attribute.CACHE_ENTRY_ID: cache.entry_id,
    }


def _route_facts(record: DecisionRecord) -> _Facts:
    route = record.route
    return {
        Attribute.ROUTE_OUTCOME: route.outcome.value,
        Attribute.ROUTE_REASON: route.reason.value,
        Attribute.ROUTE_TIER: route.tier,
        Attribute.ROUTE_SCORE: route.score,
        **{f"{Attribute.ROUTE_SCORES}.{tier}": score for tier, score in route.scores.items()},
        Attribute.ROUTE_DOMAIN: route.domain,
        Attribute.ROUTE_DOMAIN_SCORE: route.domain_score,
        Attribute.ROUTE_CLASSIFIER: route.classifier,
        Attribute.ROUTE_ARTIFACT_DIGEST: route.artifact_digest,
    }


def _gate_facts(record: DecisionRecord) -> _Facts:
    gate = record.gate
    return {
        Attribute.GATE_OUTCOME: gate.outcome.value,
        Attribute.GATE_REASON: gate.reason.value,
        Attribute.GATE_CONFIDENCE: gate.confidence,
        **{f"{Attribute.GATE_SIGNALS}.{name}": value for name, value in gate.signals.items()},
        Attribute.GATE_ESCALATE_BELOW: gate.escalate_below,
        Attribute.GATE_TRUST_FROM: gate.trust_from,
        Attribute.GATE_ESCALATE_TO: gate.escalate_to,
        Attribute.GATE_VERIFIER: gate.verifier,
    }


def _call_facts(call: Call) -> _Facts:
    return {
        Attribute.OPERATION_NAME: names.OPERATION_CHAT,
        Attribute.PROVIDER_NAME: call.provider,
        Attribute.REQUEST_MODEL: call.model_group,
        Attribute.RESPONSE_MODEL: call.model,
        Attribute.INPUT_TOKENS: call.prompt_tokens,
        Attribute.OUTPUT_TOKENS: call.completion_tokens,
        Attribute.CACHE_READ_INPUT_TOKENS: call.cached_tokens or None,
        Attribute.CALL_TIER: call.tier,
        Attribute.CALL_FALLBACK_FROM: call.fallback_from,
        Attribute.CALL_COST_USD: call.cost_usd,
        Attribute.CALL_HEDGE: call.hedge or None,
        Attribute.ERROR_TYPE: None if call.status == "ok" else call.status,
    }
