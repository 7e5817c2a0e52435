"""Raw Binance captures: what each message becomes, what is refused, and the real files."""

import gzip
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from strategy_lab_core.book.differences import best_prices
from strategy_lab_core.book.l3 import L3Book
from strategy_lab_core.book.validate import validate
from strategy_lab_core.data import binance
from strategy_lab_core.data.columns import column
from strategy_lab_core.data.files import open_ticks
from strategy_lab_core.data.schemas import polars_schema
from strategy_lab_core.data.ticks import read_ticks
from strategy_lab_core.errors import FormatError, TruncatedFileError
from strategy_lab_core.types import EMPTY_PRICE, BookState, RecordFlag, TickSchema

NOW = 1_723_161_255_000_000_000
EVENT_MS = 1_723_161_256_299
SNAPSHOT = int(RecordFlag.SNAPSHOT) | int(RecordFlag.BAD_TS_RECV)


def line(message: Mapping[str, object], *, after: int = 0) -> str:
    """Return a line of a capture."""
    return f"{NOW + after} {json.dumps(message, separators=(',', ':'))}\n"


def diff(first: int, last: int, before: int, **levels: list[list[str]]) -> dict[str, object]:
    """Return a message of USD-M depth."""
    data = {"e": "depthUpdate", "E": EVENT_MS, "T": EVENT_MS - 1, "s": "BTCUSDT", "U": first}
    sides = {"b": levels.get("b", []), "a": levels.get("a", [])}
    return {"stream": "btcusdt@depth@0ms", "data": {**data, "u": last, "pu": before, **sides}}


TRADE = {
    "stream": "btcusdt@trade",
    "data": {"e": "trade", "E": EVENT_MS, "T": EVENT_MS, "s": "BTCUSDT", "t": 7, "p": "61800.30",
             "q": "0.006", "X": "MARKET", "m": False},
}  # fmt: skip
TICKER = {
    "stream": "btcusdt@bookTicker",
    "data": {"e": "bookTicker", "u": 20, "s": "BTCUSDT", "b": "61800.20", "B": "2.507",
             "a": "61800.30", "A": "2.510", "T": EVENT_MS, "E": EVENT_MS},
}  # fmt: skip
SNAP = {"lastUpdateId": 15, "bids": [["61800.20", "2.909"]], "asks": [["61800.30", "1.000"]]}
DIFF = line(diff(10, 14, 9, b=[["61800.20", "1.000"]]))


def write(path: Path, *lines: str) -> Path:
    """Write a compressed capture."""
    path.write_bytes(gzip.compress("".join(lines).encode()))
    return path


def test_capture__every_message_is_rows(tmp_path: Path) -> None:
    """Levels, trades and quotes with exact prices, sizes in steps of the written decimals."""
    path = write(
        tmp_path / "capture.gz",
        line(diff(10, 12, 9, b=[["61800.20", "2.500"], ["61800.1", "0"]], a=[["61800.3", "1"]])),
        line(TRADE, after=1),
        line(TICKER, after=2),
        line(diff(13, 13, 12), after=3),
    )

    found = read_ticks(path)

    assert found.schema == polars_schema(TickSchema.DEPTH)
    rows = found.select("action", "side", "price", "size", "flags", "update_id", "sequence").rows()
    bid, ask = 61_800_200_000_000, 61_800_300_000_000
    assert rows == [
        ("M", "B", bid, 2_500, 0, 12, 1),
        ("M", "B", bid - 100_000_000, 0, 0, 12, 1),
        ("M", "A", ask, 1_000, 128, 12, 1),
        ("T", "B", ask, 6, 128, 7, 2),
        ("N", "B", bid, 2_507, 0, 20, 3),
        ("N", "A", ask, 2_510, 128, 20, 3),
        ("N", "N", EMPTY_PRICE, 0, 128, 13, 4),
    ]
    assert found["ts_recv"].to_list() == [NOW] * 3 + [NOW + 1, NOW + 2, NOW + 2, NOW + 3]
    assert set(found["ts_event"]) == {(EVENT_MS - 1) * 10**6, EVENT_MS * 10**6}
    assert found["previous_update_id"].to_list() == [9, 9, 9, 7, 20, 20, 12]


