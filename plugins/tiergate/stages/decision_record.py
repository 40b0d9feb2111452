"""Stage 4: every decision becomes a log row, a JSON line, a span and measurements."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tiergate.ports import DecisionLog
from tiergate.stages.failopen import suppressed
from tiergate.telemetry.record import DecisionRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionRecorder:
    """Hands a record to everyone who keeps one; no listener's trouble reaches the request or another listener.

    Attributes:
        log: The decision log.
        trace: Takes a finished record and the context of the request's span; returns the record with the trace id and
            the context of its own span.
        listeners: Take both: JSON line, metrics.
    """

    log: DecisionLog
    listeners: tuple[Callable[[DecisionRecord, Any], None], ...]
    trace: Callable[[DecisionRecord, Any], tuple[DecisionRecord, Any]] = lambda record, parent: (record, parent)

    def begin(self, record: DecisionRecord) -> None:
        """Keep the row of a stream whose headers are about to leave."""
        with suppressed("decision_record"):
            self.log.record(record.to_row())

    def finish(self, record: DecisionRecord, *, parent: Any = None) -> None:
        """Write the spans, so that the row knows its trace; keep the final row; tell the listeners."""
        context = parent
        with suppressed("decision_record"):
            record, context = self.trace(record, parent)
        with suppressed("decision_record"):
            self.log.record(record.to_row())
        for listener in self.listeners:
            with suppressed("decision_record"):
                listener(record, context)
