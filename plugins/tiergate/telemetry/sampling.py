"""Which traces are kept: whatever the host's sampler keeps, and every decision that somebody will ask about."""

from collections.abc import Sequence
from typing import Final

from opentelemetry.context import Context
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult
from opentelemetry.trace import Link, SpanKind, TraceState, get_current_span
from opentelemetry.util.types import Attributes
from typing_extensions import override

from tiergate.decisions import GateOutcome
from tiergate.telemetry.names import Attribute, Span
from tiergate.telemetry.record import FAILURE_REASONS, DecisionStatus

_REASONS: Final = (Attribute.CACHE_REASON, Attribute.ROUTE_REASON, Attribute.GATE_REASON)


class DecisionSampler(Sampler):
    """Keeps escalations, failed requests and failed stages, errors of the cache included, whatever the host samples.

    A kept decision whose request the host dropped stands in the request's trace without the host's spans: the id is
    the same, the parent is not there. A decision's own spans are kept or dropped together.

    Args:
        host: The host's sampler; it decides about every other decision.
    """

    def __init__(self, host: Sampler) -> None:
        self._host = host

    @override
    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        if name != Span.DECISION:
            sampled = get_current_span(parent_context).get_span_context().trace_flags.sampled
            decision = Decision.RECORD_AND_SAMPLE if sampled else Decision.DROP
            return SamplingResult(decision, attributes, trace_state)
        if must_keep(attributes):
            return SamplingResult(Decision.RECORD_AND_SAMPLE, attributes, trace_state)
        return self._host.should_sample(parent_context, trace_id, name, kind, attributes, links, trace_state)

    @override
    def get_description(self) -> str:
        return f"DecisionSampler{{{self._host.get_description()}}}"


def must_keep(attributes: Attributes) -> bool:
    """Tell from a decision's attributes whether its trace is kept in any case."""
    facts = attributes or {}
    return (
        facts.get(Attribute.GATE_OUTCOME) == GateOutcome.ESCALATED.value
        or facts.get(Attribute.STATUS) != DecisionStatus.OK.value
        or any(facts.get(name) in FAILURE_REASONS for name in _REASONS)
    )
