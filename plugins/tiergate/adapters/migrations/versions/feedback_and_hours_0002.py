"""Feedback in a table of its own, and sums by the hour."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables of version 2. Old decisions are summed by the log's own thread, hour after hour."""
    op.create_table(
        "tiergate_feedback",
        sa.Column("decision_id", sa.Text, primary_key=True),
        sa.Column("source", sa.Text, primary_key=True),
        sa.Column("ts", sa.Double, nullable=False),
        sa.Column("score", sa.Double),
        sa.Column("wrong_cache_hit", sa.Boolean, nullable=False),
        sa.Column("comment", sa.Text, nullable=False),
        sa.Column("probability", sa.Double),
        sa.Column("decision_ts", sa.Double),
        sa.Column("cache_outcome", sa.Text),
        sa.Column("gate_outcome", sa.Text),
        sa.Column("confidence", sa.Double),
    )
    op.create_index("ix_tiergate_feedback_decision_ts", "tiergate_feedback", ["decision_ts"])
    op.create_table(
        "tiergate_hours",
        sa.Column("hour", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("rolled_at", sa.Double, nullable=False),
    )
    op.drop_index("ix_tiergate_decisions_ts", "tiergate_decisions")
    filters = ["final_tier", "domain", "cache_outcome", "gate_outcome", "status"]
    op.create_index("ix_tiergate_decisions_ts", "tiergate_decisions", ["ts", "decision_id", *filters])
    groups = ("final_tier", "domain", "cache_outcome", "gate_outcome", "gate_reason", "status", "experiment", "arm")
    sums = ("cost_usd", "baseline_cost_usd", "saved_usd", "latency_ms", "overhead_ms")
    _make_hour_table("decisions", groups, ("requests", "priced"), sums)
    counts = ("calls", "fallbacks", "prompt_tokens", "completion_tokens")
    _make_hour_table("calls", ("provider", "model_group", "tier", "status"), counts, ("cost_usd", "ms"))
    op.create_table(
        "tiergate_hour_scores",
        sa.Column("hour", sa.BigInteger, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("bucket", sa.BigInteger, nullable=False),
        sa.Column("n", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_tiergate_hour_scores_hour", "tiergate_hour_scores", ["hour", "kind"])


def _make_hour_table(name: str, groups: tuple[str, ...], counts: tuple[str, ...], sums: tuple[str, ...]) -> None:
    op.create_table(
        f"tiergate_hour_{name}",
        sa.Column("hour", sa.BigInteger, nullable=False),
        *(sa.Column(column, sa.Text) for column in groups),
        *(sa.Column(column, sa.BigInteger, nullable=False) for column in counts),
        *(sa.Column(column, sa.Double, nullable=False) for column in sums),
    )
    op.create_index(f"ix_tiergate_hour_{name}_hour", f"tiergate_hour_{name}", ["hour"])


def downgrade() -> None:
    """Remove them; the feedback is lost."""
    for name in ("hour_scores", "hour_calls", "hour_decisions", "hours", "feedback"):
        op.drop_table(f"tiergate_{name}")
    op.drop_index("ix_tiergate_decisions_ts", "tiergate_decisions")
    op.create_index("ix_tiergate_decisions_ts", "tiergate_decisions", ["ts", "decision_id"])
