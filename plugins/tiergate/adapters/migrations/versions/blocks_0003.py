"""Columns of summed hours in blocks, for replay."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table of version 3. Hours that are summed already are packed by the log's own thread."""
    op.create_table(
        "tiergate_blocks",
        sa.Column("hour", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("part", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("decisions", sa.BigInteger, nullable=False),
        sa.Column("columns", sa.LargeBinary, nullable=False),
    )


def downgrade() -> None:
    """Remove it; nothing is lost, the blocks are made of the decisions."""
    op.drop_table("tiergate_blocks")
