"""The tables of the results database, the same on SQLite and PostgreSQL.

Times are int64 nanoseconds UTC, sessions their ISO dates, money int64 in 1e-6. A change here needs
a migration in `migrations/versions`; a test compares the two.
"""

from typing import Annotated, Any, TypeAlias

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Text,
    UniqueConstraint,
    false,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

__all__ = [
    "FileChannelTable",
    "FilePartitionTable",
    "FileRangeTable",
    "FileTable",
    "GapTable",
    "MaterializationTable",
    "MetricTable",
    "QualityTable",
    "RunTable",
    "SearchTable",
    "SessionTable",
    "Tables",
    "TrialTable",
    "VerdictTable",
    "WindowTable",
]

# SQLite counts up integer primary keys only.
Id: TypeAlias = Annotated[
    int, mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
]
Json: TypeAlias = Annotated[Any, mapped_column(JSON)]
_CURRENT = text("current")


class Tables(DeclarativeBase):
    """Every table; constraints are named alike on every database."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {int: BigInteger, str: String, float: Double}  # noqa: RUF012 (SQLAlchemy's)


class FileTable(Tables):
    """One delivery of one tick file: a path that gets new bytes gets a new row."""

    __tablename__ = "files"
    __table_args__ = (
        UniqueConstraint("path", "delivery"),
        CheckConstraint("status IN ('whole', 'broken', 'duplicate', 'covered')", name="status"),
        Index(None, "sha256"),
    )

    id: Mapped[Id]
    path: Mapped[str]
    delivery: Mapped[int]  # 1, 2, ... for one path
    sha256: Mapped[str]  # "" where it could not be read
    size: Mapped[int]  # bytes
    mtime_ns: Mapped[int]
    status: Mapped[str]
    reason: Mapped[str] = mapped_column(Text)
    # The file that has the bytes, all of the messages, or some that this one shares with it
    duplicate_of: Mapped[int | None] = mapped_column(ForeignKey("files.id"))
    format: Mapped[str]
    schema: Mapped[str]
    dataset: Mapped[str]
    rows: Mapped[int]
    first_ts: Mapped[int]
    last_ts: Mapped[int]
    seen_at_ns: Mapped[int]
    forgotten: Mapped[bool] = mapped_column(default=False, server_default=false())
    partitions: Mapped[list["FilePartitionTable"]] = relationship(
        cascade="all, delete-orphan", passive_deletes=True
    )
    ranges: Mapped[list["FileRangeTable"]] = relationship(
        cascade="all, delete-orphan", passive_deletes=True
    )
    channels: Mapped[list["FileChannelTable"]] = relationship(
        cascade="all, delete-orphan", passive_deletes=True
    )


class FilePartitionTable(Tables):
    """How many rows of a file belong to one session of one product."""

    __tablename__ = "file_partitions"
    __table_args__ = (Index(None, "product", "session"),)

    file_id: Mapped[int] = mapped_column(
        ForeignKey("files.id", ondelete="CASCADE"), primary_key=True
    )
    product: Mapped[str] = mapped_column(primary_key=True)
    session: Mapped[str] = mapped_column(primary_key=True)
    rows: Mapped[int]


class FileRangeTable(Tables):
    """From where to where a file holds the messages of one instrument on one channel."""

    __tablename__ = "file_ranges"
    __table_args__ = (Index(None, "instrument_id", "channel_id"), Index(None, "product"))

    file_id: Mapped[int] = mapped_column(
        ForeignKey("files.id", ondelete="CASCADE"), primary_key=True
    )
    publisher_id: Mapped[int] = mapped_column(primary_key=True)
    instrument_id: Mapped[int] = mapped_column(primary_key=True)
    channel_id: Mapped[int] = mapped_column(primary_key=True)  # -1 where the schema has none
    product: Mapped[str]
    first_sequence: Mapped[int]
    last_sequence: Mapped[int]
    first_ts: Mapped[int]
    last_ts: Mapped[int]
    rows: Mapped[int]
    restarts: Mapped[bool]


class FileChannelTable(Tables):
    """What a file has of one channel's messages, over all products."""

    __tablename__ = "file_channels"

    file_id: Mapped[int] = mapped_column(
        ForeignKey("files.id", ondelete="CASCADE"), primary_key=True
    )
    publisher_id: Mapped[int] = mapped_column(primary_key=True)
    channel_id: Mapped[int] = mapped_column(primary_key=True)
    first_sequence: Mapped[int]
    last_sequence: Mapped[int]
    first_ts: Mapped[int]
    last_ts: Mapped[int]
    messages: Mapped[int]
    is_whole: Mapped[bool]  # whether missing numbers are gaps
    gaps: Mapped[Json]  # first and last number, ts_recv before and after


