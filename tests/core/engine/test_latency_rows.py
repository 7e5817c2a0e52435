"""Recorded latencies: what a table must obey, and that its content is what counts."""

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest

from strategy_lab_core.engine.config import BacktestConfig, FeeConfig
from strategy_lab_core.engine.latency_config import LogNormalLatencyConfig, RecordedLatencyConfig
from strategy_lab_core.engine.latency_rows import LatencyRows
from strategy_lab_core.errors import ConfigError, DataError

GOOD = {"request_ns": [10, 20, 30], "exchange_ns": [12, None, 35], "response_ns": [15, 29, 36]}


def rows(**changes: list[Any]) -> pl.DataFrame:
    """Return a good table with other columns."""
    return pl.DataFrame(GOOD | changes)


def test_rows__become_three_curves() -> None:
    """Entry by request time, response by exchange time, rejections by request time."""
    made = LatencyRows.of(rows())

    assert made.curves().tolist() == [
        [10, 2], [30, 5],
        [12, 3], [35, 1],
        [10, -1], [20, 9], [30, -1],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"request_ns": [10, 9, 30]}, r"row 1 .*sorted by request_ns, got 9"),
        ({"request_ns": [-1, 20, 30]}, r"row 0 .*request_ns must not be negative, got -1"),
        ({"exchange_ns": [9, None, 35]}, r"row 0 .*exchange_ns must not be before request_ns"),
        ({"exchange_ns": [-1, None, 35]}, r"row 0 .*exchange_ns must not be before request_ns"),
        ({"response_ns": [15, 19, 36]}, r"row 1 .*response_ns must not be before"),
        ({"response_ns": [15, 20, 36]}, r"row 1 .*heard after its request_ns, got 20"),
        ({"exchange_ns": [33, 25, 35], "response_ns": [40, 40, 40]}, r"row 1 .*must not go back"),
        ({"exchange_ns": [None, None, None]}, r"at least one row with an exchange time"),
        ({"request_ns": [10.0, 20.0, 30.0]}, r"request_ns must be integers in ns, got float64"),
        ({"response_ns": [15, None, 36]}, r"column response_ns has no value in row 1"),
        ({"response_ns": [15, 29, 10**14]}, r"row 2 .*not take more than a day"),
        (
            {"request_ns": [0, 20, 2**52], "exchange_ns": [12, None, 2**52],
             "response_ns": [15, 29, 2**52]},
            r"row 2 .*within 52 days",
        ),
    ],
)  # fmt: skip
def test_rows__name_the_row_and_the_rule(changes: dict[str, list[Any]], says: str) -> None:
    """Everything that is needed to correct the table."""
    with pytest.raises(DataError, match=says):
        LatencyRows.of(rows(**changes))


def test_rows__need_their_columns_and_rows() -> None:
    """A missing column is named; no rows are no latency."""
    with pytest.raises(DataError, match="no column exchange_ns"):
        LatencyRows.of(rows().drop("exchange_ns"))
    with pytest.raises(DataError, match="at least one row"):
        LatencyRows.of(rows().clear())
    with pytest.raises(ConfigError, match=r"latency\.rows must be LatencyRows"):
        RecordedLatencyConfig(rows=rows())  # type: ignore[arg-type]


def test_stream__is_keyed_by_seed_and_latencies_alone() -> None:
    """Other fees and limits meet the same latencies; another seed, or sigma, others."""
    drawn = LogNormalLatencyConfig()
    one = BacktestConfig(latency=drawn)
    dear = replace(one, fees=FeeConfig(taker_e6=5), allow_partial=True)

    assert one.stream_key() == dear.stream_key()
    assert one.stream_key() != replace(one, seed=1).stream_key()
    wide = replace(one, latency=replace(drawn, entry_sigma_e6=1))
    assert one.stream_key() != wide.stream_key()


def test_digest__covers_the_rows() -> None:
    """Equal content is one configuration, whatever the column types; other content another."""
    one, same = LatencyRows.of(rows()), LatencyRows.of(rows().cast(pl.UInt64))
    other = LatencyRows.of(rows(response_ns=[15, 29, 37]))
    configs = [BacktestConfig(latency=RecordedLatencyConfig(rows=r)) for r in (one, same, other)]

    assert configs[0] == configs[1]
    assert hash(configs[0]) == hash(configs[1])
    assert configs[0].digest() == configs[1].digest() != configs[2].digest()
    assert configs[0].as_dict()["latency"]["rows"] == one.digest


def test_rows__can_not_be_changed_from_outside() -> None:
    """The digest would no longer be theirs."""
    request = np.array([1, 2], np.int64)
    made = LatencyRows(request, request, request)
    before = made.curves()
    request[0] = 0
    assert (made.curves() == before).all()
