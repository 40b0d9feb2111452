"""The decisions. Databases from before migrations have these tables already, hence `if_not_exists`."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_TEXTS = (
    "call_id", "trace_id", "tenant", "session", "entry_model", "strategy", "experiment", "arm", "cache_outcome",
    "route_outcome", "route_tier", "domain", "gate_outcome", "gate_reason", "final_tier", "status",
)  # fmt: skip
_NUMBERS = (
    "ts", "similarity", "route_score", "confidence", "cost_usd", "baseline_cost_usd", "saved_usd", "latency_ms",
    "overhead_ms",
)  # fmt: skip


def upgrade() -> None:
    """Make the tables of version 1."""
    op.create_table(
        "tiergate_schema",
        sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("opened_at", sa.Double, nullable=False),
        if_not_exists=True,
    )
    op.create_table(
        "tiergate_decisions",
        sa.Column("decision_id", sa.Text, primary_key=True),
        *(sa.Column(name, sa.Double) for name in _NUMBERS),
        *(sa.Column(name, sa.Text) for name in _TEXTS),
        sa.Column("recorded_at", sa.BigInteger, nullable=False),
        sa.Column("record", sa.JSON().with_variant(JSONB(), "postgresql"), nullable=False),
        sa.Column("embedding", sa.LargeBinary),
        sa.Column("prompt", sa.Text),
        if_not_exists=True,
    )
    indexes = {"ts": ["ts", "decision_id"], "tenant": ["tenant", "ts"], "call_id": ["call_id"]}
    for name, columns in indexes.items():
        op.create_index(f"ix_tiergate_decisions_{name}", "tiergate_decisions", columns, if_not_exists=True)
    inside = sa.text("experiment IS NOT NULL")
    op.create_index(
        "ix_tiergate_decisions_experiment",
        "tiergate_decisions",
        ["experiment", "arm", "ts"],
        sqlite_where=inside,
        postgresql_where=inside,
        if_not_exists=True,
    )


def downgrade() -> None:
    """Remove everything."""
    op.drop_table("tiergate_decisions")
    op.drop_table("tiergate_schema")