class MaterializationTable(Tables):
    """One version of one partition of one asset in the lake; at most one of each is current."""

    __tablename__ = "materializations"
    __table_args__ = (
        Index(None, "asset", "product", "session"),
        Index(
            "uq_materializations_current", "asset", "product", "session",
            unique=True, sqlite_where=_CURRENT, postgresql_where=_CURRENT,
        ),
    )  # fmt: skip

    id: Mapped[Id]
    asset: Mapped[str]
    product: Mapped[str]  # "-" where not partitioned
    session: Mapped[str]
    version: Mapped[str]  # 16 hex digits: inputs, code and configuration
    current: Mapped[bool]
    code_version: Mapped[str]
    config_hash: Mapped[str]
    data_version: Mapped[str]  # sha256 of what was written
    rows: Mapped[int]
    inputs: Mapped[Json]
    files: Mapped[Json]
    details: Mapped[Json]
    run_id: Mapped[str]
    created_at_ns: Mapped[int]


class SessionTable(Tables):
    """One trading session of one product, as far as its rows reach."""

    __tablename__ = "sessions"
    __table_args__ = (CheckConstraint("label IN ('partial', 'complete')", name="label"),)

    product: Mapped[str] = mapped_column(primary_key=True)
    session: Mapped[str] = mapped_column(primary_key=True)
    label: Mapped[str]
    open_ns: Mapped[int]
    close_ns: Mapped[int]
    first_ts: Mapped[int]
    last_ts: Mapped[int]
    instruments: Mapped[Json]


class QualityTable(Tables):
    """What one rule found in one partition of one asset."""

    __tablename__ = "quality"

    asset: Mapped[str] = mapped_column(primary_key=True)
    product: Mapped[str] = mapped_column(primary_key=True)
    session: Mapped[str] = mapped_column(primary_key=True)
    rule: Mapped[str] = mapped_column(primary_key=True)
    severity: Mapped[str]
    reason: Mapped[str] = mapped_column(Text)
    applicable: Mapped[bool]
    passed: Mapped[bool]
    rows: Mapped[int]
    share: Mapped[float]
    first_rows: Mapped[Json]


class GapTable(Tables):
    """One gap of a session, from when it was found to what became of it."""

    __tablename__ = "gaps"
    __table_args__ = (
        CheckConstraint("state IN ('open', 'repaired', 'replaced', 'withdrawn')", name="state"),
        Index(None, "product", "session"),
    )

    id: Mapped[Id]
    product: Mapped[str]
    session: Mapped[str]
    kind: Mapped[str]
    severity: Mapped[str]
    place: Mapped[str]  # schema, channel or file
    start_ns: Mapped[int]
    end_ns: Mapped[int]
    size: Mapped[int]
    unit: Mapped[str]
    detail: Mapped[str] = mapped_column(Text)
    state: Mapped[str]
    found_at_ns: Mapped[int]
    closed_at_ns: Mapped[int | None]
    repair: Mapped[str] = mapped_column(Text)  # the files that brought the rows, or why it ended
    files: Mapped[Json]  # hash to name of the session's files when it was found
    run_id: Mapped[str]