def test_capture__a_snapshot_stands_before_what_it_lacks(tmp_path: Path) -> None:
    """It came after the message of changes 16 to 18, which it does not have."""
    path = write(
        tmp_path / "capture.gz",
        line(diff(10, 14, 9, b=[["61800.20", "1.000"]])),
        line(diff(16, 18, 14, b=[["61800.20", "3.000"]]), after=5),
        line(SNAP, after=9),
    )

    found = read_ticks(path)

    assert found.select("action", "size", "flags", "sequence").rows() == [
        ("M", 1_000, 128, 1),
        ("R", 0, SNAPSHOT, 3),
        ("M", 2_909, SNAPSHOT, 3),
        ("M", 1_000, SNAPSHOT, 3),
        ("M", 3_000, 128, 2),
    ]


def test_capture__a_late_snapshot_leaves_the_book_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Changes that it lacks were handed out with an earlier block of lines."""
    first = line(diff(10, 18, 9, b=[["61800.20", "1.000"]]))
    monkeypatch.setattr(binance, "_BLOCK_BYTES", len(first))
    path = write(tmp_path / "capture.gz", first, line(SNAP, after=9))

    assert read_ticks(path)["action"].to_list() == ["M", "N", "N", "N"]


def test_capture__is_the_same_in_small_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a block of lines ends makes no difference but to late snapshots."""
    changes = [diff(n, n, n - 1, b=[["61800.20", f"{n}.000"]]) for n in range(20, 60)]
    lines = [line(SNAP), *(line(each, after=n) for n, each in enumerate(changes)), line(TRADE)]
    path = write(tmp_path / "capture.gz", *lines)
    whole = read_ticks(path)
    monkeypatch.setattr(binance, "_BLOCK_BYTES", 700)

    assert read_ticks(path).equals(whole)


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ([DIFF, f"{NOW} {{broken\n"], "line 2 is no message of depth, trade or bookTicker"),
        ([DIFF, line({**TRADE, "data": 1})[:-3] + "\n"], "line 2 is no message"),
        ([DIFF, line({"stream": "x@kline"})], "line 2 is no message"),
        ([line(TRADE).replace("BTCUSDT", "ETHUSDT"), line(TICKER)], "symbols BTCUSDT, ETHUSDT"),
    ],
    ids=["no json", "cut json", "other stream", "two instruments"],
)
def test_capture__names_the_line_that_is_broken(
    tmp_path: Path, lines: list[str], says: str
) -> None:
    """What can't be read is refused by file and line."""
    path = write(tmp_path / "capture.gz", *lines)
    with pytest.raises(FormatError, match=says):
        read_ticks(path)


def spot(size: str) -> dict[str, object]:
    """Return a message of spot depth: no id of the message before."""
    data = {"e": "depthUpdate", "E": EVENT_MS, "s": "ETHUSDT", "U": 1, "u": 2, "a": []}
    return {"stream": "ethusdt@depth", "data": {**data, "b": [["2400.10000000", size]]}}


def test_capture__takes_spot_sizes_up_to_32_bits(tmp_path: Path) -> None:
    """Of lots of 1e-6."""
    path = write(tmp_path / "capture.gz", line(spot("4294.96729500")), line(spot("0.00000100")))

    assert read_ticks(path)["size"].to_list() == [2**32 - 1, 1]


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        (spot("4294.96729600"), "line 2 has the size '4294.96729600', which must be a whole number "
         "of 1e-6, at most 4,294.967295"),
        (spot("0.00000010"), "line 2 has the size '0.00000010'"),
        (spot("many"), "line 2 has the size 'many'"),
    ],
    ids=["too large", "too fine", "no number"],
)  # fmt: skip
def test_capture__refuses_a_size_that_would_be_lost(
    tmp_path: Path, bad: dict[str, object], says: str
) -> None:
    """By line and value: without it the book would be wrong from there on."""
    path = write(tmp_path / "capture.gz", line(spot("1.00000000")), line(bad))
    with pytest.raises(FormatError, match=says):
        read_ticks(path)


def test_capture__refuses_a_size_finer_than_the_first(tmp_path: Path) -> None:
    """A futures market writes all sizes with the decimals of its lots."""
    path = write(tmp_path / "capture.gz", line(diff(1, 1, 0, b=[["1.0", "2.5"]])), line(TRADE))
    with pytest.raises(FormatError, match=r"line 2 has the size '0\.006', which must be a whole"):
        read_ticks(path)


