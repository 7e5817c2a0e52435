"""What is timed: each stage takes the prepared tape and does its work once."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.depth import depth_session
from benchmarks.maker import maker
from benchmarks.tape import INSTRUMENT_ID, SYMBOL, TICK, make_tape
from strategy_lab_core._jit import kernel
from strategy_lab_core.book.changes import BookWriter
from strategy_lab_core.book.l3 import L3Book
from strategy_lab_core.book.validate import Validator
from strategy_lab_core.data.bar_cells import bar_rule, session_cells
from strategy_lab_core.data.bars import BarBuilder
from strategy_lab_core.data.calendar import Session
from strategy_lab_core.data.checks import apply_row_rules
from strategy_lab_core.data.columns import Table, table
from strategy_lab_core.data.dbn_writer import write_dbn
from strategy_lab_core.data.files import inspect
from strategy_lab_core.data.instruments import Instrument, instruments
from strategy_lab_core.engine.config import BacktestConfig
from strategy_lab_core.engine.run import Costs, run_pass
from strategy_lab_core.engine.tape import SessionTape, session_tape
from strategy_lab_core.strategies.strategy import Strategy
from strategy_lab_core.types import Action, BookState, IntAny, Phase, TickSchema

__all__ = [
    "CONFIG",
    "COSTS",
    "STAGES",
    "Prepared",
    "calibrate",
    "calibration",
    "prepare",
    "session_of",
    "set_of",
]

BATCH = 1 << 18  # rows, as the readers give them
BOOKS_BYTES = 1 << 20  # the books of a batch are used while they are in the cache
_ADD, _CANCEL, _MODIFY = int(Action.ADD), int(Action.CANCEL), int(Action.MODIFY)
_TRADE, _FILL = int(Action.TRADE), int(Action.FILL)
ENGINE_COLUMNS = (
    "ts_recv", "ts_event", "instrument_id", "action", "side", "price", "size", "order_id", "flags",
)  # fmt: skip
CONFIG = BacktestConfig(flatten_seconds=0)
COSTS = Costs(500_000, 370_000, 370_000)
MBO_COLUMNS = ("action", "side", "price", "size", "order_id", "flags", "ts_recv")


class Prepared:
    """The tape in the forms that the stages begin with, each loaded where it is needed.

    Attributes
    ----------
    rows
        Length of the tape.
    file
        The tape as DBN, zstd.
    """

    def __init__(self, arrays: Path, file: Path, rows: int) -> None:
        self._arrays, self.file, self.rows = arrays, file, rows

    @cached_property
    def columns(self) -> dict[str, NDArray[Any]]:
        """Market-by-order columns (shape: rows)."""
        return dict(np.load(self._arrays))

    @cached_property
    def action(self) -> NDArray[Any]:
        """The column of the calibration loop (shape: rows)."""
        found: NDArray[Any] = np.load(self._arrays)["action"]
        return found

    @property
    def instruments(self) -> dict[int, Instrument]:
        """The one instrument by id."""
        return instruments({INSTRUMENT_ID: SYMBOL}, None)


@kernel
def calibration(action: IntAny) -> int:
    """Branch on the action of every row and do nothing else: the yardstick of all stages."""
    total = 0
    for row in range(len(action)):
        code = action[row]
        if code == _ADD:
            total += 1
        elif code == _CANCEL:
            total -= 1
        elif code == _MODIFY:
            total += 3
        elif code == _FILL:
            total += 7
        elif code == _TRADE:
            total ^= 5
    return total


def calibrate(prepared: Prepared) -> None:
    """Run the calibration loop over the tape."""
    calibration(prepared.action)


def prepare(folder: Path, rows: int) -> Prepared:
    """Return the tape, made once and kept in `folder`."""
    stem = folder / f"tape-{rows}"
    arrays, file = stem.with_suffix(".npz"), stem.with_suffix(".mbo.dbn.zst")
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        columns = make_tape(rows)
        np.savez(arrays, allow_pickle=False, **columns)
        write_dbn(file, _ticks(columns), {INSTRUMENT_ID: SYMBOL})
    return Prepared(arrays, file, rows)


def _ticks(columns: dict[str, NDArray[Any]]) -> Table:
    """Return columns as a canonical table."""
    n_rows = len(columns["action"])
    lineage: dict[str, NDArray[Any] | list[str]] = {
        "symbol": [SYMBOL] * n_rows,
        "file_hash": ["0" * 64] * n_rows,
        "row": np.arange(n_rows),
    }
    return table({**columns, **lineage})


def _slices(rows: int, size: int) -> list[slice]:
    return [slice(start, start + size) for start in range(0, rows, size)]


def _read(prepared: Prepared) -> Callable[[], None]:
    def work() -> None:
        inspect(prepared.file, batch_rows=BATCH)

    return work


def _rules(prepared: Prepared) -> Callable[[], None]:
    ticks = _ticks(prepared.columns)

    def work() -> None:
        for rows in _slices(len(ticks), BATCH):
            apply_row_rules(ticks[rows], TickSchema.MBO, prepared.instruments, {})

    return work


def _validate(prepared: Prepared) -> Callable[[], None]:
    ticks = _ticks(prepared.columns)

    def work() -> None:
        validator = Validator(TickSchema.MBO, prepared.instruments)
        for rows in _slices(len(ticks), BATCH):
            validator.feed(ticks[rows])

    return work


def _book(depth: int) -> Callable[[Prepared], Callable[[], None]]:
    def stage(prepared: Prepared) -> Callable[[], None]:
        columns = {name: prepared.columns[name] for name in MBO_COLUMNS}
        batch_rows = BOOKS_BYTES // (24 * depth)
        batches = _slices(prepared.rows, batch_rows)
        room = np.empty((batch_rows, 6 * depth), np.uint32)

        def work() -> None:
            book = L3Book()
            for rows in batches:
                part = book.rows_of(**{name: values[rows] for name, values in columns.items()})
                book.replay(part, depth=depth, every=True, room=room)

        return work

    return stage


def _stored(prepared: Prepared) -> Callable[[], None]:
    ticks = _ticks(prepared.columns)

    def work() -> None:
        writer = BookWriter(INSTRUMENT_ID)
        for rows in _slices(len(ticks), BATCH):
            writer.feed(ticks[rows])

    return work


def _bars(prepared: Prepared) -> Callable[[], None]:
    ticks = _ticks(prepared.columns)
    hours, rule = session_of(prepared).session, bar_rule("1m")

    def work() -> None:
        builder = BarBuilder(
            prepared.instruments[INSTRUMENT_ID], rule, session_cells([hours], rule)
        )
        for rows in _slices(len(ticks), BATCH):
            builder.feed(ticks[rows])
        builder.finish()

    return work


def session_of(prepared: Prepared, *, by_price: bool = False) -> SessionTape:
    """Return the tape as the engine takes it: open and trusted from its first row to its last."""
    first, last = int(prepared.columns["ts_event"][0]), int(prepared.columns["ts_event"][-1])
    day = date(2025, 1, 15)
    session = Session(day, day, first - 3, first - 2, first, last + 1, ())
    trusted = np.full(prepared.rows, BookState.TRUSTED, np.uint8)
    ticks = table(
        {**{name: prepared.columns[name] for name in ENGINE_COLUMNS}, "book_state": trusted}
    )
    phases = (np.array([first]), np.array([Phase.OPEN]))
    made = session_tape(ticks, session, phases, tick_size=TICK, latency=CONFIG.latency)
    made.book.start_empty()
    return depth_session(made) if by_price else made


def set_of(k: int) -> dict[str, int]:
    """Return the parameters of the k-th of 100 sets."""
    return {"offset": (k + 1) % 10, "lean": (k // 10 + 1) % 10}


def _engine(
    n_sets: int, threads: int, *, by_price: bool = False
) -> Callable[[Prepared], Callable[[], None]]:
    def stage(prepared: Prepared) -> Callable[[], None]:
        tape = session_of(prepared, by_price=by_price)
        strategies = [maker(**set_of(k)) for k in range(n_sets)]
        dealt = [strategies[thread::threads] for thread in range(threads)]

        def run(part: list[Strategy]) -> None:
            many = len(part)
            run_pass(tape.copy(), part, [CONFIG] * many, [COSTS] * many, keeps_orders=False)

        def work() -> None:
            with ThreadPoolExecutor(threads) as pool:
                list(pool.map(run, dealt))

        return work

    return stage


STAGES: dict[str, tuple[str, Callable[[Prepared], Callable[[], None]]]] = {
    "read_dbn": ("DBN zstd to canonical tables and the file's hash, in one pass", _read),
    "row_checks": ("row rules in memory", _rules),
    "validate": ("row rules, Pandera, L3 book and state rules", _validate),
    "l3_book_tob": ("L3 book + best bid and offer after every record", _book(1)),
    "l3_book_mbp10": ("L3 book + ten levels after every record", _book(10)),
    "bars_1m": ("one-minute bars of the trades among all rows", _bars),
    "l3_backtest": ("market-by-order backtest, a market maker on a 100 ms timer", _engine(1, 1)),
    "l3_sweep100": ("the same with 100 parameter sets, one thread", _engine(100, 1)),
    "l3_sweep100_2": ("the same, two threads", _engine(100, 2)),
    "l2_backtest": ("backtest of the tape by price", _engine(1, 1, by_price=True)),
    "l2_sweep100": ("the same with 100 parameter sets, one thread", _engine(100, 1, by_price=True)),
    "stored_books": ("L3 book to bbo and changed levels as tables", _stored),
}
