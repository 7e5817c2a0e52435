"""The stages of hftbacktest 2.4.4 beside ours: the same tape, maker, latency and queue.

Its 100 parameter sets are 100 passes. `SETS_TIMED` of them, spread over offsets and leans, are
timed, and the time is multiplied up; ours are timed all, in their one pass.
"""

from collections.abc import Callable

from benchmarks.maker import MakerParams
from benchmarks.peer import run_maker, timing_of
from benchmarks.peer_events import mbo_events
from benchmarks.stages import CONFIG, Prepared, session_of, set_of

__all__ = ["PEERS", "SETS_TIMED"]

SETS_TIMED = 5
_ROOM = 1 << 20  # fills


def _l3(sets: list[int]) -> Callable[[Prepared], Callable[[], None]]:
    def stage(prepared: Prepared) -> Callable[[], None]:
        session = session_of(prepared)
        events, _ = mbo_events(session)
        timing = timing_of(session, CONFIG.latency)
        chosen = [MakerParams(**set_of(k)) for k in sets]

        def work() -> None:
            for p in chosen:
                run_maker(events, p, timing, _ROOM)

        return work

    return stage


# Of each: the stage of ours that it stands beside, how much of that work it does, and the stage.
PEERS: dict[str, tuple[str, float, Callable[[Prepared], Callable[[], None]]]] = {
    "l3_hftbacktest": ("l3_backtest", 1.0, _l3([0])),
    "l3_hftbacktest_sets": (
        "l3_sweep100",
        SETS_TIMED / 100,
        _l3([21 * i for i in range(SETS_TIMED)]),
    ),
}
