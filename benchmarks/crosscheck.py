"""Fills of the benchmarks' maker here and in hftbacktest 2.4.4, every difference explained.

``make cross-check``, or ``.venv-bench/bin/python -m benchmarks.crosscheck --rows 1000000``. Each
tape is run twice: in closed loop, each engine with its own maker, and once more with the peer sent
exactly the orders and cancels of ours, so that no difference makes another.
"""

import argparse
import os
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import strategy_lab_core as lab
from benchmarks.differences import Filled, Order, Reason, explain
from benchmarks.maker import MakerParams, maker
from benchmarks.peer import FILL, REQUEST, replay_orders, run_maker, timing_of
from benchmarks.peer_events import Skipped, mbo_events
from benchmarks.stages import prepare as prepare_bench
from benchmarks.stages import session_of
from strategy_lab_core.data.calendar import session_calendar
from strategy_lab_core.data.simulate import simulate
from strategy_lab_core.engine.backtest import prepare
from strategy_lab_core.engine.config import BacktestConfig, LimitsConfig
from strategy_lab_core.engine.run import Costs, Outcome, run_pass
from strategy_lab_core.engine.state import EndReason
from strategy_lab_core.engine.tape import SessionTape

__all__ = ["CASES", "Comparison", "compare", "tapes"]

ROOT = Path(__file__).parent.parent
REAL_DATA = Path(os.environ.get("STRATEGY_LAB_REAL_DATA", ROOT.parent / "shared" / "data"))
CONFIG = BacktestConfig(
    flatten_seconds=0,  # the peer does not end flat
    allow_partial=True,
    limits=LimitsConfig(max_position=1_000, max_order_size=100, max_messages_per_second=1_000),
)
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


def tapes(rows: int, real_data: Path = REAL_DATA) -> dict[str, Callable[[], SessionTape]]:
    """Return how to make each tape, by name; `rows` is about the length of the synthetic ones."""
    found = {
        f"bench, {rows:,} rows": lambda: session_of(prepare_bench(ROOT / "build" / "bench", rows)),
        f"simulated MNQ, about {rows:,} rows": lambda: _simulated(rows),
    }
    files = sorted((real_data / "cme_es_mbo").glob("*.dbn.zst"))
    if files:
        found["ESH4, first hour of 2023-12-26"] = lambda: _tape(lab.read_ticks(files))
    return found


def _simulated(rows: int) -> SessionTape:
    session = session_calendar("CME Globex Equity").session(date(2025, 1, 15))
    made = simulate([session], seed=7, events_per_session=rows // 2, faults=False)
    return _tape(made.table())


def _tape(ticks: Any) -> SessionTape:
    return prepare(ticks, CONFIG).tape


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
    made = outcome.sets.fills[0, : int(outcome.sets.totals["fills"][0])]
    fills = np.zeros(len(made), FILL)
    for name in ("order", "exchange_ns", "side", "tick", "lots", "is_maker"):
        fills[name] = made[name]
    return fills


def _logged(outcome: Outcome) -> NDArray[Any]:
    log = outcome.sets.log[0, : int(outcome.sets.totals["logged"][0])]
    return log[np.argsort(log["number"])]


def _orders_of(outcome: Outcome) -> list[Order]:
    """Return our orders that reached the exchange, in order of arrival."""
    refused = [reason for reason in EndReason if reason.name.startswith("REJECTED")]
    return [
        Order(
            int(each["number"]), int(each["side"]), int(each["tick"]), int(each["size"]),
            int(each["arrive_ns"]), each["end_reason"] in refused,
        )
        for each in _logged(outcome)
        if each["arrive_ns"] >= 0
    ]  # fmt: skip


def _requests(outcome: Outcome) -> NDArray[Any]:
    """Return our orders and cancels as they were sent; a full order is cancelled once heard of."""
    heard: dict[int, int] = {}
    for fill in outcome.sets.fills[0, : int(outcome.sets.totals["fills"][0])]:
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
    """Return the comparison as Markdown."""
    lines = [
        "| tape | maker | fills here | at the peer | the same | orders replayed | filled | "
        "differently | unexplained |",
        "| --- | --- | --: | --: | --: | --: | --: | --: | --: |",
    ]
    for (tape, case), one in found.items():
        different = one.orders - one.reasons[Reason.SAME]
        numbers = (one.ours, one.peers, one.alike, one.orders, one.filled, different)
        counts = " | ".join(f"{n:,}" for n in (*numbers, one.reasons[Reason.UNEXPLAINED]))
        lines.append(f"| {tape} | {case} | {counts} |")
    lines += ["", "| what hftbacktest does, and we do not |" + _columns(found)]
    lines.append("| --- |" + " --: |" * len(found))
    for reason in Reason:
        counts = " | ".join(f"{one.reasons[reason]:,}" for one in found.values())
        lines.append(f"| {reason.value} | {counts} |")
    return "\n".join(lines)


def _columns(found: Sequence[tuple[str, str]] | Mapping[tuple[str, str], Comparison]) -> str:
    return "".join(f" {number} |" for number in range(1, len(found) + 1))


def main() -> int:
    """Compare every tape with every maker; return 1 where something is unexplained."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    options = parser.parse_args()
    found = {}
    for tape, make in tapes(options.rows).items():
        session = make()
        events = mbo_events(session)
        for case, p in CASES.items():
            found[tape, case] = compare(session, events, p)
    print(report(found))
    return int(any(one.reasons[Reason.UNEXPLAINED] for one in found.values()))


if __name__ == "__main__":
    sys.exit(main())
