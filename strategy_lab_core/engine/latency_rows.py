"""Recorded latencies, checked once: when a request went out, reached matching, and was answered.

Reading files is in `data.latencies`; the kernel that interpolates in `latency`.
"""

import hashlib
from collections.abc import Iterator

import numpy as np

from strategy_lab_core.data.columns import Table, column
from strategy_lab_core.errors import DataError
from strategy_lab_core.types import Bool1D, Int1D, Int2D

__all__ = ["LatencyRows"]

_COLUMNS = ("request_ns", "exchange_ns", "response_ns")
_DAY_NS = 86_400_000_000_000
_LONGEST_NS = 2**52  # what the kernel interpolates over exactly, 52 days
_ABSENT = 2**63 - 1  # an exchange time


class LatencyRows:
    """Measured requests in order of time; equal and hashed by content.

    Attributes
    ----------
    digest
        16 hex digits of the rows.
    """

    def __init__(self, request_ns: Int1D, exchange_ns: Int1D, response_ns: Int1D) -> None:
        _check(request_ns, exchange_ns, response_ns)
        self._rows = np.stack([request_ns, exchange_ns, response_ns], axis=1)
        self._rows.flags.writeable = False
        self.digest = hashlib.sha256(self._rows.astype("<i8").tobytes()).hexdigest()[:16]

    @classmethod
    def of(cls, rows: Table) -> "LatencyRows":
        """Return the rows of a table with the columns request_ns, exchange_ns, response_ns.

        All are integers, ns UTC. A null in exchange_ns is a request that the gateway rejected: it
        never reached matching, and response_ns is when the rejection was heard.

        Raises
        ------
        DataError
            A column is missing or no integers, or a row breaks a rule; the message names both.
        """
        request, exchange, response = (_exact(rows, name) for name in _COLUMNS)
        return cls(request, exchange, response)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LatencyRows) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[tuple[int, int | None, int]]:
        for request, exchange, response in self._rows.tolist():
            yield request, None if exchange == _ABSENT else exchange, response

    def __repr__(self) -> str:
        return f"LatencyRows({len(self)} rows, {self.digest})"

    @property
    def is_matched(self) -> Bool1D:
        """Whether each row's request reached matching."""
        matched: Bool1D = self._rows[:, 1] != _ABSENT
        return matched

    def curves(self) -> Int2D:
        """Return (time, ns) rows as the kernel reads them, three curves one below the other.

        Entry delay by request time and response delay by exchange time, of the rows that reached
        matching; then, of all rows by request time, after how long a rejection was heard, -1 where
        there was none.
        """
        matched = self._rows[self.is_matched]
        request, exchange, response = matched.T
        wait = np.where(self.is_matched, -1, self._rows[:, 2] - self._rows[:, 0])
        entry = np.stack([request, exchange - request], axis=1)
        answer = np.stack([exchange, response - exchange], axis=1)
        return np.concatenate([entry, answer, np.stack([self._rows[:, 0], wait], axis=1)])


def _exact(rows: Table, name: str) -> Int1D:
    values = column(rows, name, null=_ABSENT if name == "exchange_ns" else None)
    if not np.issubdtype(values.dtype, np.integer):
        raise DataError(f"latencies: {name} must be integers in ns, got {values.dtype}")
    return values.astype(np.int64)


def _check(request: Int1D, exchange: Int1D, response: Int1D) -> None:
    matched = exchange != _ABSENT
    if not matched.any():
        raise DataError("the latencies need at least one row with an exchange time")
    reached = np.where(matched, exchange, request)
    _require("request_ns must not be negative", request >= 0, request)
    _require("rows must be sorted by request_ns", _rises(request), request)
    _require("exchange_ns must not be before request_ns", reached >= request, exchange)
    _require("response_ns must not be before the row's other times", response >= reached, response)
    later = matched | (response > request)  # else cancel and rejection could chase each other
    _require("a rejection must be heard after its request_ns", later, response)
    rises = np.ones(len(request), np.bool_)
    rises[matched] = _rises(exchange[matched])
    _require("exchange_ns must not go back from row to row", rises, exchange)
    _require("a row must not take more than a day", response - request <= _DAY_NS, response)
    near = response - request[0] < _LONGEST_NS
    _require("all rows must lie within 52 days", near, response)


def _rises(times: Int1D) -> Bool1D:
    rises: Bool1D = np.diff(times, prepend=times[0]) >= 0
    return rises


def _require(rule: str, holds: Bool1D, values: Int1D) -> None:
    if not holds.all():
        row = int(np.flatnonzero(~holds)[0])
        raise DataError(f"row {row} of the latencies: {rule}, got {values[row]}")
