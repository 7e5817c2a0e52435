"""The simulated market is consistent, looks like the real one, and is the same every time."""

from dataclasses import replace
from datetime import date
from pathlib import Path

import databento_dbn as dbn
import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategy_lab_core.book.validate import validate
from strategy_lab_core.data.calendar import Session, phase_intervals, session_calendar
from strategy_lab_core.data.dbn_writer import RECORD, Records, to_records, write_dbn
from strategy_lab_core.data.instruments import instruments
from strategy_lab_core.data.schemas import polars_schema, validated_schema
from strategy_lab_core.data.simulate import (
    front_contract,
    session_table,
    simulate,
    write_sessions,
)
from strategy_lab_core.errors import ConfigError
from strategy_lab_core.types import EMPTY_PRICE, TickSchema
from tests.naive.market import NaiveMarket, events

TICK = 250_000_000
SECOND = 1_000_000_000
MONDAY = date(2025, 1, 13)


def sessions(count: int = 1) -> list[Session]:
    """Return the first sessions of the week of Monday, 2025-01-13."""
    calendar = session_calendar("CME Globex Equity")
    return calendar.sessions(MONDAY, date(2025, 1, 17))[:count]


def read(path: Path) -> tuple[bytes, Records]:
    """Return the header bytes and the records of a zstd-compressed DBN file."""
    with pa.input_stream(str(path), compression="zstd") as stream:
        content = stream.read()
    end = 8 + int.from_bytes(content[4:8], "little")
    return content[:end], np.frombuffer(content[end:], dtype=RECORD)


def plain_rows(table: pl.DataFrame) -> list[dict[str, object]]:
    """Return the rows that are the market's own, without snapshots."""
    return table.filter(pl.col("flags") & 32 == 0).to_dicts()


@given(seed=st.integers(0, 2**32), count=st.integers(200, 300))
def test_market__is_consistent_on_every_path(seed: int, count: int) -> None:
    """No unknown order, no wrong size, never crossed at an event's end in the open phase."""
    (session,) = sessions()
    book = NaiveMarket()
    for event in events(session_table(session, seed=seed, events=count).to_dicts()):
        for row in event:
            book.apply(row)
        entered = event[-1]["action"] in "AM"  # nothing else can cross
        if entered and event[-1]["ts_event"] >= session.open_ns:
            assert not book.crossed()
    assert book.problems == []


def test_trades__equal_their_fills_and_the_fills_their_changes() -> None:
    """In each event: trades add up to fills, fills to what cancels and modifies take away."""
    (session,) = sessions()
    book = NaiveMarket()
    for event in events(session_table(session, seed=3, events=3_000).to_dicts()):
        filled: dict[int, int] = {}
        for row in event:
            if row["action"] == "F":
                filled[row["order_id"]] = filled.get(row["order_id"], 0) + row["size"]
        before = {key: book.orders[key][2] for key in filled}
        for row in event:
            book.apply(row)
        traded = [row for row in event if row["action"] == "T"]
        sides = 2 if traded and traded[0]["side"] == "N" else 1
        assert sum(row["size"] for row in traded) * sides == sum(filled.values())
        after = {key: book.orders.get(key, ("", 0, 0))[2] for key in filled}
        assert {key: before[key] - after[key] for key in filled} == filled


def test_trades__hit_the_front_of_the_queue_at_the_best_price() -> None:
    """Every fill of continuous trading is of the first order at the best price."""
    (session,) = sessions()
    book = NaiveMarket()
    fills = 0
    for event in events(session_table(session, seed=4, events=2_000).to_dicts()):
        eaten: set[int] = set()
        for row in event:
            if row["action"] == "F" and row["side"] != "N":
                queue = [o for o in book.queues() if o[1] == row["side"] and o[0] not in eaten]
                assert queue[0][0] == row["order_id"]
                assert queue[0][2] == row["price"]
                eaten.add(row["order_id"])
                fills += 1
        for row in event:
            book.apply(row)
    assert fills > 100


