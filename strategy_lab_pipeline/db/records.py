"""What the store returns and takes: plain frozen values, no open connection behind them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Protocol, TypeVar

__all__ = [
    "FileRange",
    "FileRow",
    "FindingLike",
    "Materialization",
    "QualityRow",
    "RunRow",
    "SearchRow",
    "SessionRow",
    "TrialRow",
    "VerdictRow",
    "WindowRow",
    "from_row",
]

Record = TypeVar("Record")


def from_row(kind: type[Record], row: Any, **others: Any) -> Record:
    """Return a `kind` with the columns of `row` that it has fields for, and `others`."""
    names = {field.name for field in fields(kind)} - others.keys()  # type: ignore[arg-type]
    return kind(**{name: getattr(row, name) for name in names}, **others)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRow:
    """One delivery of one tick file.

    Parameters
    ----------
    delivery
        1, 2, ...: how many times the path got other bytes.
    sha256
        Of its bytes; "" where they could not be read.
    size
        In bytes.
    status
        "whole", "broken", "duplicate" where another path has the same bytes, or "covered" where
        another file has all of its messages.
    first_ts, last_ts
        First and last index time, ns UTC, both inclusive; 0 where there is none.
    """

    id: int
    path: str
    delivery: int
    sha256: str
    size: int
    mtime_ns: int
    status: str
    reason: str
    duplicate_of: int | None
    format: str
    schema: str
    dataset: str
    rows: int
    first_ts: int
    last_ts: int
    seen_at_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRange:
    """From where to where a file holds the messages of one instrument on one channel.

    Parameters
    ----------
    channel_id
        -1 where the schema has none.
    first_sequence, last_sequence, first_ts, last_ts
        Lowest and highest sequence number and `ts_recv` (ns UTC), inclusive, of the numbered rows
        outside snapshots; 0 where there are none.
    rows
        How many those are.
    restarts
        Whether its first row in the file makes the book known: a clear, or a snapshot's.
    """

    publisher_id: int
    instrument_id: int
    channel_id: int
    product: str
    first_sequence: int
    last_sequence: int
    first_ts: int
    last_ts: int
    rows: int
    restarts: bool

    @property
    def stream(self) -> tuple[int, ...]:
        """Whose sequence numbers these are: publisher, instrument, channel."""
        return self.publisher_id, self.instrument_id, self.channel_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Materialization:
    """One version of one partition of one asset in the lake.

    Parameters
    ----------
    version
        16 hex digits over inputs, code and configuration.
    data_version
        sha256 over the files that were written.
    inputs
        Name of each input to its data version.
    files
        Name, sha256, bytes and rows of each file.
    """

    asset: str
    product: str
    session: str
    version: str
    current: bool
    code_version: str
    config_hash: str
    data_version: str
    rows: int
    inputs: Mapping[str, str]
    files: Sequence[Mapping[str, Any]]
    details: Mapping[str, Any]
    run_id: str
    created_at_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRow:
    """One trading session of one product; times in ns UTC.

    Parameters
    ----------
    label
        "complete" where its rows reach from open to close, else "partial".
    first_ts, last_ts
        First and last row, both inclusive.
    instruments
        Instrument id (as text) to symbol.
    """

    product: str
    session: str
    label: str
    open_ns: int
    close_ns: int
    first_ts: int
    last_ts: int
    instruments: Mapping[str, str]


class FindingLike(Protocol):
    """What one rule found: a row of the quality table but its partition."""

    @property
    def rule(self) -> str:
        """Name of the rule."""

    @property
    def severity(self) -> str:
        """Either "error" or "warning"."""

    @property
    def reason(self) -> str:
        """What the rule asks for."""

    @property
    def applicable(self) -> bool:
        """Whether a row could break it."""

    @property
    def passed(self) -> bool:
        """Whether it was kept."""

    @property
    def rows(self) -> int:
        """Rows that broke it."""

    @property
    def share(self) -> float:
        """Of the rows that it looked at, 0 to 1."""

    @property
    def first_rows(self) -> Sequence[Mapping[str, Any]]:
        """The first rows that broke it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityRow:
    """What one rule found in one partition of one asset.

    Parameters
    ----------
    severity
        "error" or "warn".
    share
        Of the rows that the rule looked at, 0 to 1.
    """

    asset: str
    product: str
    session: str
    rule: str
    severity: str
    reason: str
    applicable: bool
    passed: bool
    rows: int
    share: float
    first_rows: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRow:
    """One experiment on one session, with its figures.

    Parameters
    ----------
    experiment_id
        Hash of everything in the experiment but the dates.
    version
        Of the materialization that holds orders, fills and equity.
    metrics
        Name to value; money is int64 in 1e-6 (names end in `_e6`), an undefined figure is NaN.
    """

    experiment: str
    experiment_id: str
    product: str
    session: str
    version: str
    current: bool
    label: str
    config: Mapping[str, Any]
    run_id: str
    created_at_ns: int
    metrics: Mapping[str, int | float | str]


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchRow:
    """One search of a strategy's parameters.

    Parameters
    ----------
    digest
        16 hex digits over all that decides its trials.
    first_session, last_session
        ISO dates, both inclusive.
    """

    digest: str
    name: str
    product: str
    strategy: str
    first_session: str
    last_session: str
    config: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialRow:
    """One parameter set that a search tried.

    Parameters
    ----------
    number
        0, 1, ... in the order in which the search asked for them.
    experiment_id
        Under which the runs hold its figures, session by session.
    state
        "complete", "failed" or "pruned".
    objectives
        Name to value, None where it is undefined.
    reason
        Why it failed or was pruned, else "".
    """

    number: int
    experiment_id: str
    parameters: Mapping[str, Any]
    state: str
    objectives: Mapping[str, float | None]
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowRow:
    """One window of a walk-forward.

    Parameters
    ----------
    key
        Experiment id and the dates of training and test.
    chosen
        Experiment id of the parameter set that was chosen on the training sessions.
    in_sample, out_of_sample
        The objective on the training and on the test sessions, None where it is undefined.
    sessions
        Each session that was used, to the data version of what it was run on.
    """

    key: str
    name: str
    product: str
    strategy: str
    version: str
    chosen: str
    parameters: Mapping[str, Any]
    in_sample: float | None
    out_of_sample: float | None
    sessions: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictRow:
    """What the evidence says of one search or walk-forward.

    Parameters
    ----------
    light
        "green", "red" or "can't tell".
    n_trials
        Every trial ever stored for the strategy, the product and overlapping sessions.
    """

    subject: str
    product: str
    strategy: str
    version: str
    light: str
    n_trials: int
    figures: Mapping[str, Any]
