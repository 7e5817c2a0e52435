"""What befalls a simulated year: faults, the files of both deliveries, and what is to be found.

The manifest is the truth that the pipeline's answers are held against in `year_check`. A symptom is
a kind of gap and its session; a fault has several where one thing shows in several ways.
"""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks import year_faults as faults
from strategy_lab_core.data.calendar import Session
from strategy_lab_core.data.contracts import contracts
from strategy_lab_core.data.instruments import products
from strategy_lab_core.data.simulate_tape import simulated_name
from strategy_lab_core.errors import ConfigError
from strategy_lab_core.types import NS_PER_SECOND

__all__ = ["KINDS", "Fault", "draw_places", "plant"]

Symptoms = tuple[tuple[str, str], ...]  # kind of gap, session
HOUR_NS = 3_600 * NS_PER_SECOND
FULL_NS = 22 * HOUR_NS  # a session that no holiday cuts short is longer
MORNING_NS = 17 * HOUR_NS  # from the open to the busy hours
STEP_NS = 250_000_000
SILENCE_NS = 3 * HOUR_NS // 4
LOST = 12  # messages
SPACING = 4  # sessions between faults
PATTERN = 6  # sessions at the begin without a fault: what is usual is learnt from them
ROLL_DAYS = 22  # before an expiry: the roll is to be found undisturbed, but for one
CROSSING_DAYS = 4  # before it: the Monday on which the later contract is ahead
_DAY = timedelta(days=1)
_TUESDAY, _WEDNESDAY, _THURSDAY = 1, 2, 3


@dataclass(frozen=True, slots=True)
class Fault:
    """One planted fault.

    Attributes
    ----------
    kind, session
        One of `KINDS`, and the session that it is about.
    files
        Names of the files that it is in.
    first, second
        Symptoms (kind, session) after the first delivery, and after the second.
    partial
        Sessions whose rows don't reach from open to close after the first delivery.
    rules
        Rules of validation that fail in the session.
    size
        Messages lost, or ns of the step or the silence; 0 where there is nothing to measure.
    """

    kind: str
    session: str
    files: tuple[str, ...]
    first: tuple[tuple[str, str], ...] = ()
    second: tuple[tuple[str, str], ...] = ()
    partial: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    size: int = 0

    @property
    def repaired(self) -> Symptoms:
        """Symptoms that the second delivery ends."""
        return tuple(symptom for symptom in self.first if symptom not in self.second)


class Folders(NamedTuple):
    """The deliveries: what comes first, and what comes late."""

    first: Path
    second: Path


def plant(
    market: Path, folder: Path, places: dict[str, date], sessions: Sequence[Session]
) -> list[Fault]:
    """Write both deliveries of the simulated files into a folder; return what is wrong with them.

    Parameters
    ----------
    market
        The files of `write_contracts`: left as they are.
    folder
        Gets ``first`` and ``second``.
    places
        The session of each kind of fault.
    sessions
        All of them in order.
    """
    folders = Folders(folder / "first", folder / "second")
    shutil.copytree(market, folders.first)
    keys = [session.key for session in sessions]
    found = []
    for kind, key in places.items():
        at = keys.index(key)
        found.append(_PLANTERS[kind](folders, sessions[at], sessions[at + 1]))
    return found


def draw_places(sessions: Sequence[Session], seed: int, root: str = "MNQ") -> dict[str, date]:
    """Draw the session of each kind of fault, apart from each other and from the rolls.

    Only the missing file lies in a roll, the second one, on the day that would have decided it.
    `ConfigError` where the sessions have no room for all of them.
    """
    days_left = [_days_left(session, root) for session in sessions]
    no_room = ConfigError("sessions", len(sessions), "enough for two rolls and the faults: 252")
    crossings = [place for place, days in enumerate(days_left) if days == CROSSING_DAYS]
    if len(crossings) < 2:
        raise no_room
    taken = {"missing_file": crossings[1]}
    rng = np.random.default_rng(seed)
    for kind in (kind for kind in KINDS if kind not in taken):
        weekdays = (_THURSDAY,) if kind == "missing_files" else (_TUESDAY, _WEDNESDAY)
        free = [
            place
            for place in range(PATTERN, len(sessions) - SPACING)
            if sessions[place].key.weekday() in weekdays
            and all(_is_full(each) for each in sessions[place - 1 : place + 3])
            and days_left[place] > ROLL_DAYS
            and all(abs(place - other) >= SPACING for other in taken.values())
        ]
        if not free:
            raise no_room
        taken[kind] = int(rng.choice(free))
    return {kind: sessions[place].key for kind, place in taken.items()}


def _days_left(session: Session, root: str) -> int:
    near = contracts(products()[root], session.key, 1)[0]
    return (near.expires - session.key).days


def _is_full(session: Session) -> bool:
    return session.close_ns - session.open_ns > FULL_NS


def _missing_file(folders: Folders, session: Session, after: Session) -> Fault:
    """Leave a UTC day's file out: most of a session, and the first hours of the next."""
    (folders.first / simulated_name(session.key)).unlink()
    here, then = str(session.key), str(after.key)
    symptoms = (("early_end", here), ("late_start", then))
    return Fault(
        "missing_file", here, (simulated_name(session.key),), symptoms, symptoms, (here, then)
    )


