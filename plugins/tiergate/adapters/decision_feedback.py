"""Feedback on decisions: a score, or a wrong hit of the cache, in a table of its own, joined by decision id."""

from dataclasses import dataclass
from typing import Any, Final, Literal

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from tiergate.adapters.decision_tables import DECISIONS, FEEDBACK

Source = Literal["user", "judge"]
NEVER_JUDGED: Final = ("escalated", "skipped", "bypassed")
"""Gate outcomes whose confidence is not that of the answer the client got."""


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


def write_feedback(connection: sa.Connection, feedback: FeedbackRow) -> None:
    """Keep feedback; a later one of the same source replaces it."""
    values = {column.name: getattr(feedback, column.name) for column in FEEDBACK.c}
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
    joined = sa.join(FEEDBACK, DECISIONS, FEEDBACK.c.decision_id == DECISIONS.c.decision_id)
    rows = connection.execute(
        sa.select(
            DECISIONS.c.confidence,
            DECISIONS.c.cache_outcome,
            DECISIONS.c.gate_outcome,
            FEEDBACK.c.score,
            FEEDBACK.c.wrong_cache_hit,
        )
        .select_from(joined)
        # Feedback comes after its decision, so that its own index narrows the search.
        .where(DECISIONS.c.ts >= start, DECISIONS.c.ts < end, FEEDBACK.c.ts >= start)
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
