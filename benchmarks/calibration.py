"""How often the statistics are wrong: by simulation, tables in Markdown (docs/evidence.md).

    python -m benchmarks.calibration [STUDY ...] [--seeds 100]

Each study draws series without an edge, or with a planted one, and counts what the tests say. The
same seeds give the same tables. Each says how long it took: half an hour for all on two cores.
"""

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from benchmarks import calibration_studies as studies
from benchmarks.engine_power import engine_verdicts

__all__ = ["main"]

Table = Iterator[Sequence[object]]

STUDIES: dict[str, tuple[str, Callable[[int], Table]]] = {
    "psr": ("False positives of the probabilistic Sharpe ratio, one trial", studies.psr),
    "trials": ("Independent trials found", studies.trials),
    "dsr": ("False positives of the deflated Sharpe ratio, the best of N trials", studies.dsr),
    "p-values": ("Share of p-values at or below a level, without edge", studies.p_values),
    "pbo": ("Probability of backtest overfitting", studies.pbo),
    "null": (
        "Verdicts on the best of trials without edge",
        partial(studies.verdicts, planted=False),
    ),
    "power": ("Verdicts on planted edges", partial(studies.verdicts, planted=True)),
    "engine": ("Verdicts on searches that the engine ran", engine_verdicts),
}


def main() -> None:
    """Run the studies that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("study", nargs="*", choices=[[], *STUDIES], help="all where none is named")
    parser.add_argument("--seeds", type=int, default=100)
    wanted = parser.parse_args()
    for name in wanted.study or STUDIES:
        title, study = STUDIES[name]
        begun = time.perf_counter()
        print(f"\n### {title}\n")
        for number, row in enumerate(study(wanted.seeds)):
            print("| " + " | ".join(_text(each) for each in row) + " |", flush=True)
            if not number:
                print("|" + " --- |" * len(row))
        print(f"\n`python -m benchmarks.calibration {name}`: {time.perf_counter() - begun:.0f} s")


def _text(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    main()