def _missing_files(folders: Folders, session: Session, after: Session) -> Fault:
    """Leave Thursday's and Friday's files out: Friday's session is not there at all."""
    names = tuple(simulated_name(day) for day in (session.key, session.key + _DAY))
    for name in names:
        (folders.first / name).unlink()
    here, gone = str(session.key), str(after.key)
    symptoms = (("early_end", here), ("missing_session", gone))
    return Fault("missing_files", gone, names, symptoms, symptoms, (here,))


def _late_file(folders: Folders, session: Session, after: Session) -> Fault:
    """Deliver a file that ends at noon first, and the whole one late."""
    name = simulated_name(session.key)
    records, symbols = faults.read(folders.first / name)
    cut = faults.between_events(records, session.open_ns + MORNING_NS)
    faults.write(folders.second / name, records, symbols)
    faults.write(folders.first / name, records[:cut], symbols)
    here, then = str(session.key), str(after.key)
    symptoms, covered = (("early_end", here), ("late_start", then)), (("covered_file", here),)
    return Fault("late_file", here, (name,), symptoms, covered, (here, then))


def _duplicate_file(folders: Folders, session: Session, _: Session) -> Fault:
    """Deliver a file a second time, byte for byte, in another folder."""
    name = simulated_name(session.key)
    again = folders.first / "again" / name
    again.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(folders.first / name, again)
    symptoms = (("duplicate_file", str(session.key)),)
    return Fault("duplicate_file", str(session.key), (name,), symptoms, symptoms)


def _covered_file(folders: Folders, session: Session, _: Session) -> Fault:
    """Deliver the first hours of a file again, as a file of their own."""
    name = simulated_name(session.key)
    records, symbols = faults.read(folders.first / name)
    cut = faults.between_events(records, session.open_ns + MORNING_NS)
    faults.write(folders.first / "parts" / name, records[:cut], symbols)
    symptoms = (("covered_file", str(session.key)),)
    return Fault("covered_file", str(session.key), (name,), symptoms, symptoms)


def _clock_step(folders: Folders, session: Session, _: Session) -> Fault:
    """Let the capture's clock run ahead by 250 ms from noon to the close."""
    path = folders.first / simulated_name(session.key)
    records, symbols = faults.read(path)
    start = faults.between_events(records, session.open_ns + MORNING_NS)
    stop = faults.between_events(records, session.close_ns)
    faults.write(path, faults.clock_step(records, start, stop, STEP_NS), symbols)
    symptoms = (("clock_step", str(session.key)),)
    return Fault("clock_step", str(session.key), (path.name,), symptoms, symptoms, size=STEP_NS)


def _silent_stretch(folders: Folders, session: Session, _: Session) -> Fault:
    """Lose three quarters of an hour at noon."""
    path = folders.first / simulated_name(session.key)
    records, symbols = faults.read(path)
    start = faults.between_events(records, session.open_ns + MORNING_NS)
    stop = faults.between_events(records, session.open_ns + MORNING_NS + SILENCE_NS)
    faults.write(path, faults.without(records, start, stop), symbols)
    symptoms = tuple((kind, str(session.key)) for kind in ("silent_stretch", "sequence_gap"))
    return Fault(
        "silent_stretch", str(session.key), (path.name,), symptoms, symptoms, size=SILENCE_NS
    )


def _sequence_gap(folders: Folders, session: Session, _: Session) -> Fault:
    """Lose a few messages in the busy hours."""
    path = folders.first / simulated_name(session.key)
    records, symbols = faults.read(path)
    start = faults.between_events(records, session.open_ns + MORNING_NS)
    enough = int(np.searchsorted(records["sequence"][start:], records["sequence"][start] + LOST))
    stop = faults.between_events(records, int(records["ts_recv"][start + enough]))
    lost = int(records["sequence"][stop]) - int(records["sequence"][start])
    faults.write(path, faults.without(records, start, stop), symbols)
    symptoms = (("sequence_gap", str(session.key)),)
    return Fault("sequence_gap", str(session.key), (path.name,), symptoms, symptoms, size=lost)


def _malformed_rows(folders: Folders, session: Session, _: Session) -> Fault:
    """Add a row without lots and one off the price grid."""
    path = folders.first / simulated_name(session.key)
    records, symbols = faults.read(path)
    at = faults.between_events(records, session.open_ns + MORNING_NS)
    faults.write(path, faults.malformed_rows(records, at), symbols)
    rules = ("off_grid_price", "size_not_positive")
    return Fault("malformed_rows", str(session.key), (path.name,), rules=rules)


_PLANTERS: dict[str, Callable[[Folders, Session, Session], Fault]] = {
    "missing_file": _missing_file,
    "missing_files": _missing_files,
    "late_file": _late_file,
    "duplicate_file": _duplicate_file,
    "covered_file": _covered_file,
    "clock_step": _clock_step,
    "silent_stretch": _silent_stretch,
    "sequence_gap": _sequence_gap,
    "malformed_rows": _malformed_rows,
}
KINDS = tuple(_PLANTERS)
