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
        listeners: Take a finished record and the parent context of its span: JSON line, spans, metrics.
    """

    log: DecisionLog
    listeners: tuple[Callable[[DecisionRecord, Any], None], ...]

    def begin(self, record: DecisionRecord) -> None:
        """Keep the row of a stream whose headers are about to leave."""
        with suppressed("decision_record"):
            self.log.record(record.to_row())

    def finish(self, record: DecisionRecord, *, parent: Any = None) -> None:
        """Keep the final row and tell the listeners."""
        with suppressed("decision_record"):
            self.log.record(record.to_row())
        for listener in self.listeners:
            with suppressed("decision_record"):
                listener(record, parent)
