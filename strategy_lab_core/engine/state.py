"""The arrays that a simulation lives in: one record array per concern, one row per parameter set.

The first axis of every array here is the parameter set, so that one pass over a tape can serve
many. Kernels write in place and never allocate; `with_room` makes room between two kernel calls.
Records, not columns: every array that a kernel is handed costs compile time. Fields are int64;
times ns, prices ticks, sizes lots, money the instrument's money unit.
"""

from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np

from strategy_lab_core.types import Int1D, Int2D, Records

__all__ = [
    "NEVER",
    "NEW_ORDERS",
    "NO_ASK",
    "NO_BID",
    "USED",
    "Counted",
    "Cursor",
    "EndReason",
    "Listed",
    "MessageKind",
    "Near",
    "OrderKind",
    "Refusal",
    "Sets",
    "fresh_sets",
    "with_room",
]

NEVER = 2**62 - 1  # a time that does not come; twice it and one more is an int64
NEW_ORDERS = 18  # most that one step can send: a call's requests, and two of a bracket
_WRITTEN_ROWS = 4096  # orders, fills and samples that a set can write between two calls
_PRICES = 1024  # lists of resting orders on a side; a power of two
NO_BID = -(2**40)  # ticks: below every price
NO_ASK = 2**40


class Cursor(IntEnum):
    """Places in the numbers of a pass that all parameter sets share."""

    ROW = 0  # next row of the tape
    PHASE = 1  # last phase that has begun, -1 before the first
    TRADE_SIDE = 2  # of the resting orders that the trade in progress fills: +1 bids, -1 asks, 0
    BOUGHT = 3  # lots bought by aggressors so far
    SOLD = 4
    LAST_TICK = 5  # of the last trade
    IS_TRUSTED = 6  # after the last event
    MARK_BID = 7  # best bid and ask in ticks that accounts are marked at
    MARK_ASK = 8
    IS_MARKED = 9  # 1 once there is a price at all
    END_NS = 10
    FLATTEN_NS = 11
    CALLS = 12  # a bit for each `Wake` that the strategy is called for
    TRADE_LOTS = 13  # of the last recorded trade
    TRADE_NUMBER = 14  # how many there were
    WATCH_BID = 15  # no set has a resting bid above it, in ticks; may be too high
    WATCH_ASK = 16  # no set has a resting ask below it
    SOONEST_KEY = 17  # of all sets' next own step (`own_steps`)
    IS_STIRRED = 18  # 1 once what happens next may not be the market any more
    IS_TIGHT = 19  # 1 once an array of some set has too little room
    ACTIVE = 20  # the set whose step is being taken
    TO_TELL = 21  # how many deliveries the sets are told of, one by one
    BUY_STOP = 22  # no set has a buy stop with a trigger below it; may be too low
    SELL_STOP = 23  # no set has a sell stop above it
    TRADED_HIGH = 24  # of the event's trades that can trigger, in ticks
    TRADED_LOW = 25
    TELLS = 26  # 1 where sets are told of deliveries: called on the book, or a loss limit judged
    NEXT_PHASE_NS = 27  # when the phase after `PHASE` begins
    HEADROOM = 28  # rows that every array has to have left before a step
    IS_OPEN = 29  # the phase `PHASE` is an open one
    FOLLOWS_FEED = 30  # 1 where some set's messages take as long as the feed


class Near(IntEnum):
    """What the market looks at for every set: kept together, a row each."""

    DUE_KEY = 0  # of the set's next own step (`own_steps`)
    BEST_BID = 1  # highest own resting bid, in ticks
    BEST_ASK = 2  # lowest own resting ask


class Listed(IntEnum):
    """Which list of order slots."""

    RESTING = 0  # at the exchange
    LIVE = 1  # not known to be over
    FREE = 2  # slots of no order
    STOPS = 3  # at the exchange, not triggered


class OrderKind(IntEnum):
    """How an order asks to be matched."""

    LIMIT = 1
    MARKET = 2  # within the protection points; what is left rests at their limit
    IOC = 3  # a limit order whose remainder is cancelled at once
    FOK = 4  # a limit order that is filled whole at once, or rejected
    POST_ONLY = 5  # a limit order that is rejected where it would trade at once
    STOP = 6  # a market order from the first trade at or through its trigger on
    STOP_LIMIT = 7  # a limit order from then on