class RunTable(Tables):
    """One experiment on one session; at most one of each is current."""

    __tablename__ = "runs"
    __table_args__ = (
        Index(None, "experiment"),
        Index(
            "uq_runs_current", "experiment_id", "product", "session",
            unique=True, sqlite_where=_CURRENT, postgresql_where=_CURRENT,
        ),
    )  # fmt: skip

    id: Mapped[Id]
    experiment: Mapped[str]  # its name
    experiment_id: Mapped[str]  # hash of everything in it but the dates
    product: Mapped[str]
    session: Mapped[str]
    version: Mapped[str]  # of the materialization that holds its tables
    current: Mapped[bool]
    label: Mapped[str]  # complete, partial, not run, failed
    config: Mapped[Json]
    run_id: Mapped[str]
    created_at_ns: Mapped[int]
    figures: Mapped[list["MetricTable"]] = relationship(
        cascade="all, delete-orphan", passive_deletes=True, order_by="MetricTable.name"
    )


class MetricTable(Tables):
    """One figure of a run, in the column of its type; none of them where it is undefined (NaN)."""

    __tablename__ = "metrics"

    run: Mapped[int] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    integer: Mapped[int | None]
    real: Mapped[float | None]
    text: Mapped[str | None] = mapped_column(Text)


class SearchTable(Tables):
    """One search of a strategy's parameters, named by the hash of all that decides its trials."""

    __tablename__ = "searches"
    __table_args__ = (Index(None, "product", "strategy"),)

    digest: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    product: Mapped[str]
    strategy: Mapped[str]
    first_session: Mapped[str]
    last_session: Mapped[str]
    config: Mapped[Json]
    run_id: Mapped[str]
    created_at_ns: Mapped[int]


class TrialTable(Tables):
    """One parameter set that a search tried, whatever became of it."""

    __tablename__ = "trials"
    __table_args__ = (
        CheckConstraint("state IN ('complete', 'failed', 'pruned')", name="state"),
        Index(None, "experiment_id"),
    )

    search: Mapped[str] = mapped_column(
        ForeignKey("searches.digest", ondelete="CASCADE"), primary_key=True
    )
    number: Mapped[int] = mapped_column(primary_key=True)
    experiment_id: Mapped[str]  # whose runs hold its figures
    parameters: Mapped[Json]
    state: Mapped[str]
    objectives: Mapped[Json]  # name to value, None where undefined
    reason: Mapped[str] = mapped_column(Text)


class WindowTable(Tables):
    """One window of a walk-forward: what was chosen on its training, what came of it after."""

    __tablename__ = "windows"
    __table_args__ = (Index(None, "name"),)

    key: Mapped[str] = mapped_column(primary_key=True)  # <experiment id>_<dates>
    name: Mapped[str]
    product: Mapped[str]
    strategy: Mapped[str]
    version: Mapped[str]  # of the materialization that holds its series
    chosen: Mapped[str]  # experiment_id of the choice
    parameters: Mapped[Json]
    in_sample: Mapped[float | None]
    out_of_sample: Mapped[float | None]
    sessions: Mapped[Json]  # session to the data version of its ticks and books
    run_id: Mapped[str]
    created_at_ns: Mapped[int]


class VerdictTable(Tables):
    """What the evidence says of one search or walk-forward, and on how many trials it rests."""

    __tablename__ = "verdicts"
    __table_args__ = (
        CheckConstraint("light IN ('green', 'red', 'can''t tell')", name="light"),
        Index(None, "product", "strategy"),
    )

    subject: Mapped[str] = mapped_column(primary_key=True)  # name of the search
    product: Mapped[str]
    strategy: Mapped[str]
    version: Mapped[str]
    light: Mapped[str]
    n_trials: Mapped[int]
    figures: Mapped[Json]
    run_id: Mapped[str]
    created_at_ns: Mapped[int]
