"""Every assumption that makes a result better than reality, as sentences for the report."""

from strategy_lab_core.engine.config import BacktestConfig, QueueConfig
from strategy_lab_core.engine.latency_config import (
    FeedLatencyConfig,
    LatencyConfig,
    LogNormalLatencyConfig,
    RecordedLatencyConfig,
)
from strategy_lab_core.engine.market import BY_ORDER

__all__ = ["assumptions_of"]


def _ms(time_ns: int) -> str:
    return f"{time_ns / 1e6:g} ms"


def _bps(rate_e8: int) -> str:
    return f"{rate_e8 / 10_000:g} basis points"


def _queue(queue: QueueConfig, window: int) -> tuple[str, ...]:
    """Return what is assumed of our place in the queue, by what the feed shows."""
    arrivals = (
        "An order that arrives at our price fills us up to its whole size, though in reality it "
        "might have been placed elsewhere had our order been visible."
    )
    if window == BY_ORDER:
        place = "Queue position is exact (market by order, first in first out) but for our impact."
        return arrivals, place
    unseen = "Behind the last level that the feed shows, we stand behind whatever appears there."
    if window == 1:
        return (
            "Queue position is conservative (quotes and trades): only trades work off the quoted "
            "size, cancellations count as behind us as long as that is possible.",
            unseen,
        )
    if queue.model == "risk_averse":
        guess = "risk-averse: cancellations count as behind us as long as that is possible"
    else:
        exponent = f" with exponent {queue.exponent:g}" if queue.model.startswith("power") else ""
        guess = (
            f"a guess, {queue.model}{exponent}: part of the cancellations counts as ahead of us, "
            "whatever the market does"
        )
    return arrivals, f"Queue position is modelled from level sizes ({guess}).", unseen


def _order_latency(latency: LatencyConfig) -> str:
    legs = f"{_ms(latency.order_ns)} to the exchange and {_ms(latency.response_ns)} back"
    if isinstance(latency, FeedLatencyConfig):
        to, back = latency.entry_multiplier_e6 / 1e6, latency.response_multiplier_e6 / 1e6
        return (
            f"Order latency is {legs} plus {to:g} and {back:g} times the feed latency last known "
            "where the message starts: orders never queue longer than market data."
        )
    if isinstance(latency, RecordedLatencyConfig):
        return (
            f"Order latency is {legs} plus what {len(latency.rows)} recorded requests took "
            f"({latency.rows.digest}), linear between them, the first and the last standing for "
            "all times outside; the gateway rejects what was rejected then."
        )
    if isinstance(latency, LogNormalLatencyConfig):
        to, back = latency.entry_sigma_e6 / 1e6, latency.response_sigma_e6 / 1e6
        return (
            f"Order latency is {legs} plus a log-normal draw with median "
            f"{_ms(latency.entry_median_ns)} and {_ms(latency.response_median_ns)}, sigma {to:g} "
            f"and {back:g}, each message on its own: slow ones do not come in clusters."
        )
    return f"Order latency is constant: {legs}, in bursts too."


def _margin(initial_e6: int, maintenance_e6: int) -> str:
    if initial_e6 == 0:
        return "The margin of the contract is not known: its use is not counted."
    return (
        f"Margin is {initial_e6 / 1e6:,.10g} (initial) and {maintenance_e6 / 1e6:,.10g} "
        "(maintenance) per contract held, at any time of day; working orders bind none."
    )


def assumptions_of(
    config: BacktestConfig,
    *,
    choice: str,
    repair_ns: int,
    maker_e6: int,
    taker_e6: int,
    margin_e6: tuple[int, int] = (0, 0),
    window: int = BY_ORDER,
    n_sessions: int = 1,
    n_rolls: int = 0,
) -> tuple[str, ...]:
    """Return the sentences that belong to one run.

    Parameters
    ----------
    config
        The run's settings.
    choice
        Why this instrument.
    repair_ns
        What was added to the capture clock; of several sessions the most.
    maker_e6, taker_e6
        Fees per contract, in 1e-6 of the currency.
    margin_e6
        Per contract held, to enter and to hold, in 1e-6 of the currency; 0 where it is not known.
    window
        How much of the book the feed shows (`market.Market.window`).
    n_sessions
        How many the run goes over.
    n_rolls
        How often its contract changes.
    """
    latency, market, fees = config.latency, config.market_orders, config.fees
    has_rates = fees.maker_rate_e8 or fees.taker_rate_e8
    sentences = [
        "Our orders do not change the recorded market: nobody reacts to them (no impact).",
        "The recorded orders ahead of us would have come, gone and traded as they did without us.",
        _order_latency(latency),
        f"Feed latency is the recorded one plus a constant {_ms(latency.feed_offset_ns)} "
        "from the capture server to us; snapshot rows and rows with a bad capture time have none.",
        *_queue(config.queue, window),
        f"A market order trades up to {market.protection_ticks} ticks beyond the best price at its "
        "arrival; "
        + (
            "what is left is cancelled, a simplification of the exchange's rule."
            if market.cancel_remainder
            else "what is left rests there."
        ),
        f"Fees are {maker_e6 / 1e6:g} (resting) and {taker_e6 / 1e6:g} (incoming) per contract"
        + (
            f", {_bps(fees.maker_rate_e8)} and {_bps(fees.taker_rate_e8)} of the value."
            if has_rates
            else "."
        ),
        _margin(*margin_e6),
        "The limits on orders and position never fail, and connections never drop.",
        f"Contract: {choice}.",
    ]
    if n_sessions > 1:
        sentences.append(
            f"Carried over {n_sessions} sessions: a position held over a close costs nothing "
            "(no margin call, no financing), and is marked at the last mid of its session."
        )
    if n_rolls:
        times = "once" if n_rolls == 1 else f"{n_rolls} times"
        sentences.append(
            f"The contract changes {times}: a position is closed in the old one and opened in the "
            "new one at the first moment of the session at which both are quoted, at what is "
            "displayed there and both at once, without latency; before it nothing is done."
        )
    if market.simulate_unsupported:
        sentences.append(
            "Order types that the exchange does not have, such as post-only at CME, are simulated."
        )
    if repair_ns:
        sentences.append(
            f"The capture clock ran behind the exchange's: {_ms(repair_ns)} were added to it, "
            "a figure taken from the whole session."
        )
    return tuple(sentences)
