"""Files that the user took away and does not want counted any more."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the mark; nothing is forgotten yet."""
    mark: sa.Column[bool] = sa.Column(
        "forgotten", sa.Boolean(), nullable=False, server_default=sa.false()
    )
    op.add_column("files", mark)


def downgrade() -> None:
    """Drop the mark."""
    op.drop_column("files", "forgotten")
