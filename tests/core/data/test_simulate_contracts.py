"""Two contracts side by side: one channel, two consistent markets, the trading goes over."""

from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from strategy_lab_core.data.calendar import session_calendar
from strategy_lab_core.data.simulate_contracts import TRUTH, write_contracts
from strategy_lab_core.data.ticks import read_ticks
from strategy_lab_core.types import RecordFlag
from tests.naive.market import NaiveMarket, events

CALENDAR = session_calendar("CME Globex Equity")
# From the Monday on which the second contract is listed to the first's last day and beyond.
SESSIONS = CALENDAR.sessions(date(2025, 3, 3), date(2025, 3, 24))
TICK = 250_000_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return where the files are."""
    return tmp_path_factory.mktemp("contracts")


@pytest.fixture(scope="module")
def truth(folder: Path) -> pl.DataFrame:
    """Return what was simulated, once the files are written."""
    return write_contracts(folder, SESSIONS, seed=5, events_per_session=[1_500] * len(SESSIONS))


@pytest.fixture(scope="module")
def ticks(truth: pl.DataFrame, folder: Path) -> pl.DataFrame:
    """Return the rows of all files."""
    assert truth.height
    return read_ticks(folder)


def is_live(ticks: pl.DataFrame) -> pl.DataFrame:
    """Return the rows that no snapshot restates."""
    return ticks.filter(pl.col("flags") & int(RecordFlag.SNAPSHOT) == 0)


def test_write_contracts__trading_goes_over_before_the_expiry(truth: pl.DataFrame) -> None:
    """The first contract begins with nearly all, ends with nearly nothing, and is gone then."""
    assert truth.schema == TRUTH
    days = truth.pivot("symbol", index="session", values="volume").sort("session")
    assert days["MNQH5"].is_not_null().to_list() == [
        key.key < date(2025, 3, 21) for key in SESSIONS
    ]
    shares = (days["MNQM5"] / (days["MNQH5"].fill_null(0) + days["MNQM5"])).to_list()
    assert max(shares[:5]) < 0.4
    assert min(shares[10:14]) > 0.6
    assert shares[-1] == 1.0


def test_write_contracts__says_what_the_files_hold(
    truth: pl.DataFrame, ticks: pl.DataFrame
) -> None:
    """Volumes and rows of each contract and session are those of the rows."""
    live = is_live(ticks)
    keys = CALENDAR.session_keys(live["ts_event"].to_numpy())
    live = live.with_columns(session=pl.Series(keys, dtype=pl.Int32).cast(pl.Date))
    lots = pl.col("size").filter(pl.col("action") == "T").cast(pl.Int64).sum()
    found = live.group_by("session", "symbol").agg(volume=lots, rows=pl.len().cast(pl.Int64))
    names = ["session", "symbol", "volume", "rows"]
    assert found.select(names).sort(names).equals(truth.select(names).sort(names))


def test_write_contracts__is_one_whole_channel(ticks: pl.DataFrame) -> None:
    """Rows come in order of capture; numbers go up by one, over contracts, files and weeks."""
    live = is_live(ticks)
    steps = np.diff(live["sequence"].to_numpy().astype(np.int64))
    assert set(steps) == {0, 1}
    assert live["sequence"][0] == 1
    assert (np.diff(live["ts_recv"].to_numpy()) >= 0).all()
    shared = live.group_by("sequence").agg(pl.col("instrument_id").n_unique())
    assert shared["instrument_id"].max() == 1


@pytest.mark.parametrize("symbol", ["MNQH5", "MNQM5"])
def test_write_contracts__each_contract_is_a_market(ticks: pl.DataFrame, symbol: str) -> None:
    """Its book has no unknown order, and is what each midnight's snapshot restates."""
    book, snapshots = NaiveMarket(), 0
    for event in events(ticks.filter(symbol=symbol).to_dicts()):
        restated = NaiveMarket()
        for row in event:
            (restated if row["flags"] & RecordFlag.SNAPSHOT else book).apply(row)
        if event[0]["flags"] & RecordFlag.SNAPSHOT:
            if snapshots:
                assert restated.orders == book.orders
            book, snapshots = restated, snapshots + 1
    assert book.problems == []
    assert snapshots > 10


def test_write_contracts__the_later_contract_is_a_carry_dearer(truth: pl.DataFrame) -> None:
    """By about 210 points, on the grid: what a roll finds is not zero."""
    mids = truth.with_columns(mid=pl.col("bid") + pl.col("ask")).pivot(
        "symbol", index="session", values="mid"
    )
    gaps = ((mids["MNQM5"] - mids["MNQH5"]) / 2e9).drop_nulls().to_list()
    assert all(150 < gap < 270 for gap in gaps)
    assert (truth["bid"] % TICK == 0).all()
    assert (truth["bid"] < truth["ask"]).all()


def test_write_contracts__the_same_seed_gives_the_same_files(folder: Path, tmp_path: Path) -> None:
    """Byte for byte, however far it goes; another seed does not."""
    for seed, name in ((5, "same"), (6, "other")):
        write_contracts(tmp_path / name, SESSIONS[:2], seed=seed, events_per_session=[1_500] * 2)
    days = sorted(path.name for path in (tmp_path / "same").iterdir())
    for name in days[:-1]:  # the last day goes on where there are more sessions
        assert (tmp_path / "same" / name).read_bytes() == (folder / name).read_bytes()
        assert (tmp_path / "other" / name).read_bytes() != (folder / name).read_bytes()