@pytest.mark.parametrize("lines", [[line(TICKER), line(SNAP)], [line(diff(1, 1, 0))]])
def test_capture__needs_a_change_to_know_market_and_lot(tmp_path: Path, lines: list[str]) -> None:
    """Else a futures market would be taken for the spot market, its sizes for whole units."""
    path = write(tmp_path / "capture.gz", *lines)
    with pytest.raises(FormatError, match=r"no change of depth in its first .* capture depth"):
        read_ticks(path)


def test_capture__a_cut_line_is_an_error(tmp_path: Path) -> None:
    """A capture that was stopped in the middle of a line."""
    path = write(tmp_path / "capture.gz", DIFF, line(TRADE)[:40])
    with pytest.raises(TruncatedFileError, match="ends in the middle of line 2"):
        read_ticks(path)


def test_capture__a_lost_message_spoils_the_book(tmp_path: Path) -> None:
    """Until a snapshot: change 17 names 16 as the one before, and 15 was the last."""
    path = write(
        tmp_path / "capture.gz",
        line(SNAP),
        line(diff(16, 16, 15, b=[["61800.10", "1.000"]]), after=1),
        line(diff(18, 18, 17, b=[["61800.10", "2.000"], ["61800.00", "1.000"]]), after=2),
        line({**SNAP, "lastUpdateId": 18}, after=3),
    )

    found = validate(read_ticks(path)).valid

    trusted, unreliable = BookState.TRUSTED, BookState.UNRELIABLE
    assert found["book_state"].to_list() == [trusted] * 4 + [unreliable] * 2 + [trusted] * 3


@pytest.mark.parametrize(("begins", "is_lost"), [(94, False), (100, False), (101, True)])
def test_capture__after_a_reconnect_the_snapshot_decides(
    tmp_path: Path, begins: int, is_lost: bool
) -> None:
    """What was lost before it does not matter; a change that begins after it has lost some."""
    path = write(
        tmp_path / "capture.gz",
        line(diff(16, 16, 15, b=[["61800.10", "1.000"]])),
        line({**SNAP, "lastUpdateId": 100}, after=1),
        line(diff(begins + 1, 105, begins, b=[["61800.10", "2.000"]]), after=2),
        line(diff(106, 107, 105, b=[["61800.10", "3.000"]]), after=3),
    )

    states = validate(read_ticks(path)).valid["book_state"].to_list()

    assert states[-2:] == [BookState.UNRELIABLE if is_lost else BookState.TRUSTED] * 2


CAPTURES = ["cm_btcusd_perp", "spot_btcusdt", "usdm_btcusdt"]


@pytest.mark.real_data
@pytest.mark.parametrize("name", CAPTURES)
def test_real_captures__agree_with_the_venues_own_quotes(real_data: Path, name: str) -> None:
    """No gap, one snapshot; best prices at a bookTicker's change are its own; the clock is late."""
    ticks = read_ticks(real_data / "binance_raw" / f"{name}_20240808.gz")
    assert open_ticks(real_data / "binance_raw" / f"{name}_20240808.gz").schema is TickSchema.DEPTH
    assert ticks.null_count().select(pl.sum_horizontal(pl.all())).item() == 0
    assert (ticks["action"] == "R").sum() == 1
    assert validate(ticks).counts.get("lost_change", 0) == 0

    best = best_prices(L3Book(), ticks)
    started = int(np.flatnonzero(column(ticks, "action") == ord("R"))[0])
    rows = ticks.with_columns(best_bid=best[:, 0], best_ask=best[:, 1]).with_row_index("at")
    changes = rows.filter((pl.col("action") == "M") & (pl.col("flags") == 128))
    quotes = rows.filter((pl.col("action") == "N") & (pl.col("side") != "N"))
    both = changes.filter(pl.col("at") > started).join(quotes, on="update_id", suffix="_venue")
    own = pl.when(pl.col("side_venue") == "B").then("best_bid").otherwise("best_ask")
    assert len(both) > 100
    assert both.select((own == pl.col("price_venue")).all()).item()

    clocked = ticks.filter((pl.col("flags") & SNAPSHOT) == 0)
    shortest = (clocked["ts_recv"] - clocked["ts_event"]).min()
    assert isinstance(shortest, int)
    assert -1_300_000_000 < shortest < -1_200_000_000