class EndReason(IntEnum):
    """Why an order is over; what begins with REJECTED never rested."""

    WORKING = 0
    FILLED = 1
    CANCELLED = 2
    EXPIRED = 3  # the session or the tape ended
    REMAINDER_CANCELLED = 4  # what an order may not, or by a modify shall not, rest with
    REJECTED_PHASE = 5  # not the open phase
    REJECTED_UNTRUSTED = 6  # the book is unseeded or unreliable
    REJECTED_OWN_CROSS = 7  # would trade with an order of ours
    REJECTED_NO_MARKET = 8  # a market order and nobody on the other side
    REJECTED_WOULD_TRADE = 9  # post-only
    REJECTED_FILL_OR_KILL = 10  # not all of it could be filled at once
    REJECTED_GATEWAY = 11  # never reached matching


class Refusal(IntEnum):
    """Why our side did not send what a strategy asked for."""

    INVALID = 0  # kind, side, size or price make no sense
    PRICE_DISTANCE = 1
    ORDER_SIZE = 2
    POSITION_LIMIT = 3
    OPEN_ORDERS = 4
    MESSAGE_RATE = 5
    UNKNOWN_ORDER = 6  # a cancel or modify of what is not working, or is being changed already
    OVERFLOW = 7  # more requests in one call than the strategy's desk holds
    UNSUPPORTED = 8  # an order type that the exchange does not have
    UNTRUSTED = 9  # a bracket's order, while the book that we see is not to be trusted


class Counted(IntEnum):
    """What is counted."""

    END = 0  # of orders, by `EndReason`
    REFUSAL = 1  # of requests, by `Refusal`


class MessageKind(IntEnum):
    """What a message says: to the exchange the first three, from it the others."""

    NEW = 1
    CANCEL = 2
    MODIFY = 3  # with the new price and the new size, what is filled included
    ACCEPTED = 4
    FILLED = 5
    ENDED = 6  # the order is over, its end reason says why; `lots` is 1 where a modify ended it
    CANCEL_REJECTED = 7  # the order was over; `lots` is 1 where the gateway rejected the cancel
    MODIFIED = 8
    MODIFY_REJECTED = 9  # the order is as it was


def _record(*fields: str) -> np.dtype[np.void]:
    return np.dtype([(field, np.int64) for field in fields], align=True)


