"""The stages of hftbacktest 2.4.4 beside ours: the same tape, maker, latency and queue.

Its 100 parameter sets are 100 passes. Five of them (`FEW`), spread over offsets and leans, are
timed, and the time is multiplied up; ours are timed all, in their one pass.
"""

from collections.abc import Callable
from typing import NamedTuple

from benchmarks.maker import MakerParams
from benchmarks.peer import run_maker, timing_of
from benchmarks.peer_events import peer_events
from benchmarks.stages import CONFIG, Prepared, session_of, set_of

__all__ = ["FEW", "PEERS", "ROOM", "SHARE", "PeerStage"]

FEW = range(0, 100, 21)  # of the 100 sets, those that are timed
SHARE = len(FEW) / 100
ROOM = 1 << 20  # fills


class PeerStage(NamedTuple):
    """Ours that it stands beside, how much of that work it does, the ratio's name, the stage."""

    beside: str
    share: float
    ratio: str
    make: Callable[[Prepared], Callable[[], None]]


def _passes(sets: range, *, by_price: bool) -> Callable[[Prepared], Callable[[], None]]:
    def stage(prepared: Prepared) -> Callable[[], None]:
        session = session_of(prepared, by_price=by_price)
        events, _ = peer_events(session)
        timing = timing_of(session, CONFIG.latency)
        chosen = [MakerParams(**set_of(k)) for k in sets]

        def work() -> None:
            for p in chosen:
                run_maker(events, p, timing, ROOM)

        return work

    return stage


def _beside(feed: str, *, by_price: bool) -> dict[str, PeerStage]:
    one, many = _passes(range(1), by_price=by_price), _passes(FEW, by_price=by_price)
    sweep = "sweep100_vs_hftbacktest" if by_price else "l3_sweep100_vs_hftbacktest"
    return {
        f"{feed}_hftbacktest": PeerStage(f"{feed}_backtest", 1.0, f"{feed}_vs_hftbacktest", one),
        f"{feed}_hftbacktest_sets": PeerStage(f"{feed}_sweep100", SHARE, sweep, many),
    }


PEERS = _beside("l3", by_price=False) | _beside("l2", by_price=True)
