"""The benchmarks' maker on real tapes, here and in hftbacktest, in turns.

``.venv-bench/bin/python -m benchmarks.real``, the second half of ``make bench``: adds to
build/bench.json. The tapes are those of the cross-check; without captures (their folder is
`STRATEGY_LAB_REAL_DATA`) there is nothing to time, and it says so. The peer's 100 sets are five of
them, as in `peer_stages`.
"""

import argparse
import json
import re
from collections.abc import Callable

from benchmarks.maker import MakerParams, maker
from benchmarks.markets import CONFIG, REAL_DATA, markets
from benchmarks.peer import run_maker, timing_of
from benchmarks.peer_events import peer_events
from benchmarks.peer_stages import FEW, ROOM, SHARE
from benchmarks.run import BUILD, Figures, in_turns, tell, times_faster
from benchmarks.stages import COSTS, calibration, set_of
from strategy_lab_core.engine.run import run_pass
from strategy_lab_core.engine.tape import SessionTape

__all__ = ["measure"]

SYNTHETIC = ("bench", "simulated")


def measure(session: SessionTape, repeat: int) -> dict[str, Figures]:
    """Return the figures of one set and of 100, here and at the peer, over one tape."""
    (events, _), timing = peer_events(session), timing_of(session, CONFIG.latency)

    def ours(sets: range) -> Callable[[], object]:
        made = [maker(**set_of(k)) for k in sets]
        many = len(made)
        return lambda: run_pass(
            session.copy(), made, [CONFIG] * many, [COSTS] * many, keeps_orders=False
        )

    def peers(sets: range) -> Callable[[], object]:
        made = [MakerParams(**set_of(k)) for k in sets]
        return lambda: [run_maker(events, each, timing, ROOM) for each in made]

    works = {
        "backtest": ours(range(1)),
        "hftbacktest": peers(range(1)),
        "sweep100": ours(range(100)),
        "hftbacktest_sets": peers(FEW),
    }
    for name in ("backtest", "hftbacktest"):
        works[name]()  # compiles
    action = session.tape.rows.action
    return in_turns(works, lambda: calibration(action), len(action), repeat)


def main() -> None:
    """Measure every real tape."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=5)
    repeat = parser.parse_args().repeat
    tapes = {name: make for name, make in markets(0).items() if not name.startswith(SYNTHETIC)}
    if not tapes:
        print(f"no real captures in {REAL_DATA}: set STRATEGY_LAB_REAL_DATA to their folder")
        return
    path = BUILD / "bench.json"
    found = json.loads(path.read_text()) if path.exists() else {}
    print(f"{'real tape, work':44} {'seconds':>15} {'M rows/s':>9} {'Cal':>15}")
    for tape, make in tapes.items():
        tell(f"timing {tape}")
        figures = measure(make(), repeat)
        name = f"real_{re.sub('[^a-z0-9]+', '_', tape.lower())}"
        one = times_faster("vs_hftbacktest", figures["backtest"], figures["hftbacktest"], 1.0)
        peers = figures["hftbacktest_sets"]
        many = times_faster("sweep100_vs_hftbacktest", figures["sweep100"], peers, SHARE)
        for work, each in figures.items():
            print(
                f"{tape + ', ' + work:44} {each['min_s']:7.3f} /{each['median_s']:6.3f} "
                f"{each['rows_per_s'] / 1e6:9.1f} {each['cal']:7.2f} /{each['cal_median']:6.2f}"
            )
            found |= {f"{name}_{work}_{key}": value for key, value in each.items()}
        for key, times in (one | many).items():
            print(f"{name + '_' + key:60} {times:7.1f}")
            found[f"{name}_{key}"] = times
    BUILD.mkdir(exist_ok=True)
    path.write_text(json.dumps(found, indent=2, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