# An order has a slot while anything about it is on its way; then it is written to the log.
ORDER = _record(
    # What the market looks at, kept together:
    "side",  # +1 buy, -1 sell
    "tick",  # limit, or the protection limit once a market order has arrived
    "front",  # by price: modelled lots ahead, 1e-9 lots (`queue`)
    "traded",  # by price: lots traded at its price since the level last changed
    "next",  # in the list of its price while it rests (`own_levels`), these two
    "previous",  # 0 while it does not rest
    "size",
    # Zero in a fresh order, to `is_bracket`: beside each other, a few wide stores write them.
    "filled",
    "notional",  # sum of lots x tick over the fills
    "rank",  # the book's next arrival number when it began to rest
    "end_reason",  # EndReason
    "known_filled",  # as far as the responses have told us
    "modify_sent",  # 1 while a modify is on its way
    "is_over",  # 1 once we know that it has ended
    "cancel_sent",  # 1 while a cancel is on its way, 2 once it is answered
    "is_bracket",  # 1 for an entry whose fills are closed at `take_profit` and `stop_loss`
    # -1 in a fresh order, these four:
    "arrive_ns",  # exchange; -1 until then
    "end_ns",  # exchange; -1 while working
    "queue_ahead",  # lots before it as it began to rest; -1 if it never did, or they are not shown
    "sibling",  # number of the order that closes the same lots, -1 for none
    "number",  # 0, 1, ... in the order of submission; -1 in a free slot
    "kind",  # OrderKind
    "tag",  # the strategy's own mark
    "trigger",  # of a stop, in ticks
    "submit_ns",  # local
    "known_tick",  # as far as the responses have told us, these two
    "known_size",
    "asked_size",  # of the modify on its way, else the known one
    "take_profit",
    "stop_loss",
    "wanted",  # size, filled lots included, that a sibling has left of it
)
# `rejected_ns` is our time at which we hear that the gateway rejected it, 0 where it did not.
MESSAGE = _record("send_ns", "arrive_ns", "kind", "order", "lots", "tick", "fee", "rejected_ns")
FILL = _record(
    "order",  # its number
    "side", "exchange_ns", "local_ns", "tick", "lots", "is_maker", "fee", "position_after",
    "queue_ahead",
)  # fmt: skip
SAMPLE = _record("exchange_ns", "position", "cash", "bid", "ask")
# Lots of displayed orders that have served ours, open addressing: the venue's order id + 1, or 0.
USED = _record("key", "lots")
TOTAL = _record(
    # What decides when its next step is, kept together:
    "is_stopped",  # 1 once its strategy has raised: it takes no part any more
    "told",  # deliveries that its strategy was told of
    # Messages to the exchange written and handled there, responses written and handled by us.
    "sent", "arrived", "answered", "heard",
    "sent_from", "answered_from",  # numbers of the messages at the first places of the lines
    "reacts",  # 1 where it may act on a response before its next timer or book
    "next_arrival_ns",  # of its messages at the exchange, NEVER for none on its way
    "next_clock_ns",  # the first of the next four
    "next_flatten_ns", "next_timer_ns", "next_sample_ns",
    "next_trim_ns",  # when what a bracket could not take off is tried again, NEVER for nothing
    "roomy_until",  # sum of the line's counters up to which no array can be short of room
    "last_arrive_ns", "last_heard_ns",  # of each line's last message
    # Rows in use; "orders" counts those that were ever sent.
    "orders", "logged", "fills", "samples", "used", "resting", "live", "free", "stops",
    # The account, on the exchange's side; `known_position` as far as the responses have told us.
    "position", "cash", "fees", "volume", "known_position", "known_cash",
    "calls",  # of the strategy
    "is_stale",  # 1 while the list of working orders that the strategy sees is not of now
    "killed_ns",  # our time at which the loss limit was reached, 0 until then
    # Messages sent by `mark_ns`, and by the mark before, at least a second earlier.
    "mark_ns", "sent_at_mark", "sent_before",
    "buy_stop", "sell_stop",  # first triggers of own stops, in ticks
    "trade_lots",  # of the recorded trade `trade_number`: what has not served us yet
    "trade_number",
    "may_close",  # 1 while the flattening order of this attempt is not sent
)  # fmt: skip


class Sets(NamedTuple):
    """Everything that each parameter set has for itself (shape: sets, or sets x capacity)."""

    orders: Records  # by slot
    log: Records  # orders of which nothing is on its way any more; no rows where none are kept
    outbound: Records  # messages to the exchange
    inbound: Records  # responses
    sent_ns: Int2D  # our times of the last messages (shape: sets, at least a second's worth)
    fills: Records
    samples: Records
    used: Records
    totals: Records
    rules: Records  # the configuration
    lists: Int2D  # slots (shape: sets, `Listed`, slots)
    near: Int2D  # (shape: `Near`, sets)
    heads: Int1D  # of the lists of resting orders, by side and price (`own_levels`), of all sets
    counts: Int2D  # (shape: sets, `Counted`, most reasons)
    line: Int2D  # what latencies depend on (`latency`), shared by all sets


