"""The benchmarks' market maker on hftbacktest 2.4.4, and a replay of given orders on it.

Needs the environment of `make bench`. The maker is that of `maker`, line for line, in the peer's
own API; both look at a timer whose first tick is given, because ours counts from the open.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, ParamSpec, TypeVar

import numba
import numpy as np
from hftbacktest import BUY, FILLED, GTC, LIMIT, SELL, BacktestAsset, HashMapMarketDepthBacktest
from numpy.typing import NDArray

from benchmarks.maker import MakerParams, maker
from benchmarks.peer_events import Kind
from strategy_lab_core.engine.config import LatencyConfig
from strategy_lab_core.engine.tape import SessionTape
from strategy_lab_core.types import Phase

__all__ = ["FILL", "REQUEST", "Timing", "replay_orders", "run_maker", "timing_of"]

FILL = np.dtype(
    [
        ("order", "i8"),
        ("exchange_ns", "i8"),
        ("side", "i8"),  # +1 bought, -1 sold
        ("tick", "i8"),
        ("lots", "i8"),
        ("is_maker", "i8"),
    ]
)
REQUEST = np.dtype(
    [
        ("send_ns", "i8"),
        ("order", "i8"),
        ("side", "i8"),  # 0: cancel the order
        ("tick", "i8"),
        ("lots", "i8"),
    ]
)


P = ParamSpec("P")
R = TypeVar("R")


def _compiled(func: Callable[P, R]) -> Callable[P, R]:
    """Compile in this process: the peer's objects are addresses, which no cache can keep."""
    compiled: Any = numba.njit(func)
    return compiled  # type: ignore[no-any-return]


class Timing(NamedTuple):
    """When the maker looks, and how long its messages take; ns."""

    first_ns: int
    step_ns: int
    order_ns: int
    response_ns: int


def timing_of(session: SessionTape, latency: LatencyConfig) -> Timing:
    """Return the ticks of the maker's timer, counted from the open, at which it sees trading."""
    phases, tape, step_ns = session.tape.phases, session.tape, maker.timer_ns
    open_ns = int(phases[phases[:, 1] == Phase.OPEN, 0][0])
    is_live = (tape.event_ns >= open_ns) & tape.is_trusted & tape.is_last
    seen_ns = int(tape.local_ns[np.argmax(is_live)])
    ticks = max(-(-(seen_ns - session.session.open_ns) // step_ns), 0)
    first_ns = session.session.open_ns + ticks * step_ns
    return Timing(first_ns, step_ns, latency.order_ns, latency.response_ns)


def run_maker(events: NDArray[Any], p: MakerParams, timing: Timing, room: int) -> NDArray[Any]:
    """Run the maker over events and return its fills (dtype `FILL`), fewer than `room`."""
    fills = np.zeros(room, FILL)
    market = _market(events, timing)
    numbers = (p.offset, p.lean, p.max_position, p.lots)
    n = _maker(market, timing.first_ns, timing.step_ns, *numbers, fills)
    return _closed(market, fills, n)


def replay_orders(events: NDArray[Any], requests: NDArray[Any], timing: Timing) -> NDArray[Any]:
    """Send `requests` (dtype `REQUEST`, in order of time) and return the fills of their orders."""
    fills = np.zeros(len(requests) + 1, FILL)
    market = _market(events, timing)
    n = _replay(market, requests, fills)
    return _closed(market, fills, n)


def _market(events: NDArray[Any], timing: Timing) -> Any:
    asset = BacktestAsset().data(events).linear_asset(1.0)
    kinds = events["ev"][:1000] & 0xFF
    is_by_order = bool((kinds == Kind.ADD).any())
    queued = asset.l3_fifo_queue_model() if is_by_order else asset.risk_adverse_queue_model()
    asset = (
        queued.constant_order_latency(timing.order_ns, timing.response_ns)
        .no_partial_fill_exchange()
        .flat_per_trade_fee_model(0.0, 0.0)
        .tick_size(1.0)
        .lot_size(1.0)
    )
    return HashMapMarketDepthBacktest([asset])


def _closed(market: Any, fills: NDArray[Any], n: int) -> NDArray[Any]:
    market.close()
    if n < 0:
        raise RuntimeError(f"hftbacktest stopped with code {-n}, or more than {len(fills)} fills")
    return np.sort(fills[:n], order=["exchange_ns", "order"])


@_compiled
def _harvest(market: Any, fills: Any, n: int) -> int:
    """Write down the fills that have become known, and forget the orders that are over."""
    orders = market.orders(0).values()
    while orders.has_next():
        order = orders.get()
        if order.status == FILLED and n < len(fills):
            fills[n]["order"], fills[n]["exchange_ns"] = order.order_id, order.exch_timestamp
            fills[n]["side"] = 1 if order.side == BUY else -1
            fills[n]["tick"], fills[n]["lots"] = order.exec_price_tick, round(order.exec_qty)
            fills[n]["is_maker"] = order.arr[0].maker
            n += 1
    market.clear_inactive_orders(0)
    return n


@_compiled
def _maker(
    market: Any,
    first_ns: int,
    step_ns: int,
    offset: int,
    lean: int,
    max_position: int,
    lots: int,
    fills: Any,
) -> int:
    n = number = 0
    market.elapse(0)  # sets the clock to the first event
    code = market.elapse(first_ns - market.current_timestamp)
    while code == 0:
        n = _harvest(market, fills, n)
        depth = market.depth(0)
        if depth.best_bid_qty > 0 and depth.best_ask_qty > 0:
            position = round(market.position(0))
            shift = lean * position
            buy = depth.best_bid_tick - offset - shift
            sell = depth.best_ask_tick + offset - shift
            wants_buy, wants_sell = position < max_position, position > -max_position
            orders = market.orders(0).values()
            while orders.has_next():
                order = orders.get()
                if order.side == BUY and wants_buy and order.price_tick == buy:
                    wants_buy = False
                elif order.side == SELL and wants_sell and order.price_tick == sell:
                    wants_sell = False
                elif order.cancellable:
                    market.cancel(0, order.order_id, False)
            if wants_buy:
                market.submit_buy_order(0, number, buy, lots, GTC, LIMIT, False)
                number += 1
            if wants_sell:
                market.submit_sell_order(0, number, sell, lots, GTC, LIMIT, False)
                number += 1
        code = market.elapse(step_ns)
    return _ended(code, _harvest(market, fills, n), len(fills))


@_compiled
def _replay(market: Any, requests: Any, fills: Any) -> int:
    n = 0
    code = market.elapse(0)
    for i in range(len(requests)):
        request = requests[i]
        wait_ns = request["send_ns"] - market.current_timestamp
        if wait_ns > 0:
            code = market.elapse(wait_ns)
            n = _harvest(market, fills, n)
        if code != 0:
            break
        number = request["order"]
        if request["side"] > 0:
            market.submit_buy_order(0, number, request["tick"], request["lots"], GTC, LIMIT, False)
        elif request["side"] < 0:
            market.submit_sell_order(0, number, request["tick"], request["lots"], GTC, LIMIT, False)
        else:
            order = market.orders(0).get(number)
            if order is not None and order.cancellable:
                market.cancel(0, number, False)
    if code == 0:
        code = market.elapse(10_000_000_000)
    return _ended(code, _harvest(market, fills, n), len(fills))


@_compiled
def _ended(code: int, n: int, room: int) -> int:
    """Return the number of fills; below zero where the peer failed or the room was too small."""
    if code not in (0, 1):
        return -code
    return n if n < room else -room
