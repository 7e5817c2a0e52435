"""`lab.search` and its kin: searches over tables of ticks.

Passes run in this process. A pipeline that keeps trials, or runs passes where they can be killed,
gives `trials.run_search` and `walk_forward.run_window` an evaluator of its own.
"""

from collections.abc import Callable, Mapping, MutableMapping, Sequence
from datetime import date
from decimal import Decimal
from functools import partial
from typing import Any, NamedTuple

from strategy_lab_core.data.columns import Table
from strategy_lab_core.data.exact_yaml import scaled
from strategy_lab_core.data.instruments import Instrument, Product
from strategy_lab_core.engine.config import BacktestConfig
from strategy_lab_core.engine.selection import Selection, select
from strategy_lab_core.engine.sweep import sweep
from strategy_lab_core.errors import ConfigError
from strategy_lab_core.search.config import SearchConfig, search_config
from strategy_lab_core.search.cross_validation import CrossValidationResult, cross_validate_splits
from strategy_lab_core.search.evaluate import Evaluator, Outcome, Pass, SetKey
from strategy_lab_core.search.null import NullResult, count_events, null_result, null_session
from strategy_lab_core.search.objective import Capital
from strategy_lab_core.search.space import Parameters, Space, space_of
from strategy_lab_core.search.splits import combinatorial_splits, walk_forward_windows
from strategy_lab_core.search.trials import SearchResult, Trial, run_search
from strategy_lab_core.search.walk_forward import WalkForwardResult, WindowResult, walk_windows
from strategy_lab_core.strategies.strategy import Strategy

__all__ = ["SearchEngine", "cross_validate", "null_search", "search", "walk_forward"]

Ticks = Table | Callable[[], Table]
Sessions = Mapping[str, Ticks] | Mapping[date, Ticks]


class SearchEngine(NamedTuple):
    """How the passes of a search are run.

    Attributes
    ----------
    config
        Costs, latency, limits of every set.
    instrument, products
        As for `lab.backtest`.
    cores
        As for `lab.sweep`.
    known
        Outcomes that searches with the same strategy, engine and ticks share: give each of them the
        same dictionary.
    """

    config: BacktestConfig | None = None
    instrument: Instrument | str | None = None
    products: Mapping[str, Product] | None = None
    cores: int | None = None
    known: MutableMapping[tuple[str, SetKey], Outcome] | None = None


def search(
    sessions: Sessions,
    strategy: Strategy,
    *,
    capital: int | str | Decimal,
    space: Mapping[str, Any] | None = None,
    engine: SearchEngine | None = None,
    on_batch: Callable[[Sequence[Trial]], None] | None = None,
    **options: Any,
) -> SearchResult:
    """Search a strategy's parameters: many sets a pass over each session, every trial kept.

    Parameters
    ----------
    sessions
        Ticks of each session by its date, or functions that read them when their turn comes.
    strategy
        Its values are those of the parameters that do not vary.
    capital
        What returns are counted on, in currency.
    space
        As in `search.space.space_of`: a list of values, or `low`, `high`, `step`, `log`, for each
        parameter that varies. By default what the strategy declares.
    engine
        Costs, latency, instrument.
    on_batch
        Called with the trials of each batch.
    options
        The fields of `search.config.SearchConfig`: method, objective, n_trials, batch_size, seed...

    Raises
    ------
    ConfigError
        A name misspelt, a value out of its bounds, a space that the method can't search.
    """
    chosen = _opened(sessions, strategy, capital, space, engine, options)
    return run_search(
        chosen.space, chosen.config, chosen.evaluator, chosen.sessions, chosen.capital,
        on_batch=on_batch,
    )  # fmt: skip


def walk_forward(
    sessions: Sessions,
    strategy: Strategy,
    *,
    capital: int | str | Decimal,
    train: int,
    test: int,
    step: int | None = None,
    anchored: bool = False,
    purge: int = 0,
    embargo: int = 0,
    space: Mapping[str, Any] | None = None,
    engine: SearchEngine | None = None,
    on_window: Callable[[WindowResult], None] | None = None,
    **options: Any,
) -> WalkForwardResult:
    """Choose on the sessions before, judge on the sessions after, and move on.

    Parameters
    ----------
    sessions, strategy, capital, space, engine, options
        As for `search`: each window is a search.
    train, test, step, anchored, purge, embargo
        As for `search.splits.walk_forward_windows`.
    on_window
        Called with each window's result.

    Raises
    ------
    ConfigError
        As for `search`; or too few sessions for one window.
    """
    chosen = _opened(sessions, strategy, capital, space, engine, options)
    windows = walk_forward_windows(
        chosen.sessions, train=train, test=test, step=step, anchored=anchored, purge=purge,
        embargo=embargo,
    )  # fmt: skip
    return walk_windows(
        chosen.space, chosen.config, chosen.evaluator, windows, chosen.capital, on_window=on_window
    )


