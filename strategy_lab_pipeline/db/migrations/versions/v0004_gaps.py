"""What files have of whole channels, and the gaps of sessions with what became of them."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    _file_channels()
    _gaps()


def downgrade() -> None:
    """Drop the tables."""
    op.drop_table("gaps")
    op.drop_table("file_channels")


def _id() -> sa.types.TypeEngine[int]:
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _texts(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.String(), nullable=False) for name in names]


def _integers(*names: str) -> list[sa.Column[int]]:
    return [sa.Column(name, sa.BigInteger(), nullable=False) for name in names]


def _file_channels() -> None:
    op.create_table(
        "file_channels",
        sa.Column("file_id", _id(), nullable=False),
        *_integers("publisher_id", "channel_id", "first_sequence", "last_sequence"),
        *_integers("first_ts", "last_ts", "messages"),
        sa.Column("is_whole", sa.Boolean(), nullable=False),
        sa.Column("gaps", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("file_id", "publisher_id", "channel_id", name="pk_file_channels"),
        sa.ForeignKeyConstraint(
            ["file_id"], ["files.id"], name="fk_file_channels_file_id_files", ondelete="CASCADE"
        ),
    )


def _gaps() -> None:
    op.create_table(
        "gaps",
        sa.Column("id", _id(), nullable=False),
        *_texts("product", "session", "kind", "severity", "place", "unit", "state", "run_id"),
        *_integers("start_ns", "end_ns", "size", "found_at_ns"),
        sa.Column("closed_at_ns", sa.BigInteger(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("repair", sa.Text(), nullable=False),
        sa.Column("files", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_gaps"),
        sa.CheckConstraint(
            "state IN ('open', 'repaired', 'replaced', 'withdrawn')", name=op.f("ck_gaps_state")
        ),
    )
    op.create_index("ix_gaps_product_session", "gaps", ["product", "session"])
