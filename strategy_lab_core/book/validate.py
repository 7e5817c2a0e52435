"""Validation of ticks: row rules quarantine malformed rows, state rules judge the book's trust.

`Validator` goes batch by batch in flat memory; `validate` does a whole table. The rules themselves
are in `data.checks` (rows) and `trust` (states).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from strategy_lab_core.book.differences import LastUpdate, after_loss, best_prices
from strategy_lab_core.book.l2 import crossed_at_event_ends, read_levels
from strategy_lab_core.book.l3 import L3Book
from strategy_lab_core.book.replay import by_instrument, seeded_book
from strategy_lab_core.book.rules import StateRule
from strategy_lab_core.book.trust import Phases, StateJudge, joined_intervals
from strategy_lab_core.data.checks import Tainted, apply_row_rules, validate_table
from strategy_lab_core.data.columns import Table, column, table
from strategy_lab_core.data.instruments import Instrument
from strategy_lab_core.data.schemas import BOOK_SCHEMAS, judged_schema, polars_schema
from strategy_lab_core.errors import DataError
from strategy_lab_core.types import Action, Bool1D, Int1D, IntAny, Phase, TickSchema

__all__ = ["Validation", "Validator", "schema_of", "validate"]

_HARMLESS = (Action.ADD, Action.TRADE, Action.FILL, Action.NONE)
_FOLLOWER = "order_of_quarantined_add"
_PLACE = "place_in_batch"


@dataclass(frozen=True, slots=True)
class Validation:
    """The split of a table: rows of `valid` and `quarantined` together are the rows given.

    Attributes
    ----------
    valid
        Well-formed rows with `state_rules` (bits of `StateRule`) and `book_state`.
    quarantined
        Malformed rows with `rule` and `rule_reason`.
    intervals
        When the book can't be trusted: instrument_id, start_ns, end_ns (`ts_recv`), rule, rows.
    counts
        Rows that broke each rule, by its name; rules that nothing broke are left out.
    """

    valid: Table
    quarantined: Table
    intervals: Table
    counts: Mapping[str, int]


class Validator:
    """Validates the ticks of one schema batch by batch.

    Parameters
    ----------
    schema
        Of the ticks.
    instruments
        Those of the product by id; without any, instrument and price grid are not judged.
    phases
        Starts (ns) and phase codes as `phase_intervals` returns them; without them no book counts
        as crossed in the open phase.
    seed
        Live orders before the first row.
    """

    def __init__(
        self,
        schema: TickSchema,
        instruments: Mapping[int, Instrument] | None = None,
        *,
        phases: tuple[Int1D, IntAny] | None = None,
        seed: Table | None = None,
    ) -> None:
        self.valid_schema = judged_schema(schema)
        self._schema = schema
        self._instruments = instruments or {}
        none = (np.empty(0, np.int64), np.empty(0, np.uint8))
        self._phases = Phases(*(phases or none))
        self._seed = seed
        self._tainted: Tainted = {}
        self._states: dict[int, _InstrumentState] = {}
        self._intervals: list[Table] = []

    def feed(self, batch: Table) -> tuple[Table, Table]:
        """Return the valid rows of a batch, with their states, and the quarantined ones."""
        numbered = batch.with_row_index(_PLACE)
        valid, bad = apply_row_rules(numbered, self._schema, self._instruments, self._tainted)
        lost = self._lost(bad) if len(bad) else {}
        order = column(valid, _PLACE).astype(np.int64)
        valid, bad = valid.drop(_PLACE), bad.drop(_PLACE, strict=False)
        validate_table(valid, self._schema)
        if len(valid) + len(bad) != len(batch):
            raise DataError(f"{len(batch)} rows became {len(valid)} valid and {len(bad)} bad ones")
        if self._schema not in BOOK_SCHEMAS:
            return valid, bad
        rules = np.zeros(len(valid), np.uint16)
        states = np.zeros(len(valid), np.uint8)
        for instrument_id, where in by_instrument(valid):
            state = self._state(instrument_id)
            state.lose(lost.pop(instrument_id, np.empty(0, np.int64)))
            mine = valid[where]
            found = state.judge(mine, self._phases, order[where])
            rules[where], states[where], intervals = found
            self._intervals.append(intervals)
        for instrument_id in lost:  # no valid row of it in this batch: its next one pays
            self._state(instrument_id).lose(np.array([-1]))
        added = table({"state_rules": rules, "book_state": states})
        return valid.hstack(added), bad

    def finish(self) -> Table:
        """Return all intervals, those that are open at the end included."""
        rest = [state.finish() for _, state in sorted(self._states.items())]
        return joined_intervals([*self._intervals, *rest])

    def _state(self, instrument_id: int) -> "_InstrumentState":
        if instrument_id not in self._states:
            state = _InstrumentState(instrument_id, self._schema, self._seed)
            self._states[instrument_id] = state
        return self._states[instrument_id]

    def _lost(self, bad: Table) -> dict[int, Int1D]:
        """Return, by instrument, the places of quarantined rows that may have changed its book."""
        if self._schema not in (TickSchema.MBO, TickSchema.DEPTH):
            return {}
        action = column(bad, "action", null=0)
        changing = ~np.isin(action, _HARMLESS) & (bad["rule"].to_numpy() != _FOLLOWER)
        ids, rows = column(bad, "instrument_id", null=0), column(bad, _PLACE).astype(np.int64)
        return {int(id_): rows[changing & (ids == id_)] for id_ in np.unique(ids[changing])}


class _InstrumentState:
    """The book and the judge of one instrument."""

    def __init__(self, instrument_id: int, schema: TickSchema, seed: Table | None) -> None:
        restates = schema not in (TickSchema.MBO, TickSchema.DEPTH)
        self._schema = schema
        self._last_update = LastUpdate()  # of a feed of differences
        self._book: L3Book = seeded_book(instrument_id, seed)
        self._judge = StateJudge(instrument_id, restates=restates, started=self._book.started)
        self._lost: Int1D = np.empty(0, np.int64)

    def lose(self, rows: Int1D) -> None:
        """Remember quarantined rows: the next valid row finds the book unreliable."""
        self._lost = np.concatenate((self._lost, rows))

    def judge(self, mine: Table, phases: Phases, rows: Int1D) -> tuple[IntAny, IntAny, Table]:
        """Return broken rules, book states and new intervals of a batch whose rows these are."""
        flags, ts_event = column(mine, "flags"), column(mine, "ts_event")
        crossed, broken = self._crossed(mine, flags)
        if len(self._lost):
            after = np.searchsorted(rows, self._lost)
            broken[after[after < len(rows)]] |= np.uint16(StateRule.LOST_CHANGE)
            self._lost = np.full(int((after >= len(rows)).any()), -1)
        states, intervals = self._judge.judge(
            action=column(mine, "action"),
            flags=flags,
            ts_event=ts_event,
            ts_recv=column(mine, "ts_recv"),
            crossed=crossed & (phases.at(ts_event) == Phase.OPEN),
            broken=broken,
        )
        return broken, states, intervals

    def finish(self) -> Table:
        """Return the interval that is still open."""
        return self._judge.finish()

    def _crossed(self, mine: Table, flags: IntAny) -> tuple[Bool1D, IntAny]:
        """Return where an event ends with a crossed book, and the book's own broken rules."""
        crossed: Bool1D = np.zeros(len(mine), np.bool_)
        if self._schema is TickSchema.DEPTH:
            return self._crossed_levels(mine, flags)
        if self._schema is not TickSchema.MBO:
            prices = read_levels(mine, 1).prices
            crossed = crossed_at_event_ends(prices[:, 0], prices[:, 1], flags)
            return crossed, np.zeros(len(mine), np.uint16)
        books = self._book.replay(self._book.rows(mine), depth=1, every=False)
        ends = books.prices
        crossed[books.at] = crossed_at_event_ends(ends[:, 0], ends[:, 1], flags[books.at])
        return crossed, books.broken

    def _crossed_levels(self, mine: Table, flags: IntAny) -> tuple[Bool1D, IntAny]:
        """Return the same of depth differences; where messages are lost, the book is too."""
        prices = best_prices(self._book, mine)
        lost, self._last_update = after_loss(mine, self._last_update)
        broken = np.where(lost, StateRule.LOST_CHANGE, 0).astype(np.uint16)
        return crossed_at_event_ends(prices[:, 0], prices[:, 1], flags), broken