def cross_validate(
    sessions: Sessions,
    strategy: Strategy,
    *,
    capital: int | str | Decimal,
    groups: int,
    test_groups: int,
    purge: int = 0,
    embargo: int = 0,
    space: Mapping[str, Any] | None = None,
    engine: SearchEngine | None = None,
    on_split: Callable[[WindowResult], None] | None = None,
    **options: Any,
) -> CrossValidationResult:
    """Search every training side of a combinatorial purged cross-validation, judge the other side.

    Parameters
    ----------
    sessions, strategy, capital, space, engine, options
        As for `search`.
    groups, test_groups, purge, embargo
        As for `search.splits.combinatorial_splits`.
    on_split
        Called with each split's result.

    Raises
    ------
    ConfigError
        As for `search`; or sessions that make no such groups.
    """
    chosen = _opened(sessions, strategy, capital, space, engine, options)
    combinations = combinatorial_splits(
        chosen.sessions, groups=groups, test_groups=test_groups, purge=purge, embargo=embargo
    )
    return cross_validate_splits(
        chosen.space, chosen.config, chosen.evaluator, combinations, chosen.capital,
        on_split=on_split,
    )  # fmt: skip


def null_search(
    sessions: Sessions,
    strategy: Strategy,
    *,
    capital: int | str | Decimal,
    repeats: int = 20,
    space: Mapping[str, Any] | None = None,
    engine: SearchEngine | None = None,
    on_search: Callable[[SearchResult], None] | None = None,
    **options: Any,
) -> NullResult:
    """Repeat a search on simulated sessions of the same days: what the best of luck looks like.

    Parameters
    ----------
    sessions, strategy, capital, space, engine, options
        As for the search that it stands beside. The sessions give their days, their numbers of
        events (100,000 at most) and their instrument; the engine's `known` is not used.
    repeats
        Searches, each on a simulated market of its own.
    on_search
        Called with each search.

    Raises
    ------
    ConfigError
        As for `search`.
    """
    if repeats < 1:
        raise ConfigError("repeats", repeats, "at least 1")
    engine = SearchEngine() if engine is None else engine
    days: dict[str, tuple[Selection, int]] = {}
    for label, ticks in sessions.items():
        table = _read(ticks)
        chosen = select(table, instrument=engine.instrument, products=engine.products)
        days[str(label)] = chosen._replace(ticks=table.clear()), count_events(chosen.ticks)
    found = []
    for repeat in range(repeats):
        drawn = {
            label: partial(null_session, chosen.session, chosen.instrument, events=events,
                           seed=repeat * len(days) + place)
            for place, (label, (chosen, events)) in enumerate(days.items())
        }  # fmt: skip
        found.append(
            search(
                drawn, strategy, capital=capital, space=space, engine=engine._replace(known=None),
                **options,
            )
        )  # fmt: skip
        if on_search is not None:
            on_search(found[-1])
    return null_result(found)


class _Opened(NamedTuple):
    space: Space
    config: SearchConfig
    evaluator: Evaluator
    sessions: tuple[str, ...]
    capital: Capital


def _opened(
    sessions: Sessions,
    strategy: Strategy,
    capital: int | str | Decimal,
    space: Mapping[str, Any] | None,
    engine: SearchEngine | None,
    options: Mapping[str, Any],
) -> _Opened:
    """Return everything that a search is made of, from what a user gives."""
    if not sessions:
        raise ConfigError("sessions", dict(sessions), "the ticks of at least one session")
    engine = SearchEngine() if engine is None else engine
    config, chosen_space = search_config(options), space_of(strategy, space)
    by_label: dict[str, Ticks] = {str(label): ticks for label, ticks in sessions.items()}
    first = select(
        _read(next(iter(by_label.values()))), instrument=engine.instrument, products=engine.products
    )
    scale = first.instrument.product.money_scale
    money = scaled("capital", capital, scale)
    if money <= 0:
        raise ConfigError("capital", capital, "larger than 0")
    evaluator = Evaluator(_pass_of(by_label, strategy, engine), engine.known)
    return _Opened(chosen_space, config, evaluator, tuple(by_label), Capital(money, scale))


def _pass_of(sessions: Mapping[str, Ticks], strategy: Strategy, engine: SearchEngine) -> Pass:
    def run(session: str, sets: Sequence[Parameters]) -> list[Outcome]:
        """Run the sets in one pass over a session."""
        found = sweep(
            _read(sessions[session]), strategy, sets, engine.config, cores=engine.cores,
            keep_orders=False, instrument=engine.instrument, products=engine.products,
        )  # fmt: skip
        return [int(run.result.metrics["net_profit_e6"]) if run.result else str(run.error)
                for run in found.runs]  # fmt: skip

    return run


def _read(ticks: Ticks) -> Table:
    return ticks() if callable(ticks) else ticks
