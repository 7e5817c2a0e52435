"""The tapes of the cross-check: synthetic and real, by order and by price.

Real captures are read where `STRATEGY_LAB_REAL_DATA` says, and left out where there are none. What
is by order is run by price too, as depth differences of the same rows.
"""

import os
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import strategy_lab_core as lab
from benchmarks.depth import depth_session
from benchmarks.stages import prepare as prepare_bench
from benchmarks.stages import session_of
from strategy_lab_core.data.calendar import Session, session_calendar
from strategy_lab_core.data.instruments import Instrument, Product
from strategy_lab_core.data.simulate import simulate
from strategy_lab_core.engine.config import BacktestConfig, LimitsConfig
from strategy_lab_core.engine.stage import prepare
from strategy_lab_core.engine.tape import SessionTape
from strategy_lab_core.types import NS_PER_SECOND

__all__ = ["CONFIG", "REAL_DATA", "markets"]

ROOT = Path(__file__).parent.parent
REAL_DATA = Path(os.environ.get("STRATEGY_LAB_REAL_DATA", ROOT.parent / "shared" / "data"))
CONFIG = BacktestConfig(
    flatten_seconds=0,  # the peer does not end flat
    allow_partial=True,
    limits=LimitsConfig(max_position=1_000, max_order_size=100, max_messages_per_second=1_000),
)
_BTC_TICK = 100_000_000
_PERPETUAL = Product(
    root="BTCUSDT", name="BTC perpetual", exchange="BINANCE", currency="USDT", calendar="24/7",
    tick_size=_BTC_TICK, spread_tick_size=_BTC_TICK, multiplier=1_000_000, fee_maker=0,
    fee_taker=0, order_types=("limit", "market", "ioc"), dated=False,
)  # fmt: skip


def markets(rows: int, real_data: Path = REAL_DATA) -> dict[str, Callable[[], SessionTape]]:
    """Return how to make each tape, by name; `rows` is about the length of the synthetic ones."""
    files = sorted((real_data / "cme_es_mbo").glob("*.dbn.zst"))
    capture = real_data / "binance_raw" / "usdm_btcusdt_20240808.gz"
    by_order = {"bench": lambda: _bench(rows), "simulated MNQ": lambda: _simulated(rows)}
    if files:
        by_order["ESH4 2023-12-26"] = lambda: _tape(lab.read_ticks(files))
    found = {f"{name}, L3": make for name, make in by_order.items()}
    found |= {f"{name}, L2": _by_price(make) for name, make in by_order.items()}
    if capture.exists():
        found["Binance BTCUSDT 2024-08-08, L2"] = lambda: _binance(lab.read_ticks(capture))
    return found


def _by_price(make: Callable[[], SessionTape]) -> Callable[[], SessionTape]:
    return lambda: depth_session(make())


def _bench(rows: int) -> SessionTape:
    return session_of(prepare_bench(ROOT / "build" / "bench", rows))


def _simulated(rows: int) -> SessionTape:
    session = session_calendar("CME Globex Equity").session(date(2025, 1, 15))
    made = simulate([session], seed=7, events_per_session=rows // 2, faults=False)
    return _tape(made.table())


def _tape(ticks: Any) -> SessionTape:
    return prepare(ticks, CONFIG).tape


def _binance(ticks: Any) -> SessionTape:
    first, last = int(ticks["ts_event"][0]), int(ticks["ts_event"][-1])
    day = date(2024, 8, 8)
    session = Session(day, day, first - 3, first - 2, first - 1, last + NS_PER_SECOND, ())
    instrument = Instrument(
        instrument_id=int(ticks["instrument_id"][0]), symbol="BTCUSDT", product=_PERPETUAL,
        kind="outright", tick_size=_BTC_TICK, multiplier=_PERPETUAL.multiplier,
    )  # fmt: skip
    return prepare(ticks, CONFIG, session=session, instrument=instrument).tape
