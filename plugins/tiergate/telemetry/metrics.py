"""Decision record -> counters and histograms. Ratios are queries over them.

Label sets are closed: by an enumeration in code, or for tiers and domains by configuration; anything else is `other`.
"""

import math
from collections.abc import Callable, Collection, Iterable

from opentelemetry import metrics
from opentelemetry.context import Context
from opentelemetry.metrics import CallbackOptions, Counter, Histogram, MeterProvider, Observation

from tiergate.decisions import GateOutcome, Reason
from tiergate.exchange import Call
from tiergate.telemetry import names
from tiergate.telemetry.names import CallStatus, FeedbackKind, Label, Metric, Stage, TokenType
from tiergate.telemetry.record import DecisionRecord, find_failure

_COUNTERS = (
    Metric.REQUESTS,
    Metric.CALLS,
    Metric.TOKENS,
    Metric.COST_USD,
    Metric.BASELINE_COST_USD,
    Metric.SAVED_USD,
    Metric.OVERSPENT_USD,
    Metric.ESCALATIONS,
    Metric.HEDGES,
    Metric.CLOSED_SLICE_HITS,
    Metric.STAGE_FAILURES,
    Metric.FEEDBACK,
    Metric.FEEDBACK_CONFIDENCE,
    Metric.FEEDBACK_QUALITY,
)