def test_session__has_the_traits_of_a_real_one() -> None:
    """Pre-open crossed, one auction, all actions, bursts, quiet hours, ten to forty levels."""
    (session,) = sessions()
    table = session_table(session, seed=5, events=20_000)
    rows = table.filter(pl.col("flags") & 32 == 0)
    auction = rows.filter((pl.col("action") == "T") & (pl.col("side") == "N"))
    assert auction.height == 1
    assert auction["ts_event"].item() == session.open_ns
    assert set(rows["action"].cast(pl.String)) == set("ACMTF")
    early = rows.filter(pl.col("ts_event") < session.open_ns)
    assert early["ts_event"].min() >= session.pre_open_ns  # type: ignore[operator]
    bids, asks = (early.filter(pl.col("side") == side)["price"] for side in "BA")
    assert bids.max() > asks.min()  # type: ignore[operator]
    hours = (rows["ts_event"].to_numpy() - session.pre_open_ns) // (3_600 * SECOND)
    per_hour = np.bincount(hours)
    assert per_hour.max() > 5 * np.median(per_hour)
    gaps = np.diff(rows["ts_event"].unique().sort().to_numpy())
    assert np.median(gaps) < 1e9 < 30e9 < gaps.max()


def test_depth__is_ten_to_forty_levels_a_side() -> None:
    """The book of continuous trading is neither thin nor endless."""
    (session,) = sessions()
    book = NaiveMarket()
    depths = []
    for number, event in enumerate(events(session_table(session, seed=6, events=4_000).to_dicts())):
        for row in event:
            book.apply(row)
        if number > 1_000 and number % 50 == 0:
            for side in "BA":
                depths.append(len({p for s, p, _ in book.orders.values() if s == side}))
    assert np.percentile(depths, 5) >= 10
    assert np.percentile(depths, 95) <= 60


def test_imbalance__leans_the_way_the_price_goes() -> None:
    """The touch's imbalance predicts the mid fifty events on, mildly."""
    (session,) = sessions()
    book, mids, leans = NaiveMarket(), [], []
    for event in events(session_table(session, seed=7, events=6_000).to_dicts()):
        for row in event:
            book.apply(row)
        bid, ask = book.best()
        if event[-1]["ts_event"] > session.open_ns and bid is not None and ask is not None:
            sizes = [
                sum(z for s, p, z in book.orders.values() if (s, p) == best)
                for best in (("B", bid), ("A", ask))
            ]
            mids.append((bid + ask) / 2)
            leans.append((sizes[0] - sizes[1]) / sum(sizes))
    moves = np.array(mids[50:]) - np.array(mids[:-50])
    assert 0.05 < np.corrcoef(leans[:-50], moves)[0, 1] < 0.6


def test_times__are_ordered_and_latency_is_positive() -> None:
    """Both clocks ascend; receipt comes tens of microseconds after the event, now and then ms."""
    (session,) = sessions()
    rows = session_table(session, seed=8, events=20_000).filter(pl.col("flags") & 32 == 0)
    latency = (rows["ts_recv"] - rows["ts_event"]).to_numpy()
    assert rows["ts_event"].is_sorted()
    assert rows["ts_recv"].is_sorted()
    assert rows["sequence"].is_sorted()
    assert latency.min() > 40_000
    assert 60_000 < np.median(latency) < 150_000
    assert latency.max() > 1_000_000
    assert rows["ts_in_delta"].min() > 10_000  # type: ignore[operator]
    assert rows["ts_event"].max() < session.close_ns  # type: ignore[operator]


def test_halts__are_empty() -> None:
    """No event happens in a scheduled break."""
    (session,) = sessions()
    halt = (session.open_ns + 3_600 * SECOND, session.open_ns + 3 * 3_600 * SECOND)
    rows = session_table(replace(session, halts=(halt,)), seed=1, events=5_000)
    assert rows.filter(pl.col("ts_event").is_between(*halt, closed="left")).height == 0


def test_day_orders__end_with_the_session_and_the_others_survive() -> None:
    """What lives on into the next session was never purged, and some do."""
    market = simulate(sessions(2), seed=9, events_per_session=2_000, faults=False)
    first, second = (NaiveMarket() for _ in range(2))
    for row in market.table(MONDAY).to_dicts():
        first.apply(row)
    for row in market.table(date(2025, 1, 14)).head(market.tapes[1].seeds + 1).to_dicts():
        second.apply(row)
    assert first.queues() == second.queues()
    assert 0 < len(first.orders) < 100


