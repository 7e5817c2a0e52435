"""A simulated year of MNQ through the whole pipeline: what it takes, and whether all is found.

``make year``, or ``python -m benchmarks.year``. Four rolls, holidays, both changes to and from
summer time, one full-size day, and faults (`year_plan`) in two deliveries. Stages that are done
are not done again: after an interrupt the same command goes on. It ends with 1 where a fault was
missed or invented. Times are of the clock and of the processor, memory is that of the largest
process of a stage.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from benchmarks.year_check import (
    expected_rolls,
    gap_problems,
    label_problems,
    roll_problems,
    rule_problems,
    run_problems,
)
from benchmarks.year_plan import Fault, draw_places, plant
from strategy_lab_core.data.calendar import Session, session_calendar
from strategy_lab_core.data.instruments import products
from strategy_lab_core.data.simulate_contracts import write_contracts
from strategy_lab_core.errors import ConfigError

BUILD = Path(__file__).parent.parent / "build" / "year"
ROOT = "MNQ"
FIRST = date(2025, 1, 6)  # a Monday
EXPERIMENT = """
name: imbalance
product: MNQ
strategy: imbalance
parameters: {threshold: 0.8, hold_ms: 5000, passive: true}
capital: 10000
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Year:
    """What is simulated, and where it goes.

    Attributes
    ----------
    folder
        Of everything: files, home, figures.
    sessions
        How many, from `first` on, a Monday.
    events
        Of each session.
    full_events
        Of the one full-size day in the middle; 4.3 million are 7 million rows.
    seed
        Of the market and of the places of the faults.
    places
        Session of each kind of fault; drawn where there are none.
    """

    folder: Path
    sessions: int = 252
    events: int = 50_000
    full_events: int = 4_300_000
    seed: int = 7
    first: date = FIRST
    places: dict[str, date] | None = None

    @property
    def home(self) -> Path:
        """The pipeline's home folder."""
        return self.folder / "home"

    def hours(self) -> list[Session]:
        """Return the sessions."""
        calendar = session_calendar(products()[ROOT].calendar)
        return calendar.sessions(self.first, date(self.first.year + 2, 1, 1))[: self.sessions]

    def fault_places(self) -> dict[str, date]:
        """Return the session of each kind of fault; `ConfigError` where there is no room."""
        return self.places or draw_places(self.hours(), self.seed, ROOT)

    def file(self, name: str) -> Path:
        """Return where an answer or a table is kept."""
        return self.folder / name