class DecisionMeter:
    """Turns decisions into measurements.

    Args:
        tiers: Names of the tiers in policy; they close the label `tier`.
        domains: Names of the domains of the artifact and of policy; they close the label `domain`.
        dropped: Tells how many decision records the log has dropped so far; None leaves the counter out.
        provider: Where the measurements go; None takes the process's provider, also one that is set later.
    """

    def __init__(
        self,
        *,
        tiers: Collection[str],
        domains: Collection[str],
        dropped: Callable[[], int] | None = None,
        provider: MeterProvider | None = None,
    ) -> None:
        self._tiers, self._domains = frozenset(tiers), frozenset(domains)
        self._providers: set[str] = set()
        meter = metrics.get_meter(names.SCOPE, meter_provider=provider, schema_url=names.SCHEMA_URL)
        self._counters: dict[Metric, Counter] = {
            name: meter.create_counter(name, names.UNITS[name], names.DESCRIPTIONS[name]) for name in _COUNTERS
        }
        self._histograms: dict[Metric, Histogram] = {
            name: meter.create_histogram(
                name, names.UNITS[name], names.DESCRIPTIONS[name], explicit_bucket_boundaries_advisory=buckets
            )
            for name, buckets in names.BUCKETS.items()
        }
        if dropped is not None:
            name = Metric.DROPPED_RECORDS
            meter.create_observable_counter(name, [_observer(dropped)], names.UNITS[name], names.DESCRIPTIONS[name])

    def record(self, record: DecisionRecord, context: Context | None = None) -> None:
        """Measure one decision.

        Args:
            record: The finished record.
            context: Context of the decision span, whose trace id becomes the exemplar; None takes the ambient one.
        """
        self._record_request(record, context)
        self._record_cost(record, context)
        for call in record.calls:
            self._record_call(call, context)
        self._record_stages(record, context)

    def _record_request(self, record: DecisionRecord, context: Context | None) -> None:
        tier = _closed(record.final_tier, self._tiers)
        domain = _closed(record.route.domain, self._domains)
        labels = {
            Label.STATUS: record.status.value,
            Label.CACHE: record.cache.outcome.value,
            Label.GATE: record.gate.outcome.value,
            Label.TIER: tier,
            Label.DOMAIN: domain,
        }
        self._count(Metric.REQUESTS, 1, labels, context)
        self._observe(Metric.REQUEST_DURATION, record.latency_ms / 1000, {Label.TIER: tier}, context)
        self._observe(Metric.OVERHEAD, record.overhead_ms / 1000, {}, context)
        if record.gate.outcome is GateOutcome.ESCALATED:
            self._count(Metric.ESCALATIONS, 1, {Label.DOMAIN: domain, Label.REASON: record.gate.reason.value}, context)
        if record.hedge is not None:
            labels = {Label.OUTCOME: record.hedge.outcome.value, Label.REASON: record.hedge.reason.value}
            self._count(Metric.HEDGES, 1, labels, context)
        if record.cache.reason is Reason.SLICE_CLOSED:
            self._count(Metric.CLOSED_SLICE_HITS, 1, {Label.DOMAIN: domain}, context)

    def _record_cost(self, record: DecisionRecord, context: Context | None) -> None:
        if record.baseline_cost_usd is not None:
            self._count(Metric.BASELINE_COST_USD, record.baseline_cost_usd, {}, context)
        if record.saved_usd is not None:
            self._count(Metric.SAVED_USD, max(record.saved_usd, 0.0), {}, context)
            self._count(Metric.OVERSPENT_USD, max(-record.saved_usd, 0.0), {}, context)

    def _record_call(self, call: Call, context: Context | None) -> None:
        tier = _closed(call.tier, self._tiers)
        status = CallStatus.OK if call.status == "ok" else CallStatus.FAILED
        labels = {
            Label.TIER: tier,
            Label.STATUS: status.value,
            Label.FALLBACK: str(call.fallback_from is not None).lower(),
            Label.PROVIDER: self._close_provider(call.provider),
        }
        self._count(Metric.CALLS, 1, labels, context)
        self._count(Metric.COST_USD, call.cost_usd, {Label.TIER: tier}, context)
        tokens = {
            TokenType.INPUT: call.prompt_tokens,
            TokenType.OUTPUT: call.completion_tokens,
            TokenType.CACHED: call.cached_tokens,
        }
        for kind, count in tokens.items():
            self._count(Metric.TOKENS, count, {Label.TIER: tier, Label.TYPE: kind.value}, context)

    def record_feedback(
        self,
        *,
        confidence: float | None,
        score: float | None,
        hit: bool,
        wrong_hit: bool,
        context: Context | None = None,
    ) -> None:
        """Measure feedback on one decision.

        Args:
            confidence: The gate's confidence in the answer that the client got; None when it has none.
            score: The grade, 0 to 1; None when not said.
            hit: Whether the answer came from the cache.
            wrong_hit: Whether it belonged to another question.
            context: Context whose trace id becomes the exemplar; None takes the ambient one.
        """
        graded = not hit and confidence is not None and score is not None
        if hit:
            kind = FeedbackKind.WRONG_HIT if wrong_hit else FeedbackKind.HIT
        else:
            kind = FeedbackKind.GRADED if graded else FeedbackKind.UNGRADED
        place = names.LABEL_NONE
        if graded and confidence is not None and score is not None:
            place = str(min(names.CONFIDENCE_BINS - 1, max(0, int(confidence * names.CONFIDENCE_BINS))))
            self._count(Metric.FEEDBACK_CONFIDENCE, confidence, {Label.BIN: place}, context)
            self._count(Metric.FEEDBACK_QUALITY, score, {Label.BIN: place}, context)
        self._count(Metric.FEEDBACK, 1, {Label.KIND: kind.value, Label.BIN: place}, context)

    def _close_provider(self, provider: str | None) -> str:
        if provider is not None and len(self._providers) < names.MAX_PROVIDERS:
            self._providers.add(provider)
        return _closed(provider, self._providers)

    def _record_stages(self, record: DecisionRecord, context: Context | None) -> None:
        for stage in Stage:
            if stage in record.stage_ms:
                seconds = record.stage_ms[stage] / 1000
                self._observe(Metric.STAGE_DURATION, seconds, {Label.STAGE: stage.value}, context)
            reason = find_failure(record, stage)
            if reason is not None:
                labels = {Label.STAGE: stage.value, Label.REASON: reason.value}
                self._count(Metric.STAGE_FAILURES, 1, labels, context)
        if record.cache.similarity is not None:
            labels = {Label.OUTCOME: record.cache.outcome.value}
            self._observe(Metric.SIMILARITY, record.cache.similarity, labels, context)
        if record.gate.confidence is not None:
            labels = {Label.OUTCOME: record.gate.outcome.value}
            self._observe(Metric.CONFIDENCE, record.gate.confidence, labels, context)

    def _count(self, name: Metric, amount: float, labels: dict[Label, str], context: Context | None) -> None:
        if math.isfinite(amount):
            self._counters[name].add(amount, {label.value: value for label, value in labels.items()}, context)

    def _observe(self, name: Metric, amount: float, labels: dict[Label, str], context: Context | None) -> None:
        if math.isfinite(amount):
            self._histograms[name].record(amount, {label.value: value for label, value in labels.items()}, context)


def _observer(read: Callable[[], int]) -> Callable[[CallbackOptions], Iterable[Observation]]:
    def observe(_: CallbackOptions) -> Iterable[Observation]:
        return [Observation(read())]

    return observe


def _closed(value: str | None, allowed: Collection[str]) -> str:
    if value is None:
        return names.LABEL_NONE
    return value if value in allowed else names.LABEL_OTHER