def test_files__are_cut_at_midnight_and_start_with_a_snapshot(tmp_path: Path) -> None:
    """Each UTC day's file restates the book, queue order included, as the vendor does."""
    market = simulate(sessions(2), seed=10, events_per_session=2_000, faults=False)
    paths = market.write(tmp_path)
    assert [path.name for path in paths] == [
        f"simulated-202501{day}.mbo.dbn.zst" for day in (12, 13, 14)
    ]
    book = NaiveMarket()
    for path in paths:
        _, records = read(path)
        midnight = records["ts_recv"][0]
        head = records[: np.argmax(records["flags"] & 128 != 0) + 1]
        assert midnight % (86_400 * SECOND) == 0
        assert (chr(head["action"][0]), head["price"][0]) == ("R", EMPTY_PRICE)
        assert set(head["flags"][:-1]) == {40}
        assert head["flags"][-1] == 168
        assert (head["ts_recv"] == midnight).all()
        assert (head["ts_event"][1:] < midnight).all()
        restated = NaiveMarket()
        for row in named(head):
            restated.apply(row)
        if book.orders:
            assert restated.queues() == book.queues()
            assert [row["order_id"] for row in named(head[1:])] == [o[0] for o in book.queues()]
        for row in named(records):
            book.apply(row)
    assert book.problems == []


def named(records: Records) -> list[dict[str, object]]:
    """Return records as rows with letters."""
    columns = {name: records[name].tolist() for name in RECORD.names or ()}
    for name in ("action", "side"):
        columns[name] = [chr(code) for code in columns[name]]
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def test_files__without_snapshots_join_to_the_uncut_tape(tmp_path: Path) -> None:
    """Cutting loses, repeats and changes no row."""
    market = simulate(sessions(2), seed=11, events_per_session=1_000)
    paths = market.write(tmp_path, snapshots=False)
    joined = np.concatenate([read(path)[1] for path in paths])
    uncut = to_records(market.table())
    seeds = market.tapes[0].seeds + 1
    assert (joined[seeds:] == uncut[seeds:]).all()
    assert (joined["order_id"][:seeds] == uncut["order_id"][:seeds]).all()


def test_files__have_a_header_that_the_vendors_library_reads(tmp_path: Path) -> None:
    """Symbol, dataset, schema, version and day are in the metadata; the decoder takes all rows."""
    path = write_sessions(tmp_path, sessions(), seed=1, events_per_session=300)[0]
    header, records = read(path)
    metadata = dbn.Metadata.decode(header)
    assert header[3] == 3
    assert (metadata.dataset, str(metadata.schema)) == ("GLBX.MDP3", "mbo")
    assert metadata.symbols == ["MNQH5"]
    assert metadata.mappings["MNQH5"][0]["symbol"] == str(records["instrument_id"][0])
    decoder = dbn.DBNDecoder()
    decoder.write(header + records.tobytes())
    assert len(decoder.decode()) == len(records) + 1


def test_files__are_the_same_bytes_for_the_same_seed(tmp_path: Path) -> None:
    """Same seed, same bytes; another seed, others."""
    contents = [
        [
            path.read_bytes()
            for path in write_sessions(
                tmp_path / str(k), sessions(), seed=seed, events_per_session=2_000
            )
        ]
        for k, seed in enumerate((1, 1, 2))
    ]
    assert contents[0] == contents[1]
    assert contents[0] != contents[2]
    assert not list(tmp_path.rglob("*.part"))


def test_write_dbn__of_a_table_is_that_of_its_records(tmp_path: Path) -> None:
    """A canonical table and its records give the same file, plain or compressed."""
    table = session_table(sessions()[0], seed=1, events=200)
    write_dbn(tmp_path / "table.dbn", table, {7: "MNQH5"}, version=2)
    write_dbn(tmp_path / "records.dbn", to_records(table), {7: "MNQH5"}, version=2)
    content = (tmp_path / "table.dbn").read_bytes()
    assert content == (tmp_path / "records.dbn").read_bytes()
    assert content[:4] == b"DBN\x02"


