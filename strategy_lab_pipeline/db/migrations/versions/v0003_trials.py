"""Searches, their trials, the windows of walk-forwards, and verdicts."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    _searches()
    _trials()
    _windows()
    _verdicts()


def downgrade() -> None:
    """Drop the tables, those that refer to others first."""
    for table in ("verdicts", "windows", "trials", "searches"):
        op.drop_table(table)


def _texts(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.String(), nullable=False) for name in names]


def _made() -> list[sa.Column[int]]:
    return [sa.Column("created_at_ns", sa.BigInteger(), nullable=False)]


def _json(*names: str) -> list[sa.Column[object]]:
    return [sa.Column(name, sa.JSON(), nullable=False) for name in names]


def _searches() -> None:
    op.create_table(
        "searches",
        *_texts("digest", "name", "product", "strategy", "first_session", "last_session"),
        *_json("config"),
        *_texts("run_id"),
        *_made(),
        sa.PrimaryKeyConstraint("digest", name="pk_searches"),
    )
    op.create_index("ix_searches_product_strategy", "searches", ["product", "strategy"])


def _trials() -> None:
    op.create_table(
        "trials",
        *_texts("search", "experiment_id", "state"),
        sa.Column("number", sa.BigInteger(), nullable=False),
        *_json("parameters", "objectives"),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("search", "number", name="pk_trials"),
        sa.ForeignKeyConstraint(
            ["search"], ["searches.digest"], name="fk_trials_search_searches", ondelete="CASCADE"
        ),
        sa.CheckConstraint(
            "state IN ('complete', 'failed', 'pruned')", name=op.f("ck_trials_state")
        ),
    )
    op.create_index("ix_trials_experiment_id", "trials", ["experiment_id"])


def _windows() -> None:
    op.create_table(
        "windows",
        *_texts("key", "name", "product", "strategy", "version", "chosen", "run_id"),
        *_json("parameters", "sessions"),
        sa.Column("in_sample", sa.Double(), nullable=True),
        sa.Column("out_of_sample", sa.Double(), nullable=True),
        *_made(),
        sa.PrimaryKeyConstraint("key", name="pk_windows"),
    )
    op.create_index("ix_windows_name", "windows", ["name"])


def _verdicts() -> None:
    op.create_table(
        "verdicts",
        *_texts("subject", "product", "strategy", "version", "light", "run_id"),
        sa.Column("n_trials", sa.BigInteger(), nullable=False),
        *_json("figures"),
        *_made(),
        sa.PrimaryKeyConstraint("subject", name="pk_verdicts"),
        sa.CheckConstraint(
            "light IN ('green', 'red', 'can''t tell')", name=op.f("ck_verdicts_light")
        ),
    )
    op.create_index("ix_verdicts_product_strategy", "verdicts", ["product", "strategy"])
