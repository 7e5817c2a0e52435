"""Rolls on the real ES minute files of 2013, of which most sessions are missing or partial."""

from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from strategy_lab_core.data.continuous import continuous, raw_prices
from strategy_lab_core.data.roll_schemas import ROLL_TABLES
from strategy_lab_core.data.schemas import pandera_schema
from tests.core.data.minute_files import TICK, MinuteFiles

YEAR_END = date(2013, 12, 31)


@pytest.fixture(scope="module")
def files(real_data: Path) -> MinuteFiles:
    """Return the files of 2013."""
    return MinuteFiles(real_data / "cme_es_minute", YEAR_END)


def roll_of(files: MinuteFiles, rule: str) -> dict[str, Any]:
    """Return the only roll after the start."""
    start, roll = files.decisions(rule).rolls.to_dicts()
    assert (start["to_symbol"], start["cause"]) == ("ESZ3", "start")
    assert (roll["from_symbol"], roll["to_symbol"]) == ("ESZ3", "ESH4")
    return roll


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("day", "december", "march"),
    [
        (date(2013, 12, 2), 1_303_719, 3_596),
        (date(2013, 12, 18), 284_376, 2_261_640),
        (date(2013, 12, 20), 19_810, 1_308_434),
    ],
)
def test_volumes__of_utc_dates(files: MinuteFiles, day: date, december: int, march: int) -> None:
    """The sums of the files themselves."""
    found = files.volumes(day)
    assert (found["ESZ3"], found["ESH4"]) == (december, march)


@pytest.mark.real_data
def test_sessions__are_complete_only_with_all_their_files(files: MinuteFiles) -> None:
    """A session needs the evening of the file before, which December has once, for one contract."""
    table = files.contract_sessions
    pandera_schema("contract_sessions", ROLL_TABLES["contract_sessions"]).validate(table)
    whole = table.filter("is_complete")
    assert whole["session"].unique().sort().to_list() == [
        *(date(2013, 10, day) for day in (7, 8, 9, 10, 11)), date(2013, 10, 30), date(2013, 12, 3),
    ]  # fmt: skip
    december = whole.filter(pl.col("session") == date(2013, 12, 3))
    assert december.select("symbol", "volume").rows() == [("ESZ3", 1_686_494)]


@pytest.mark.real_data
def test_volume__rolls_at_expiry_within_the_bounds_that_partial_sessions_give(
    files: MinuteFiles,
) -> None:
    """No complete session shows March ahead; partial ones say between which sessions it went."""
    roll = roll_of(files, "volume")
    assert (roll["session"], roll["cause"]) == (date(2013, 12, 20), "expiry")
    assert (roll["volume_session"], roll["from_volume"]) == (date(2013, 12, 3), 1_686_494)
    assert roll["to_volume"] is None
    assert (roll["earliest"], roll["latest"]) == (date(2013, 12, 4), date(2013, 12, 19))
    assert roll["missing"] == 12


@pytest.mark.real_data
def test_volume__of_partial_sessions_where_that_is_asked_for(files: MinuteFiles) -> None:
    """The day part of 2013-12-18 decides for the session after it."""
    roll = roll_of(files, "volume-partial")
    assert (roll["session"], roll["cause"]) == (date(2013, 12, 19), "rule")
    assert (roll["from_volume"], roll["to_volume"]) == (282_813, 2_253_915)


@pytest.mark.real_data
def test_open_interest__rolls_for_the_session_after_its_publication(files: MinuteFiles) -> None:
    """Published on 2013-12-18 at 07:07 UTC, eight hours after the open of that session."""
    roll = roll_of(files, "open_interest")
    assert (roll["session"], roll["cause"]) == (date(2013, 12, 19), "rule")
    assert (roll["from_open_interest"], roll["to_open_interest"]) == (1_037_604, 2_327_433)
    assert (roll["earliest"], roll["latest"]) == (date(2013, 12, 4), date(2013, 12, 19))


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("rule", "day"), [("expiry-5", 13), ("monday", 16), ("thursday", 12), ("expiry-1", 19)]
)
def test_dates__before_the_expiry_of_2013_12_20(files: MinuteFiles, rule: str, day: int) -> None:
    """By the calendar alone: missing files change nothing."""
    roll = roll_of(files, rule)
    assert (roll["session"], roll["cause"]) == (date(2013, 12, day), "rule")
    assert roll["missing"] == 0


@pytest.mark.real_data
def test_gap__is_of_the_last_minute_that_quotes_both(files: MinuteFiles) -> None:
    """2013-12-18 at the close: March 6.25 points below December, bid and ask a tick apart."""
    roll = roll_of(files, "open_interest")
    assert (roll["from_mid"], roll["to_mid"], roll["gap_ticks"]) == (14_481, 14_431, -25)
    assert roll["gap_ns"] == 1_387_404_900 * 10**9


@pytest.mark.real_data
@pytest.mark.parametrize("kind", ["difference", "ratio"])
def test_continuous__comes_back_exactly(files: MinuteFiles, kind: Any) -> None:
    """Bids of all contracts and sessions, through the series and back."""
    rolls = files.decisions("open_interest")
    raw = files.quote_pairs.select("session", symbol="from_symbol", price="from_bid")
    series = continuous(raw, rolls, adjustment=kind, tick_size=TICK)
    unadjusted = continuous(raw, rolls, tick_size=TICK)
    assert not series.equals(unadjusted)
    assert raw_prices(series, rolls, adjustment=kind, tick_size=TICK).equals(unadjusted)
