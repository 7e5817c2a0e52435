"""One strategy on one session of one instrument, or carried over several: `backtest`.

The engine's Python face: runs the pass over what `stage` makes ready, and hands back tables,
figures and every assumption that flatters the result. Many parameter sets on one pass are in
`sweep`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from strategy_lab_core.data.calendar import Session
from strategy_lab_core.data.columns import Table
from strategy_lab_core.data.instruments import MONEY_SCALE, Instrument, Product
from strategy_lab_core.engine.assumptions import assumptions_of
from strategy_lab_core.engine.config import BacktestConfig
from strategy_lab_core.engine.margin import margin_of, margin_use, position_limit
from strategy_lab_core.engine.results import (
    equity_table,
    fills_table,
    metrics_of,
    orders_table,
    sessions_table,
)
from strategy_lab_core.engine.roll_results import Contract, rolls_table, with_symbol
from strategy_lab_core.engine.rolling import Rolled
from strategy_lab_core.engine.run import Costs, Outcome, RunnableStrategy, run_pass
from strategy_lab_core.engine.stage import Stage, Ticks, stages
from strategy_lab_core.engine.state import OrderKind
from strategy_lab_core.errors import InstrumentError
from strategy_lab_core.types import PRICE_SCALE, Int1D

__all__ = [
    "BacktestResult",
    "Played",
    "Progress",
    "backtest",
    "costs_of",
    "played",
    "reporter",
    "result_of",
]

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class BacktestResult:
    """What came out of one run; prices in 1e-9, money in 1e-6 of the currency, times in ns UTC.

    Attributes
    ----------
    orders, fills, equity
        Every order's life, every fill in exchange order, each with its contract's symbol; the
        account at fills and on a grid.
    sessions
        A row for each session: its close, the position held over it, the net profit in it.
    rolls
        A row for each change of the contract: when, from and to, the position, the average prices
        and what it cost: both spreads and the fees.
    metrics
        Figures by name; money ends in `_e6`.
    assumptions
        Sentences: what makes the result better than reality would be.
    flags
        "partial" where the rows do not reach from open to close; "open_position" where the
        run did not end flat (valued at the far side then); "killed" where the loss limit ended it
        early; "carried" where it went over more than one session.
    instrument, session
        What it ran on; of several sessions the last.
    config, strategy, parameters
        What it ran with.
    """

    orders: Table
    fills: Table
    equity: Table
    sessions: Table
    rolls: Table
    metrics: dict[str, int | float]
    assumptions: tuple[str, ...]
    flags: tuple[str, ...]
    instrument: Instrument
    session: Session
    config: BacktestConfig
    strategy: str
    parameters: dict[str, float]


@dataclass(frozen=True, slots=True)
class Played:
    """What is kept of a session when its tape is not needed any more.

    Attributes
    ----------
    session
        Its hours.
    is_complete
        Whether its rows reach from open to close.
    repair_ns
        What was added to its capture clock.
    instrument
        What it ended in.
    samples
        How many samples each set's account had by its close (shape: sets).
    rolled
        Where positions got into that contract in it.
    """

    session: Session
    is_complete: bool
    repair_ns: int
    instrument: Instrument
    samples: Int1D
    rolled: Rolled | None


def played(stage: Stage, outcome: Outcome) -> Played:
    """Return what is kept of a session that a pass has gone over."""
    tape = stage.tape
    samples = outcome.written.count(outcome.sets, "samples")
    return Played(
        stage.session, tape.is_complete, tape.repair_ns, stage.instrument, samples, outcome.rolled
    )


def costs_of(instrument: Instrument, config: BacktestConfig) -> Costs:
    """Return the money of an instrument, exact, in units of 1 / money scale, and its order types.

    A tick must be worth an even number of units: the mid has half ticks.
    """
    scale = instrument.product.money_scale
    worth = instrument.tick_size * instrument.multiplier * scale
    tick_value, rest = divmod(worth, PRICE_SCALE * PRICE_SCALE)
    if rest or tick_value % 2:
        raise InstrumentError(
            f"a tick of {instrument.symbol} is worth {worth / PRICE_SCALE**2:g}, which must be "
            f"an even number of 1/{scale} {instrument.product.currency}"
        )
    own, product = config.fees, instrument.product
    maker = product.fee_maker if own.maker_e6 is None else own.maker_e6
    taker = product.fee_taker if own.taker_e6 is None else own.taker_e6
    kinds = frozenset(OrderKind)
    if not config.market_orders.simulate_unsupported:
        kinds = frozenset(OrderKind[name.upper()] for name in product.order_types)
    fee_maker, fee_taker = maker * scale // MONEY_SCALE, taker * scale // MONEY_SCALE
    max_loss = (config.limits.max_loss_e6 or 0) * scale // MONEY_SCALE
    most = position_limit(instrument, config)
    return Costs(tick_value, fee_maker, fee_taker, kinds, max_loss, most)


def backtest(
    ticks: Ticks,
    strategy: RunnableStrategy,
    config: BacktestConfig | None = None,
    *,
    on_progress: Progress | None = None,
    session: Session | None = None,
    instrument: Instrument | str | None = None,
    seed: Table | None = None,
    status: Table | None = None,
    products: Mapping[str, Product] | None = None,
) -> BacktestResult:
    """Simulate one strategy on one session, flat to flat, or carried over several.

    Parameters
    ----------
    ticks
        Rows of one session, any number of instruments, validated here where they are not. Their
        schema decides how much of the queue is known: `mbo` (L3), `mbp-10` and depth differences
        (L2: `config.queue`), `mbp-1` and `tbbo` (L1). With `carry: true` in the configuration rows
        of consecutive sessions of one product, in one table or one `SessionTicks` for each.
    strategy
        Compiled strategy with its parameter values.
    config
        Latency, fees, limits, queue model; by default those of `BacktestConfig()`.
    on_progress
        Called with rows done and rows in all, the first time when the pass begins.
    session, instrument
        By default the session of the rows, and of several outrights the one that expires first
        after it: name the contract that a roll rule gives (`data.rolls`).
    seed
        Orders alive before the first row, in priority order. Where one table holds several
        sessions, the later ones' are those that live at its end.
    status
        `status` rows: they give the phases instead of the calendar.
    products
        Products by root where the package's own table is not meant.

    Returns
    -------
    Tables, figures and assumptions. The same inputs give the same bytes.

    Raises
    ------
    SimulationError
        The strategy raised, or a position found too few lots to roll; the message says when.
    DataError
        A carried run whose sessions are not consecutive, or whose position can't roll.
    """
    config = config or BacktestConfig()
    run = stages(
        ticks,
        config,
        session=session,
        instrument=instrument,
        seed=seed,
        status=status,
        products=products,
    )
    outcome: Outcome | None = None
    done: list[Played] = []
    for stage in run:
        on_rows = reporter(on_progress, len(done), len(run), len(stage.tape.tape.event_ns))
        outcome = run_pass(
            stage.tape,
            [strategy],
            [config],
            [costs_of(stage.instrument, config)],
            on_rows=on_rows,
            before=outcome,
            roll=stage.roll,
            flatten_ns=run.flatten_ns(config),
        )
        done.append(played(stage, outcome))
        if on_rows is not None:
            on_rows(len(stage.tape.tape.event_ns))
        if outcome.errors:
            raise outcome.errors[0]
    assert outcome is not None  # there is at least one session
    return result_of(stage, done, outcome, 0, strategy, config)


def reporter(
    on_progress: Progress | None, n_done: int, n_sessions: int, rows: int
) -> Callable[[int], None] | None:
    """Count every session of a carried run as long as the one in progress."""
    if on_progress is None:
        return None
    return lambda row: on_progress(n_done * rows + row, n_sessions * rows)


def result_of(
    stage: Stage,
    done: Sequence[Played],
    outcome: Outcome,
    k: int,
    strategy: RunnableStrategy,
    config: BacktestConfig,
) -> BacktestResult:
    """Return what came out of set `k`, which ran `strategy` with `config`.

    Parameters
    ----------
    stage
        The run's last session.
    done
        Every session of the run.
    """
    tape, filled, samples = stage.tape, outcome.fills(k), outcome.samples(k)
    costs = costs_of(stage.instrument, config)
    contracts = _contracts(done, int(outcome.sets.totals["orders"][k]), len(filled), k)
    fills = with_symbol(fills_table(filled, tape.tick_size), contracts, by="fills")
    margin = margin_of(stage.instrument, config)
    metrics = metrics_of(outcome, k, costs.tick_value) | margin_use(filled, margin)
    return BacktestResult(
        orders=with_symbol(orders_table(outcome.orders(k), tape.tick_size), contracts, by="orders"),
        fills=fills,
        equity=equity_table(samples, costs.tick_value),
        sessions=sessions_table(
            samples,
            costs.tick_value,
            keys=[str(each.session.key) for each in done],
            until=[int(each.samples[k]) for each in done],
        ),
        rolls=rolls_table(
            fills,
            [
                (str(each.session.key), each.instrument.symbol, each.rolled)
                for each in done
                if each.rolled
            ],
            k,
            tick_size=tape.tick_size,
            tick_value=costs.tick_value,
        ),
        metrics=metrics,
        assumptions=assumptions_of(
            config,
            choice=stage.choice,
            repair_ns=max(each.repair_ns for each in done),
            n_sessions=len(done),
            n_rolls=len(contracts) - 1,
            maker_e6=costs.maker,
            taker_e6=costs.taker,
            margin_e6=margin,
            window=tape.window,
        ),
        flags=_flags(done, metrics),
        instrument=stage.instrument,
        session=stage.session,
        config=config,
        strategy=strategy.name,
        parameters=strategy.parameters,
    )


def _contracts(done: Sequence[Played], n_orders: int, n_fills: int, k: int) -> list[Contract]:
    """Return the contracts that set `k` was in, in order of time."""
    left = [
        Contract(each.rolled.symbol, int(each.rolled.orders[k]), int(each.rolled.fills[1][k]))
        for each in done
        if each.rolled
    ]
    return [*left, Contract(done[-1].instrument.symbol, n_orders, n_fills)]


def _flags(done: Sequence[Played], metrics: Mapping[str, int | float]) -> tuple[str, ...]:
    found = {
        "partial": not all(each.is_complete for each in done),
        "open_position": metrics["final_position"] != 0,
        "killed": metrics["killed_ns"] != 0,
        "carried": len(done) > 1,
    }
    return tuple(name for name, is_so in found.items() if is_so)