def test_table__has_the_canonical_columns_and_is_valid() -> None:
    """Without faults every row fits the schema of validated ticks."""
    table = session_table(sessions()[0], seed=12, events=1_000)
    assert table.schema == polars_schema(TickSchema.MBO)
    validated_schema(TickSchema.MBO).validate(table)
    prices = table.filter(pl.col("action") != "R")["price"]
    assert (prices % TICK == 0).all()


def test_faults__are_where_they_are_said_to_be() -> None:
    """Each fault's row breaks the rule that it names."""
    market = simulate(sessions(2), seed=13, events_per_session=3_000)
    tables = {each.session.key: market.table(each.session.key) for each in market.tapes}
    seeds = {each.session.key: each.seeds + 1 for each in market.tapes}
    found = {
        fault.rule: (tables[fault.session], fault.rows[0] + seeds[fault.session])
        for fault in market.faults
    }
    rows = {rule: table.row(row, named=True) for rule, (table, row) in found.items()}
    assert rows["size_not_positive"]["size"] == 0
    assert rows["off_grid_price"]["price"] % TICK == 100_000_000
    assert rows["order_of_quarantined_add"]["order_id"] == rows["off_grid_price"]["order_id"]
    assert rows["unknown_action"]["action"] == "X"
    table, row = found["time_order"]
    assert table["ts_recv"][row] < table["ts_recv"][row - 1]
    assert (np.diff(table["ts_recv"].to_numpy()) < 0).sum() == 1
    table, row = found["unknown_order"]
    assert table["action"][row] == "C"
    assert table["order_id"][row] not in table["order_id"][:row]
    assert len(rows) == len(market.faults) == 6


def test_faults__are_found_by_validation_and_do_not_block() -> None:
    """Each is found under its name, nothing else is, and little of the day is lost."""
    days = sessions(2)
    market = simulate(days, seed=15, events_per_session=5_000)
    known = instruments({market.instrument_id: market.symbol}, None)
    found: dict[str, int] = {}
    for day in days:
        table = market.table(day.key)
        result = validate(table, instruments=known, phases=phase_intervals(day, None))
        for rule, count in result.counts.items():
            found[rule] = found.get(rule, 0) + count
        lost = (result.intervals["end_ns"] - result.intervals["start_ns"]).sum()
        assert lost < 0.05 * (day.close_ns - day.open_ns)
        assert result.quarantined.height < 0.01 * table.height
    assert found.pop("lost_change") == 1  # the consequence of the unknown action
    assert found == {fault.rule: 1 for fault in market.faults}


def test_recovery__restates_the_true_book_soon_after_a_fault_of_state() -> None:
    """The snapshot behind a fault is the book at that row; it comes within some events."""
    market = simulate(sessions(), seed=14, events_per_session=3_000)
    book, found = NaiveMarket(), 0
    blocks = list(events(market.table().to_dicts()))
    for number, event in enumerate(blocks):
        if event[0]["action"] == "R" and number > 0:
            restated = NaiveMarket()
            for row in event:
                restated.apply(row)
            market_orders = {key: o for key, o in book.orders.items() if key not in {1, 2}}
            assert restated.orders == market_orders
            found += 1
        for row in event:
            if row["action"] != "X":
                book.apply(row)
    assert found == 3


@pytest.mark.parametrize(
    ("day", "symbol"),
    [(date(2025, 1, 13), "MNQH5"), (date(2025, 3, 13), "MNQH5"), (date(2025, 3, 14), "MNQM5"),
     (date(2025, 12, 20), "MNQH6")],
)  # fmt: skip
def test_front_contract__rolls_a_week_before_the_third_friday(day: date, symbol: str) -> None:
    """The quarterly contract whose expiry is more than a week away."""
    assert front_contract(day) == symbol


def test_simulate__refuses_what_it_cannot_play() -> None:
    """No session and too few events are settings outside their domain; so is an unknown key."""
    with pytest.raises(ConfigError, match="at least one session"):
        simulate([], seed=1)
    with pytest.raises(ConfigError, match="events_per_session must be at least 200, got 10"):
        simulate(sessions(), seed=1, events_per_session=10)
    market = simulate(sessions(), seed=1, events_per_session=200)
    with pytest.raises(ConfigError, match="one of \\['2025-01-13'\\]"):
        market.table(date(2025, 1, 14))