def fresh_sets(rules: Records, line: Int2D, room: int, *, keeps_orders: bool) -> Sets:
    """Return the sets of a pass that has not begun, with at least `room` rows in each array."""
    n_sets = len(rules)
    rows = _power_of_two(2 * room)
    written = max(rows, _WRITTEN_ROWS)
    a_second = _power_of_two(int(rules["max_messages_per_second"].max()) + 1)
    slots = _power_of_two(int(rules["max_open_orders"].max()) + 2 * NEW_ORDERS)
    reasons = max(len(EndReason), len(Refusal))
    totals = np.zeros(n_sets, TOTAL)
    totals["buy_stop"] = NO_ASK
    totals["sell_stop"] = NO_BID
    totals["next_trim_ns"] = NEVER
    totals["next_arrival_ns"] = NEVER
    totals["roomy_until"] = -1
    near = np.zeros((len(Near), n_sets), np.int64)
    near[Near.BEST_BID] = NO_BID
    near[Near.BEST_ASK] = NO_ASK
    sets = Sets(
        orders=np.zeros((n_sets, 0), ORDER),
        log=np.zeros((n_sets, written if keeps_orders else 0), ORDER),
        outbound=np.zeros((n_sets, rows), MESSAGE),
        inbound=np.zeros((n_sets, rows), MESSAGE),
        sent_ns=np.zeros((n_sets, a_second), np.int64),
        fills=np.zeros((n_sets, written), FILL),
        samples=np.zeros((n_sets, written), SAMPLE),
        used=np.zeros((n_sets, rows), USED),
        totals=totals,
        rules=rules,
        lists=np.zeros((n_sets, len(Listed), 0), np.int64),
        near=near,
        heads=np.zeros(2 * _PRICES, np.int64),
        counts=np.zeros((n_sets, len(Counted), reasons), np.int64),
        line=line,
    )
    return _with_slots(sets, slots)


def with_room(sets: Sets, room: int) -> Sets:
    """Return the same sets with at least `room` rows left in each array."""
    totals = sets.totals
    in_use = {"fills": totals["fills"], "samples": totals["samples"]}
    if sets.log.shape[1]:
        in_use["log"] = totals["logged"]
    larger: dict[str, Any] = {
        name: _longer(getattr(sets, name), used, _power_of_two(int(used.max()) + room))
        for name, used in in_use.items()
        if getattr(sets, name).shape[1] - int(used.max()) < room
    }
    lines = {"outbound": ("sent", "arrived"), "inbound": ("answered", "heard")}
    for name, (written, read) in lines.items():
        line, most = getattr(sets, name), int((totals[written] - totals[read]).max())
        if line.shape[1] - most < room:
            start, rows = totals[f"{written}_from"], _power_of_two(most + room)
            larger[name] = _longer_line(line, start, totals[written], rows)
    grown = sets._replace(**larger)
    if int(totals["free"].min()) < NEW_ORDERS:
        grown = _with_slots(grown, 2 * sets.orders.shape[1])
    return grown


def _power_of_two(at_least: int) -> int:
    return 1 << (at_least - 1).bit_length()


def _longer(records: Records, used: Int1D, rows: int) -> Records:
    """Return room for `rows` rows a set; memory that no set has written to is not touched."""
    n_sets, _ = records.shape
    longer = np.zeros((n_sets, rows), records.dtype)
    for k in range(n_sets):
        longer[k, : used[k]] = records[k, : used[k]]
    return longer


def _longer_line(line: Records, start: Int1D, written: Int1D, rows: int) -> Records:
    """Return a ring of `rows` places with the messages at their new ones.

    `start` are the numbers of the messages at the first place (shape: sets).
    """
    n_sets, capacity = line.shape
    longer = np.zeros((n_sets, rows), line.dtype)
    for k in range(n_sets):
        first = max(int(start[k]), int(written[k]) - capacity)
        places = np.arange(first, int(written[k])) - int(start[k])
        longer[k, places % rows] = line[k, places % capacity]
    return longer


def _with_slots(sets: Sets, slots: int) -> Sets:
    """Return the same sets with more slots, the new ones free."""
    n_sets, before = sets.orders.shape
    orders = np.zeros((n_sets, slots), ORDER)
    orders["number"] = -1
    orders[:, :before] = sets.orders
    lists = np.zeros((n_sets, len(Listed), slots), np.int64)
    lists[:, :, :before] = sets.lists
    for k in range(n_sets):
        free = int(sets.totals[k]["free"])
        lists[k, Listed.FREE, free : free + slots - before] = np.arange(slots - 1, before - 1, -1)
    sets.totals["free"] += slots - before
    return sets._replace(orders=orders, lists=lists)
