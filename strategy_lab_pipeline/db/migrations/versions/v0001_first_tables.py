"""The first tables: files, lineage, results."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    _files()
    _materializations()
    _sessions_and_quality()
    _runs()


def downgrade() -> None:
    """Drop the tables, those that refer to others first."""
    for table in ("metrics", "runs", "quality", "sessions", "materializations"):
        op.drop_table(table)
    op.drop_table("file_ranges")
    op.drop_table("file_partitions")
    op.drop_table("files")


def _id() -> sa.types.TypeEngine[int]:
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _texts(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.String(), nullable=False) for name in names]


def _integers(*names: str) -> list[sa.Column[int]]:
    return [sa.Column(name, sa.BigInteger(), nullable=False) for name in names]


def _files() -> None:
    op.create_table(
        "files",
        sa.Column("id", _id(), nullable=False),
        *_texts("path", "sha256", "status", "format", "schema", "dataset"),
        *_integers("delivery", "size", "mtime_ns", "rows", "first_ts", "last_ts", "seen_at_ns"),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("duplicate_of", _id(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_files"),
        sa.UniqueConstraint("path", "delivery", name="uq_files_path_delivery"),
        sa.ForeignKeyConstraint(["duplicate_of"], ["files.id"], name="fk_files_duplicate_of_files"),
        sa.CheckConstraint(
            "status IN ('whole', 'broken', 'duplicate', 'covered')", name=op.f("ck_files_status")
        ),
    )
    op.create_index("ix_files_sha256", "files", ["sha256"])
    op.create_table(
        "file_partitions",
        sa.Column("file_id", _id(), nullable=False),
        *_texts("product", "session"),
        *_integers("rows"),
        sa.PrimaryKeyConstraint("file_id", "product", "session", name="pk_file_partitions"),
        sa.ForeignKeyConstraint(
            ["file_id"], ["files.id"], name="fk_file_partitions_file_id_files", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_file_partitions_product_session", "file_partitions", ["product", "session"])
    key = ["file_id", "publisher_id", "instrument_id", "channel_id"]
    op.create_table(
        "file_ranges",
        sa.Column("file_id", _id(), nullable=False),
        *_integers("publisher_id", "instrument_id", "channel_id"),
        *_texts("product"),
        *_integers("first_sequence", "last_sequence", "first_ts", "last_ts", "rows"),
        sa.Column("restarts", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint(*key, name="pk_file_ranges"),
        sa.ForeignKeyConstraint(
            ["file_id"], ["files.id"], name="fk_file_ranges_file_id_files", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_file_ranges_instrument_id_channel_id", "file_ranges", key[2:])
    op.create_index("ix_file_ranges_product", "file_ranges", ["product"])


def _materializations() -> None:
    op.create_table(
        "materializations",
        sa.Column("id", _id(), nullable=False),
        *_texts("asset", "product", "session", "version"),
        sa.Column("current", sa.Boolean(), nullable=False),
        *_texts("code_version", "config_hash", "data_version", "run_id"),
        *_integers("rows", "created_at_ns"),
        *(sa.Column(name, sa.JSON(), nullable=False) for name in ("inputs", "files", "details")),
        sa.PrimaryKeyConstraint("id", name="pk_materializations"),
    )
    key = ["asset", "product", "session"]
    op.create_index("ix_materializations_asset_product_session", "materializations", key)
    _one_current("materializations", key)


def _one_current(table: str, key: list[str]) -> None:
    current = sa.text("current")
    op.create_index(
        f"uq_{table}_current", table, key,
        unique=True, sqlite_where=current, postgresql_where=current,
    )  # fmt: skip


def _sessions_and_quality() -> None:
    op.create_table(
        "sessions",
        *_texts("product", "session", "label"),
        *_integers("open_ns", "close_ns", "first_ts", "last_ts"),
        sa.Column("instruments", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("product", "session", name="pk_sessions"),
        sa.CheckConstraint("label IN ('partial', 'complete')", name=op.f("ck_sessions_label")),
    )
    op.create_table(
        "quality",
        *_texts("asset", "product", "session", "rule", "severity"),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("applicable", sa.Boolean(), nullable=False),
        sa.Column("passed", sa.Boolean(), nullable=False),
        *_integers("rows"),
        sa.Column("share", sa.Double(), nullable=False),
        sa.Column("first_rows", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("asset", "product", "session", "rule", name="pk_quality"),
    )


def _runs() -> None:
    op.create_table(
        "runs",
        sa.Column("id", _id(), nullable=False),
        *_texts("experiment", "experiment_id", "product", "session", "version"),
        sa.Column("current", sa.Boolean(), nullable=False),
        *_texts("label", "run_id"),
        sa.Column("config", sa.JSON(), nullable=False),
        *_integers("created_at_ns"),
        sa.PrimaryKeyConstraint("id", name="pk_runs"),
    )
    op.create_index("ix_runs_experiment", "runs", ["experiment"])
    _one_current("runs", ["experiment_id", "product", "session"])
    op.create_table(
        "metrics",
        sa.Column("run", _id(), nullable=False),
        *_texts("name"),
        sa.Column("integer", sa.BigInteger(), nullable=True),
        sa.Column("real", sa.Double(), nullable=True),
        sa.Column("text", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("run", "name", name="pk_metrics"),
        sa.ForeignKeyConstraint(
            ["run"], ["runs.id"], name="fk_metrics_run_runs", ondelete="CASCADE"
        ),
    )
