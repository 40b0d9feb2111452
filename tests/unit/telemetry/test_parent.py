"""The parent of our spans: LiteLLM's request span, else the client's trace, else none."""

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from tiergate.telemetry.parent import build_parent_context

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
HEADERS = {"traceparent": f"00-{TRACE}-{SPAN}-01"}


def test_litellms_span_counts_before_the_clients_trace() -> None:
    span = TracerProvider().get_tracer("test").start_span("request")
    found = trace.get_current_span(build_parent_context(span, HEADERS)).get_span_context()
    assert found == span.get_span_context()


def test_without_a_span_the_clients_trace_counts() -> None:
    for nothing in (None, "no span"):
        found = trace.get_current_span(build_parent_context(nothing, HEADERS)).get_span_context()
        assert f"{found.trace_id:032x}" == TRACE
        assert f"{found.span_id:016x}" == SPAN


def test_without_both_there_is_no_parent_whatever_is_current_here() -> None:
    tracer = TracerProvider().get_tracer("test")
    with tracer.start_as_current_span("someone else's"):
        for headers in ({}, {"traceparent": "nonsense"}):
            assert not trace.get_current_span(build_parent_context(None, headers)).get_span_context().is_valid
