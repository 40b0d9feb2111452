"""The span that ours hang under: LiteLLM's request span, or the client's trace."""

from collections.abc import Mapping
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator


def build_parent_context(span: Any, headers: Mapping[str, str]) -> Context:
    """Return the context to start spans in.

    Args:
        span: LiteLLM's request span; None when LiteLLM traces nothing.
        headers: The client's request headers; `traceparent` counts when there is no span.

    Returns:
        The context of the span, else of the client's trace, else an empty one.
    """
    if isinstance(span, trace.Span):
        return trace.set_span_in_context(span, Context())
    return TraceContextTextMapPropagator().extract(headers, Context())


def find_trace_id(context: Any) -> str | None:
    """Return the trace id of a context as 32 hexadecimal digits; None when it is in no trace."""
    span = trace.get_current_span(context).get_span_context() if isinstance(context, Context) else None
    return trace.format_trace_id(span.trace_id) if span is not None and span.is_valid else None
