"""Order flow: who adds, cancels and trades more, buyers or sellers.

From best bids and offers (order flow imbalance) and from trades (VPIN). Sizes in lots.
"""

import math
from typing import NamedTuple

import numpy as np

from strategy_lab_core._jit import kernel
from strategy_lab_core.errors import ConfigError
from strategy_lab_core.types import Float1D, Int1D, IntAny

__all__ = ["Vpin", "VpinMeter", "bulk_bought", "flow_step", "order_flow_imbalance", "vpin"]


@kernel
def flow_step(
    old_bid: int,
    old_bid_size: int,
    old_ask: int,
    old_ask_size: int,
    bid: int,
    bid_size: int,
    ask: int,
    ask_size: int,
) -> int:
    """Return e_n, the lots by which one change of the best bid and offer adds to buying pressure.

    R. Cont, A. Kukanov and S. Stoikov (2014), "The price impact of order book events", J. Financial
    Econometrics 12(1), 47-88, doi:10.1093/jjfinec/nbt003. Size 0 means that nobody is
    there, at whatever price: worse than any.
    """
    flow = 0
    if bid >= old_bid or old_bid_size == 0:
        flow += bid_size
    if bid <= old_bid or bid_size == 0:
        flow -= old_bid_size
    if ask <= old_ask or old_ask_size == 0:
        flow -= ask_size
    if ask >= old_ask or ask_size == 0:
        flow += old_ask_size
    return flow


def order_flow_imbalance(bid: IntAny, bid_size: IntAny, ask: IntAny, ask_size: IntAny) -> Int1D:
    """Return e_n of `flow_step` for each row of best bids and offers; 0 for the first.

    Prices are integers of any unit (shape: rows). Over an interval it is the sum of its rows'.
    """
    columns = [np.ascontiguousarray(each, np.int64) for each in (bid, bid_size, ask, ask_size)]
    if len({len(each) for each in columns}) != 1:
        lengths = [len(each) for each in columns]
        raise ConfigError("bid, bid_size, ask, ask_size", lengths, "of one length")
    return _flow_steps(*columns)


@kernel
def _flow_steps(bid: Int1D, bid_size: Int1D, ask: Int1D, ask_size: Int1D) -> Int1D:
    flow = np.zeros(len(bid), np.int64)
    for n in range(1, len(bid)):
        flow[n] = flow_step(
            bid[n - 1], bid_size[n - 1], ask[n - 1], ask_size[n - 1],
            bid[n], bid_size[n], ask[n], ask_size[n],
        )  # fmt: skip
    return flow


_FREE, _NET = 0, 1  # places in the memory of `_fill_buckets`


class Vpin(NamedTuple):
    """Values in [0, 1], and for each the row with which its last bucket was full: known then."""

    row: Int1D
    value: Float1D


def vpin(bought: Float1D, sold: Float1D, *, bucket_lots: float, n_buckets: int) -> Vpin:
    """Return the volume-synchronised probability of informed trading after every full bucket.

    D. Easley, M. Lopez de Prado and M. O'Hara (2012), "Flow toxicity and liquidity in a
    high-frequency world", Review of Financial Studies 25(5), 1457-1493, doi:10.1093/rfs/hhs053:
    sum |V_S - V_B| / (n V) over the last n buckets of V lots. Where the feed carries the
    aggressor's side, take it; `bulk_bought` is the fallback. T. Andersen and O. Bondarenko (2014),
    "VPIN and the flash crash", J. Financial Markets 17, 1-46, show how far the two can differ.

    Parameters
    ----------
    bought, sold
        Lots bought and sold by aggressors in each trade or bar, in order of time (shape: rows);
        trades without a side are left out. A row that does not fit is split over buckets, both
        sides in proportion.
    bucket_lots, n_buckets
        V and n, above 0.

    Returns
    -------
    A value for each full bucket from the n-th on; none where there are fewer.
    """
    return VpinMeter(bucket_lots=bucket_lots, n_buckets=n_buckets).feed(bought, sold)


class VpinMeter:
    """`vpin` batch by batch: the same values wherever the rows are cut.

    Parameters
    ----------
    bucket_lots, n_buckets
        V and n, above 0.
    """

    def __init__(self, *, bucket_lots: float, n_buckets: int) -> None:
        if bucket_lots <= 0:
            raise ConfigError("bucket_lots", bucket_lots, "above 0")
        if n_buckets < 1:
            raise ConfigError("n_buckets", n_buckets, "at least 1")
        self._bucket_lots = float(bucket_lots)
        self._memory = np.array([self._bucket_lots, 0.0])
        self._last = np.full(n_buckets, np.nan)
        self.value = math.nan  # the latest, NaN before there is one

    def feed(self, bought: Float1D, sold: Float1D) -> Vpin:
        """Take further rows; return the values that they gave, by the rows of this batch."""
        bought = np.ascontiguousarray(bought, np.float64)
        sold = np.ascontiguousarray(sold, np.float64)
        room = int((bought.sum() + sold.sum()) / self._bucket_lots) + 2
        out = Vpin(np.empty(room, np.int64), np.empty(room))
        n = _fill_buckets(bought, sold, self._bucket_lots, self._memory, self._last, out)
        self.value = float(out.value[n - 1]) if n else self.value
        return Vpin(out.row[:n], out.value[:n])


@kernel
def _fill_buckets(
    bought: Float1D, sold: Float1D, bucket_lots: float, memory: Float1D, last: Float1D, out: Vpin
) -> int:
    """Write a value for each bucket that becomes full; return how many.

    `memory` is the lots that the open bucket lacks and its net lots so far, `last` the |V_S - V_B|
    of the last buckets, NaN where there were fewer.
    """
    n, n_buckets = 0, len(last)
    for i in range(len(bought)):
        lots = bought[i] + sold[i]
        left = lots
        while left >= memory[_FREE] and n < len(out.row):
            memory[_NET] += (bought[i] - sold[i]) * memory[_FREE] / lots
            for k in range(n_buckets - 1):
                last[k] = last[k + 1]
            last[n_buckets - 1] = abs(memory[_NET])
            left -= memory[_FREE]
            memory[_FREE], memory[_NET] = bucket_lots, 0.0
            if last[0] >= 0:  # NaN is not
                out.row[n], out.value[n] = i, last.sum() / (n_buckets * bucket_lots)
                n += 1
        if left > 0:
            memory[_NET] += (bought[i] - sold[i]) * left / lots
            memory[_FREE] -= left
    return n


def bulk_bought(price_change: Float1D, lots: Float1D) -> Float1D:
    """Return the lots of each bar that count as bought, judged by its change of price alone.

    Bulk volume classification of the same paper: V Phi(dP / sigma). Theirs takes sigma over the
    whole sample; here it is the root mean square of the changes so far, so that no bar knows the
    future. Half of the lots where no price has changed yet.

    Parameters
    ----------
    price_change
        Of each bar against the one before, any unit (shape: bars).
    lots
        Traded in each bar.
    """
    from scipy.special import ndtr

    change = np.asarray(price_change, np.float64)
    sigma = np.sqrt(np.cumsum(change**2) / np.arange(1, len(change) + 1))
    score = np.divide(change, sigma, out=np.zeros(len(change)), where=sigma > 0)
    return np.asarray(lots * ndtr(score), np.float64)
