"""The queue models for feeds by price, tried where the queue is seen.

Market-by-order rows say who stood ahead of whom. The same rows, shown as ten levels a side, go
through the queue models; the same orders are sent in both. What a model says of an order's fill is
compared with what its place in the seen queue gave.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from strategy_lab_core.book.replay import replay
from strategy_lab_core.book.validate import validate
from strategy_lab_core.data.calendar import Session, phase_intervals
from strategy_lab_core.data.columns import Table, column, int64, table
from strategy_lab_core.data.instruments import Instrument, Product
from strategy_lab_core.engine.backtest import BacktestResult, backtest
from strategy_lab_core.engine.config import BacktestConfig, LimitsConfig, QueueConfig
from strategy_lab_core.engine.selection import select
from strategy_lab_core.engine.sweep import ParameterSet, sweep
from strategy_lab_core.errors import ConfigError, DataError
from strategy_lab_core.probes.queue_history import QueueHistory
from strategy_lab_core.probes.queue_places import Waiting, model_title, place_errors
from strategy_lab_core.probes.touch_orders import touch_orders
from strategy_lab_core.stats.block_ratios import Blocks
from strategy_lab_core.types import EMPTY_PRICE, Action, Bool1D, Float1D, Int1D

__all__ = ["MODELS", "QueueCalibration", "calibrate_queue", "shown_by_price"]

# With exponent 1 the three power models are one and the same.
MODELS = (
    QueueConfig(),
    *(QueueConfig(model="power_1", exponent=n) for n in (1.0, 2.0, 3.0)),
    *(QueueConfig(model=name, exponent=n) for name in ("power_2", "power_3") for n in (2.0, 3.0)),
    QueueConfig(model="log_1"),
    QueueConfig(model="log_2"),
)
_SECOND = 1e9
_LIMITS = LimitsConfig(max_position=100_000)  # a refused order would end the open loop


class _Lives(NamedTuple):
    """The joining orders of one run (shape: orders)."""

    number: Int1D
    side: Int1D  # letters
    price: Int1D
    arrive_ns: Int1D
    queue_ahead: Int1D
    end_ns: Int1D  # at the exchange: of the fill, or of the end without one
    is_filled: Bool1D
    is_resting: Bool1D  # came to rest, and ended by a fill or by our cancel


@dataclass(frozen=True, slots=True)
class QueueCalibration:
    """Errors of each model, the first of which is `risk_averse`.

    Attributes
    ----------
    rows
        A row for each model; `calibrate_queue` says what is in it.
    places
        A row for each model and each quarter of the time that orders wait; `queue_places` says
        what is in it.
    orders, left_out
        Orders compared, and those that were sent and not compared.
    symbol, session
        What it ran on.
    """

    rows: tuple[dict[str, Any], ...]
    places: tuple[dict[str, Any], ...]
    orders: int
    left_out: int
    symbol: str
    session: str

    @property
    def verdict(self) -> str:
        """Say whether a model waits with a smaller error than `risk_averse`, beyond chance."""
        others = self.rows[1:]
        if any(row["against_risk_averse_high_s"] is None for row in others):
            return "too few orders for intervals: risk_averse stays"
        better = [row["model"] for row in others if row["against_risk_averse_high_s"] < 0]
        if better:
            return f"smaller errors than risk_averse on this session: {', '.join(better)}"
        worse = sum(row["against_risk_averse_low_s"] > 0 for row in others)
        found = f"{worse} of {len(others)} models have larger errors, none smaller ones"
        return f"{found}: risk_averse stays"

    def table(self) -> Table:
        """Return the rows as a table."""
        return table({name: [row[name] for row in self.rows] for name in self.rows[0]})

    def place_table(self) -> Table:
        """Return the places as a table."""
        return table({name: [row[name] for row in self.places] for name in self.places[0]})


def calibrate_queue(
    ticks: Table,
    config: BacktestConfig | None = None,
    *,
    every_ms: int = 10_000,
    hold_ms: int = 8_000,
    random_seed: int = 0,
    block: int = 50,
    samples: int = 2_000,
    cores: int | None = None,
    session: Session | None = None,
    instrument: Instrument | str | None = None,
    seed: Table | None = None,
    status: Table | None = None,
    products: Mapping[str, Product] | None = None,
) -> QueueCalibration:
    """Compare each queue model's fills with those that the seen queue gives.

    Parameters
    ----------
    ticks, session, instrument, seed, status, products
        As for `backtest`; the ticks have to be market-by-order rows.
    config
        Its latency and hours are used; its queue model and limits are not.
    every_ms, hold_ms
        In each slot of `every_ms` a lot joins the best bid and another the best ask, at a drawn
        moment, and is cancelled after `hold_ms`, at least 200 ms less.
    random_seed
        Of the moments and of the bootstrap.
    block, samples
        Consecutive orders that are resampled together, and how often.
    cores
        As for `sweep`.

    Returns
    -------
    For each model: model (with its exponent), filled and filled_truth (orders), false_fills and
    missed_fills (share of the orders), median_time_s (model minus truth, orders filled in both),
    time_s (mean absolute difference of those), queue_lots (lots traded at the order's price
    between the two fills, mean, of those), wait_s (mean absolute difference of the time waited, a
    fill or the cancel ending it, all orders), against_risk_averse_s (its difference from that of
    `risk_averse`). Means with `_low` and `_high` before the unit are 95 % intervals.

    Orders are left out that did not come to rest in one of the runs, or did not rest at the same
    price with the same lots ahead.

    Raises
    ------
    DataError
        The ticks are not market-by-order rows, or no order can be compared.
    ConfigError
        `hold_ms` leaves no room in `every_ms`.
    """
    if hold_ms + 200 > every_ms:
        raise ConfigError("hold_ms", hold_ms, f"at most {every_ms - 200}, every_ms less 200")
    if "order_id" not in ticks.columns:
        raise DataError("queue models are compared on market-by-order rows; no column order_id")
    config = replace(config or BacktestConfig(allow_partial=True), limits=_LIMITS)
    chosen = select(ticks, session=session, instrument=instrument, products=products)
    rows = chosen.ticks
    if "book_state" not in rows.columns:
        mine = chosen.instrument
        phases = phase_intervals(chosen.session, status, instrument_id=mine.instrument_id)
        known = {mine.instrument_id: mine}
        rows = validate(rows, instruments=known, phases=phases, seed=seed).valid
    place: dict[str, Any] = {
        "session": chosen.session, "instrument": chosen.instrument, "status": status,
        "products": products,
    }  # fmt: skip
    orders = touch_orders(every_ms=every_ms, hold_ms=hold_ms, seed=random_seed)
    truth = _lives(backtest(rows, orders, config, seed=seed, **place))
    sets = [ParameterSet({}, replace(config, queue=model)) for model in MODELS]
    runs = sweep(shown_by_price(rows, seed=seed), orders, sets, cores=cores, **place).runs
    results = [run.result for run in runs if run.result is not None]
    lives = [_lives(result) for result in results]
    kept = _comparable(truth, lives)
    if not kept.any():
        raise DataError(f"{chosen.instrument.symbol}: none of {len(kept)} orders can be compared")
    blocks = Blocks(int(kept.sum()), length=block, samples=samples, random_seed=random_seed)
    return QueueCalibration(
        rows=tuple(_errors(truth, lives, kept, blocks, _Trades(rows))),
        places=tuple(
            place_errors(
                QueueHistory(rows, seed),
                _waiting(truth, kept),
                [hold_ms * 10**6 * quarter // 4 for quarter in (1, 2, 3, 4)],
                MODELS,
                blocks,
            )
        ),
        orders=int(kept.sum()),
        left_out=int((~kept).sum()),
        symbol=chosen.instrument.symbol,
        session=str(chosen.session.key),
    )


def shown_by_price(ticks: Table, *, depth: int = 10, seed: Table | None = None) -> Table:
    """Return validated market-by-order rows of one instrument as records with `depth` levels.

    A record for each row, with the book after it, as in mbp-10. That feed has no fills of resting
    orders, only trades: those rows are cancels without a change.
    """
    books = replay(ticks, depth=depth, rows="records", seed=seed)
    action = column(ticks, "action")
    shown = np.where(action == Action.FILL, np.uint8(Action.CANCEL), action)
    return books.with_columns(table({"action": shown})["action"]).hstack(
        ticks.select("price", "size")
    )


def _lives(result: BacktestResult) -> _Lives:
    orders = result.orders.filter(result.orders["type"] == "limit")
    number = int64(orders, "order_id")
    fill_order = int64(result.fills, "order_id")
    is_filled = int64(orders, "filled") > 0
    end_ns = int64(orders, "ts_end").copy()
    fill_ns = dict(zip(fill_order, int64(result.fills, "ts_exchange"), strict=True))
    end_ns[is_filled] = [fill_ns[each] for each in number[is_filled]]
    took = fill_order[column(result.fills, "liquidity") == ord("T")]
    has_ended = np.isin(orders["end_reason"].to_numpy(), ("filled", "cancelled"))
    return _Lives(
        number=number,
        side=int64(orders, "side"),
        price=int64(orders, "price", null=EMPTY_PRICE),
        arrive_ns=int64(orders, "ts_exchange"),
        queue_ahead=int64(orders, "queue_ahead"),
        end_ns=end_ns,
        is_filled=is_filled,
        is_resting=has_ended & ~np.isin(number, took),
    )


def _waiting(truth: _Lives, kept: Bool1D) -> Waiting:
    return Waiting(*(getattr(truth, name)[kept] for name in Waiting._fields))


def _comparable(truth: _Lives, lives: list[_Lives]) -> Bool1D:
    """Return which orders rested in every run, at the same place."""
    kept = truth.is_resting.copy()
    for each in lives:
        kept &= each.is_resting
        for name in ("number", "price", "arrive_ns", "queue_ahead"):
            kept &= getattr(each, name) == getattr(truth, name)
    return kept


class _Trades:
    """The lots traded at each price."""

    def __init__(self, ticks: Table) -> None:
        traded = ticks.filter(column(ticks, "action") == Action.TRADE)
        self._ns, self._lots = int64(traded, "ts_event"), int64(traded, "size")
        self._price = int64(traded, "price", null=EMPTY_PRICE)

    def lots(self, price: int, after_ns: int, until_ns: int) -> int:
        """Return the lots at `price` later than `after_ns` and not later than `until_ns`."""
        first, last = np.searchsorted(self._ns, (after_ns, until_ns), side="right")
        here = slice(first, last)
        return int(self._lots[here][self._price[here] == price].sum())


def _errors(
    truth: _Lives, lives: list[_Lives], kept: Bool1D, blocks: Blocks, trades: _Trades
) -> list[dict[str, Any]]:
    """Return the row of each model."""
    price, true_ns, true_filled = (
        each[kept] for each in (truth.price, truth.end_ns, truth.is_filled)
    )
    every: Float1D = np.ones(len(price))
    waits = [np.abs(each.end_ns[kept] - true_ns) / _SECOND for each in lives]
    rows = []
    for model, each, wait in zip(MODELS, lives, waits, strict=True):
        end_ns, filled = each.end_ns[kept], each.is_filled[kept]
        both = filled & true_filled
        apart = (end_ns - true_ns) / _SECOND
        lots = np.zeros(len(price))
        for i in np.flatnonzero(both & (end_ns != true_ns)):
            span = sorted((int(true_ns[i]), int(end_ns[i])))
            lots[i] = trades.lots(int(price[i]), span[0], span[1])
        rows.append(
            {
                "model": model_title(model),
                "filled": int(filled.sum()),
                "filled_truth": int(true_filled.sum()),
                **blocks.ratio(1.0 * (filled & ~true_filled), every).named("false_fills"),
                **blocks.ratio(1.0 * (~filled & true_filled), every).named("missed_fills"),
                "median_time_s": float(np.median(apart[both])) if both.any() else None,
                **blocks.ratio(np.abs(apart) * both, 1.0 * both).named("time", "_s"),
                **blocks.ratio(lots * both, 1.0 * both).named("queue", "_lots"),
                **blocks.ratio(wait, every).named("wait", "_s"),
                **blocks.ratio(wait - waits[0], every).named("against_risk_averse", "_s"),
            }
        )
    return rows