def schema_of(ticks: Table) -> TickSchema:
    """Return the schema whose columns a table has."""
    names = set(ticks.columns)
    for schema in TickSchema:
        if schema is not TickSchema.TBBO and names >= set(polars_schema(schema)):
            wider = schema is TickSchema.MBP_1 and "bid_px_09" in names
            trades = schema is TickSchema.TRADES and "bid_px_00" in names
            if not wider and not trades:
                return schema
    raise DataError(f"the columns are those of no tick schema: {', '.join(ticks.columns)}")


def validate(
    ticks: Table,
    *,
    schema: TickSchema | None = None,
    instruments: Mapping[int, Instrument] | None = None,
    phases: tuple[Int1D, IntAny] | None = None,
    seed: Table | None = None,
) -> Validation:
    """Validate a table; parameters as in `Validator`, the schema is found by the columns."""
    validator = Validator(schema or schema_of(ticks), instruments, phases=phases, seed=seed)
    valid, quarantined = validator.feed(ticks)
    counts = {str(rule): count for rule, count in quarantined["rule"].value_counts().iter_rows()}
    if "state_rules" in valid.columns:
        bits = column(valid, "state_rules")
        for rule in StateRule:
            if broken := int(np.count_nonzero(bits & rule)):
                counts[rule.name.lower()] = broken
    return Validation(valid, quarantined, validator.finish(), counts)
