"""Feedback on decisions: a score, or a wrong hit of the cache, in a table of its own, joined by decision id."""

from dataclasses import dataclass, fields
from typing import Any, Final, Literal

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from tiergate.adapters.decision_tables import DECISIONS, FEEDBACK, FEEDBACK_COPIES

Source = Literal["user", "judge"]
NEVER_JUDGED: Final = ("escalated", "skipped", "bypassed")
"""Gate outcomes whose confidence is not that of the answer the client got."""

_COPIES: Final = sa.select(DECISIONS.c.ts.label("decision_ts"), *(DECISIONS.c[name] for name in FEEDBACK_COPIES))


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedbackRow:
    """What was said of one answer.

    Attributes:
        decision_id: The decision.
        source: Who said it. One row for each source is kept, the last.
        ts: Unix time in seconds.
        score: 0 to 1; None when not said.
        wrong_cache_hit: Whether the cached answer belonged to another question.
        comment: Words; empty when none.
        probability: Chance with which the decision was picked for grading; None when nobody picked.
    """

    decision_id: str
    source: Source
    ts: float
    score: float | None = None
    wrong_cache_hit: bool = False
    comment: str = ""
    probability: float | None = None


_OWN: Final = tuple(field.name for field in fields(FeedbackRow))


def write_feedback(connection: sa.Connection, feedback: FeedbackRow) -> None:
    """Keep feedback; a later one of the same source replaces it.

    What figures need of the decision is copied now. Of a stream that has not ended it is not known yet: such feedback
    counts as a score, and in no diagram.
    """
    copied = connection.execute(_COPIES.where(DECISIONS.c.decision_id == feedback.decision_id)).one_or_none()
    values = {name: getattr(feedback, name) for name in _OWN} | dict(copied._mapping if copied else {})  # noqa: SLF001  its public name
    insert = sqlite.insert(FEEDBACK) if connection.dialect.name == "sqlite" else postgresql.insert(FEEDBACK)
    replaced = {column.name: insert.excluded[column.name] for column in FEEDBACK.c if not column.primary_key}
    connection.execute(
        insert.values(values).on_conflict_do_update(
            index_elements=[FEEDBACK.c.decision_id, FEEDBACK.c.source], set_=replaced
        )
    )


def read_feedback(connection: sa.Connection, start: float, end: float) -> dict[str, Any]:
    """Return what feedback says of the decisions of a stretch of time.

    Args:
        connection: To read from.
        start: Unix time in seconds.
        end: Unix time in seconds, exclusive.

    Returns:
        `graded`: (confidence, grade) of each graded answer that a model gave; `hits`: feedback on cached answers;
        `wrong_hits`: those that belonged to another question; `scores`: number of scores; `mean_score`.
    """
    columns = FEEDBACK.c
    rows = connection.execute(
        sa.select(*(columns[name] for name in FEEDBACK_COPIES), columns.score, columns.wrong_cache_hit).where(
            columns.decision_ts >= start, columns.decision_ts < end
        )
    ).all()
    hits = [row for row in rows if row.cache_outcome == "hit"]
    scores = [row.score for row in rows if row.score is not None]
    return {
        "graded": [
            (row.confidence, row.score)
            for row in rows
            if row.confidence is not None
            and row.score is not None
            and row.cache_outcome != "hit"
            and row.gate_outcome not in NEVER_JUDGED
        ],
        "hits": len(hits),
        "wrong_hits": sum(1 for row in hits if row.wrong_cache_hit),
        "scores": len(scores),
        "mean_score": sum(scores) / len(scores) if scores else None,
    }
