"""Fills of the benchmarks' maker here and in hftbacktest 2.4.4, every difference explained.

``make cross-check``, or ``.venv-bench/bin/python -m benchmarks.crosscheck --rows 200000``. Each
tape is run twice: in closed loop, each engine with its own maker, and once more with the peer sent
exactly the orders and cancels of ours, so that no difference makes another.
"""

import argparse
import string
import sys
from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.differences import Filled, Order, Reason, explain
from benchmarks.maker import MakerParams, maker
from benchmarks.markets import CONFIG, markets
from benchmarks.peer import FILL, REQUEST, replay_orders, run_maker, timing_of
from benchmarks.peer_events import Skipped, peer_events
from strategy_lab_core.engine.run import Costs, Outcome, run_pass
from strategy_lab_core.engine.state import EndReason
from strategy_lab_core.engine.tape import SessionTape

__all__ = ["CASES", "Comparison", "compare"]

FREE = Costs(tick_value=500_000, maker=0, taker=0)
CASES = {
    "one lot, behind the touch": MakerParams(),
    "one lot, leaning hard": MakerParams(offset=0, lean=2),
    "three lots, leaning hard": MakerParams(offset=0, lean=2, max_position=20, lots=3),
}


class Comparison(NamedTuple):
    """What came out of one tape and one maker."""

    ours: int  # fills in closed loop
    peers: int
    alike: int  # fills of both: time, side, price, lots
    orders: int  # sent to both in the replay
    filled: int  # by either
    reasons: Counter[Reason]  # of the orders
    skipped: Skipped


def compare(
    session: SessionTape, events: tuple[NDArray[Any], Skipped], p: MakerParams
) -> Comparison:
    """Run one maker on one tape in both engines, closed loop and replay."""
    outcome = run_pass(session.copy(), [maker(**p._asdict())], [CONFIG], [FREE])
    ours, orders = _fills_of(outcome), _orders_of(outcome)
    timing = timing_of(session, CONFIG.latency)
    peers = run_maker(events[0], p, timing, room=4 * len(orders) + 100)
    replayed = _by_order(replay_orders(events[0], _requests(outcome), timing))
    reasons = explain(session, orders, _by_order(ours), replayed)
    both = _multiset(ours) & _multiset(peers)
    filled = len(set(_by_order(ours)) | set(replayed))
    counts = Counter(reasons.values())
    return Comparison(len(ours), len(peers), both.total(), len(orders), filled, counts, events[1])


def _fills_of(outcome: Outcome) -> NDArray[Any]:
    """Return our fills as the peer's are written."""
    made = outcome.fills(0)
    fills = np.zeros(len(made), FILL)
    for name in ("order", "exchange_ns", "side", "tick", "lots", "is_maker"):
        fills[name] = made[name]
    return fills


def _logged(outcome: Outcome) -> NDArray[Any]:
    log = outcome.orders(0)
    return log[np.argsort(log["number"])]


def _orders_of(outcome: Outcome) -> list[Order]:
    """Return our orders that reached the exchange, in order of arrival."""
    refused = [reason for reason in EndReason if reason.name.startswith("REJECTED")]
    return [
        Order(
            int(each["number"]), int(each["side"]), int(each["tick"]), int(each["size"]),
            int(each["arrive_ns"]), int(each["end_ns"]), each["end_reason"] in refused,
        )
        for each in _logged(outcome)
        if each["arrive_ns"] >= 0
    ]  # fmt: skip


def _requests(outcome: Outcome) -> NDArray[Any]:
    """Return our orders and cancels as they were sent; a full order is cancelled once heard of."""
    heard: dict[int, int] = {}
    for fill in outcome.fills(0):
        heard[int(fill["order"])] = int(fill["local_ns"])
    sent = []
    for each in _logged(outcome):
        number = int(each["number"])
        placed = (int(each["side"]), int(each["tick"]), int(each["size"]))
        sent.append((int(each["submit_ns"]), number, *placed))
        if each["end_reason"] == EndReason.CANCELLED:
            sent.append((int(each["end_ns"]) - CONFIG.latency.order_ns, number, 0, 0, 0))
        elif each["end_reason"] == EndReason.FILLED:
            sent.append((heard[number] + 1, number, 0, 0, 0))
    sent.sort(key=lambda request: (request[0], request[2] != 0, request[1]))  # cancels first
    return np.array(sent, REQUEST)


def _by_order(fills: NDArray[Any]) -> dict[int, list[Filled]]:
    found: dict[int, list[Filled]] = defaultdict(list)
    for order, now_ns, _, tick, lots, is_maker in fills.tolist():
        found[order].append(Filled(now_ns, tick, lots, bool(is_maker)))
    return dict(found)


def _multiset(fills: NDArray[Any]) -> Counter[tuple[int, ...]]:
    return Counter(
        zip(
            *(fills[name].tolist() for name in ("exchange_ns", "side", "tick", "lots")), strict=True
        )
    )


def report(found: Mapping[tuple[str, str], Comparison]) -> str:
    """Return the comparison as Markdown: a row a run, a column a reason, then the reasons."""
    reasons = [reason for reason in Reason if reason not in (Reason.SAME, Reason.UNEXPLAINED)]
    heads = ["tape", "maker", "fills here", "at the peer", "equal", "orders sent to both",
             "filled by either", "differently", *string.ascii_uppercase[: len(reasons)],
             "unexplained"]  # fmt: skip
    lines = [" | ".join(heads), " | ".join(["---"] * 2 + ["--:"] * (len(heads) - 2))]
    for (tape, case), one in found.items():
        numbers = [one.ours, one.peers, one.alike, one.orders, one.filled,
                   one.orders - one.reasons[Reason.SAME],
                   *(one.reasons[reason] for reason in (*reasons, Reason.UNEXPLAINED))]  # fmt: skip
        lines.append(" | ".join([tape, case, *(f"{number:,}" for number in numbers)]))
    table = "\n".join(f"| {line} |" for line in lines)
    named = zip(string.ascii_uppercase, reasons, strict=False)
    return "\n".join([table, "", *(f"- {letter}: {reason.value}" for letter, reason in named)])


def main() -> int:
    """Compare every tape with every maker; return 1 where something is unexplained."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=200_000)
    options = parser.parse_args()
    found = {}
    for tape, make in markets(options.rows).items():
        session = make()
        events = peer_events(session)
        for case, p in CASES.items():
            found[tape, case] = compare(session, events, p)
    print(report(found))
    return int(any(one.reasons[Reason.UNEXPLAINED] for one in found.values()))


if __name__ == "__main__":
    sys.exit(main())