def simulate(year: Year) -> None:
    """Write the market's files and what there is to be found in them."""
    hours = year.hours()
    events = [year.events] * len(hours)
    if year.full_events:
        events[len(hours) // 2] = year.full_events
    played = iter(range(1, len(hours) + 1))

    def tell(day: date) -> None:
        """Say how far it is."""
        print(f"simulated {day}, {next(played)} of {len(hours)}", file=sys.stderr)

    truth = write_contracts(
        year.file("market"), hours, seed=year.seed, events_per_session=events, root=ROOT,
        on_session=tell,
    )  # fmt: skip
    truth.write_parquet(year.file("truth.parquet"))


def plant_faults(year: Year) -> None:
    """Write both deliveries and the list of what is wrong with them."""
    faults = plant(year.file("market"), year.folder, year.fault_places(), year.hours())
    year.file("manifest.json").write_text(json.dumps([asdict(each) for each in faults], indent=2))


def note_versions(year: Year) -> None:
    """Print the data version of every session's raw ticks."""
    from strategy_lab_pipeline.settings import Settings
    from strategy_lab_pipeline.stages.workspace import open_workspace

    store = open_workspace(Settings(home=year.home)).store
    rows = store.materializations("raw_ticks", ROOT)
    print(json.dumps({row.session: row.data_version for row in rows}))


OWN = {"simulate": simulate, "plant": plant_faults, "versions": note_versions}


def stages(year: Year) -> Iterator[tuple[str, list[str]]]:
    """Yield each stage with the command that does it, in order."""
    own = [sys.executable, "-m", "benchmarks.year", *arguments(year), "--only"]
    lab = [sys.executable, "-m", "strategy_lab_pipeline.cli", "--home", str(year.home)]
    experiment = year.file("imbalance.yaml")
    yield "simulate", [*own, "simulate"]
    yield "plant", [*own, "plant"]
    for delivery in ("first", "second"):
        yield f"{delivery}_ingest", [*lab, "ingest", str(year.file(delivery)), "--json"]
        yield f"{delivery}_backtest", [*lab, "backtest", str(experiment), "--json"]
        yield f"{delivery}_quality", [*lab, "quality", "--json"]
        yield f"{delivery}_rolls", [*lab, "rolls", ROOT, "--json"]
        yield f"{delivery}_status", [*lab, "status", "--json"]
        yield f"{delivery}_versions", [*own, "versions"]


def arguments(year: Year) -> list[str]:
    """Return the options that say which year it is."""
    return [
        "--folder", str(year.folder), "--sessions", str(year.sessions), "--events",
        str(year.events), "--full-events", str(year.full_events), "--seed", str(year.seed),
    ]  # fmt: skip


def measured(command: Sequence[str], answer: Path) -> dict[str, float]:
    """Run a command to its end, its standard output into a file; return what it took."""
    began = time.perf_counter()
    draft = answer.with_suffix(".part")
    with draft.open("wb") as out:
        process = subprocess.Popen(command, stdout=out)
        _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    draft.replace(answer)
    return {
        "wall_s": time.perf_counter() - began,
        "processor_s": used.ru_utime + used.ru_stime,
        "peak_mb": used.ru_maxrss / 1024,
        "code": process.returncode,
    }


def run(year: Year) -> dict[str, dict[str, float]]:
    """Do the stages that are not done yet; return the figures of all."""
    year.folder.mkdir(parents=True, exist_ok=True)
    year.file("imbalance.yaml").write_text(EXPERIMENT)
    kept = year.file("figures.json")
    figures: dict[str, dict[str, float]] = json.loads(kept.read_text()) if kept.is_file() else {}
    for name, command in stages(year):
        if name in figures and figures[name]["code"] == 0:
            continue
        print(f"{name}: {' '.join(command[1:])}", file=sys.stderr)
        took = measured(command, year.file(f"{name}.json"))
        before = figures.get(name, {"wall_s": 0.0, "processor_s": 0.0, "peak_mb": 0.0})
        took |= {key: before[key] + took[key] for key in ("wall_s", "processor_s")}
        figures[name] = took | {"peak_mb": max(before["peak_mb"], took["peak_mb"])}
        kept.write_text(json.dumps(figures, indent=2))
        if took["code"]:
            answer = year.file(f"{name}.json")
            raise SystemExit(f"{name} ended with {took['code']:.0f}: {answer} has its answer")
    return figures


def manifest(year: Year) -> list[Fault]:
    """Return the faults that were planted."""
    rows = json.loads(year.file("manifest.json").read_text())
    return [Fault(**{name: _tuples(value) for name, value in row.items()}) for row in rows]


def _tuples(value: Any) -> Any:
    return tuple(_tuples(each) for each in value) if isinstance(value, list) else value


def problems(year: Year) -> list[str]:
    """Return what the answers of both deliveries say otherwise than the manifest."""
    faults, found = manifest(year), []
    truth = pl.read_parquet(year.file("truth.parquet"))
    sessions = [str(each.key) for each in year.hours()]
    for delivery in ("first", "second"):
        second = delivery == "second"
        quality, rolls, status = (
            json.loads(year.file(f"{delivery}_{name}.json").read_text())
            for name in ("quality", "rolls", "status")
        )
        wanted = expected_rolls(truth, faults, products()[ROOT].tick_size, second=second)
        each = [
            *gap_problems(faults, quality["gaps"], second=second),
            *rule_problems(faults, quality["rules"], second=second),
            *roll_problems(wanted, rolls),
            *label_problems(faults, status, sessions, second=second),
            *run_problems(faults, status, second=second),
        ]
        found += [f"{delivery} delivery: {problem}" for problem in each]
    return found + _rerun_problems(year, faults)


def _rerun_problems(year: Year, faults: Sequence[Fault]) -> list[str]:
    """Return the sessions that the second delivery made anew though it has no row of them."""
    before, after = (
        json.loads(year.file(f"{delivery}_versions.json").read_text())
        for delivery in ("first", "second")
    )
    changed = {day for day in after if after[day] != before.get(day)}
    wanted = {day for each in faults if each.repaired for day in each.partial}
    return [f"made anew: {sorted(changed)}, delivered: {sorted(wanted)}"] * (changed != wanted)


def show(year: Year, figures: dict[str, dict[str, float]]) -> None:
    """Print what each stage took, and what a session and a row did."""
    truth = pl.read_parquet(year.file("truth.parquet"))
    print(f"{year.sessions} sessions, {truth['rows'].sum():,} rows\n")
    print(f"{'stage':16} {'clock, s':>9} {'processor, s':>13} {'a session, s':>13} {'peak MB':>8}")
    for name, took in figures.items():
        print(
            f"{name:16} {took['wall_s']:9.1f} {took['processor_s']:13.1f} "
            f"{took['processor_s'] / year.sessions:13.2f} {took['peak_mb']:8.0f}"
        )


def main() -> None:
    """Run the year, print the figures and what was wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=BUILD)
    for name in ("sessions", "events", "full-events", "seed"):
        default = getattr(Year(folder=BUILD), name.replace("-", "_"))
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--only", choices=OWN, help=argparse.SUPPRESS)
    options = vars(parser.parse_args())
    only = options.pop("only")
    year = Year(**options)
    if only:
        OWN[only](year)
        return
    try:
        year.fault_places()
    except ConfigError as error:
        parser.error(str(error))
    show(year, run(year))
    found = problems(year)
    for problem in found:
        print(problem)
    print(f"{len(found)} of what was planted missed, or invented")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
