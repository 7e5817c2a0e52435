"""How complete each session of a product is: the gaps of all kinds, and a score of three factors.

Everything comes in as tables and plain values; which files there are, and what becomes of a gap
later, is not known here.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

import numpy as np
import polars as pl

from strategy_lab_core.data.calendar import Session
from strategy_lab_core.data.clock_steps import ClockStep
from strategy_lab_core.data.gap_kinds import SEVERITIES, TIME_KINDS, Gap, GapKind
from strategy_lab_core.data.gap_kinds import completeness_schema as table_schema
from strategy_lab_core.data.sequence_gaps import SequenceGap
from strategy_lab_core.data.silence import Measured, Pattern, pattern_of, silences
from strategy_lab_core.types import NS_PER_SECOND

__all__ = ["COVERAGE_NS", "Completeness", "SessionEvidence", "assess"]

COVERAGE_NS = 60 * NS_PER_SECOND  # a session is complete with rows this near to open and close
_ENDS = ("start_ns", "end_ns")


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionEvidence:
    """What is known of one session that has rows.

    Attributes
    ----------
    is_complete
        Whether its rows reach from the open to the close.
    schema, measured, steps
        The feed that was measured, its activity, and the steps of its clock.
    quarantined_share
        Of its raw rows.
    messages, sequence_gaps
        How many messages of whole channels its files have for it, and what is missing, with the
        channel and file of each gap.
    """

    session: Session
    is_complete: bool
    schema: str
    measured: Measured
    steps: Sequence[ClockStep] = ()
    quarantined_share: float = 0.0
    messages: int = 0
    sequence_gaps: Sequence[tuple[str, SequenceGap]] = ()


@dataclass(frozen=True, slots=True)
class Completeness:
    """The sessions with their scores (a `completeness` table), and the gaps (a `gaps` table)."""

    sessions: pl.DataFrame
    gaps: tuple[Gap, ...]

    @property
    def gap_table(self) -> pl.DataFrame:
        """The gaps as a table, in order of time."""
        rows = [
            (g.session, g.kind.value, SEVERITIES[g.kind], g.where, g.start_ns, g.end_ns, g.size,
             g.unit, g.detail)
            for g in self.gaps
        ]  # fmt: skip
        return pl.DataFrame(rows, schema=table_schema("gaps"), orient="row")


def assess(
    expected: Sequence[Session],
    found: Sequence[SessionEvidence],
    file_gaps: Sequence[Gap] = (),
) -> Completeness:
    """Find the gaps of a product's sessions and score each of them.

    Parameters
    ----------
    expected
        The sessions of the calendar that should have rows.
    found
        Those that have, in any order.
    file_gaps
        What the catalogue of files knows: copies and overlaps. They cost no score.
    """
    patterns = _patterns(found)
    by_key = {each.session.key: each for each in found}
    sessions = {each.key: each for each in (*expected, *(each.session for each in found))}
    gaps: dict[date, list[Gap]] = defaultdict(list)
    for gap in file_gaps:
        gaps[gap.session].append(gap)
    rows = []
    for key in sorted(sessions):
        evidence = by_key.get(key)
        if evidence is None:
            gaps[key].append(_missing(sessions[key]))
            errors = _errors(gaps[key])
            rows.append((key, "missing", 0.0, 0.0, 1.0, 1.0, errors, "", 0))
        else:
            pattern = patterns[evidence.schema]
            gaps[key] += _gaps(evidence, pattern)
            rows.append((key, *_score(evidence, pattern, gaps[key])))
    table = pl.DataFrame(rows, schema=table_schema("completeness"), orient="row")
    return Completeness(table, tuple(sorted(gap for each in gaps.values() for gap in each)))


def _patterns(found: Sequence[SessionEvidence]) -> Mapping[str, Pattern]:
    """Return the pattern of each schema: trades are fewer than orders."""
    return {
        schema: pattern_of(
            [each.measured for each in found if each.schema == schema and each.is_complete]
        )
        for schema in {each.schema for each in found}
    }


def _missing(session: Session) -> Gap:
    return Gap(
        session=session.key, kind=GapKind.MISSING_SESSION, where="", start_ns=session.open_ns,
        end_ns=session.close_ns, size=session.close_ns - session.open_ns, unit="ns",
        detail="no file has a live row of it",
    )  # fmt: skip


def _gaps(evidence: SessionEvidence, pattern: Pattern) -> list[Gap]:
    """Return the gaps of a session that has rows."""
    found = _ends(evidence) if not evidence.is_complete else []
    for silence in silences(pattern, evidence.measured):
        usual = f"usual there are {silence.expected:.0f} active seconds"
        found.append(_stretch(evidence, GapKind.SILENT_STRETCH, *silence[:2], usual))
    key = evidence.session.key
    found += [
        Gap(
            session=key, kind=GapKind.SEQUENCE_GAP, where=where, start_ns=gap.before_ns,
            end_ns=gap.after_ns, size=gap.missing, unit="messages",
            detail=f"sequences {gap.first} to {gap.last} are missing",
        )
        for where, gap in evidence.sequence_gaps
    ]  # fmt: skip
    found += [
        Gap(
            session=key, kind=GapKind.CLOCK_STEP, where=evidence.schema, start_ns=step.start_ns,
            end_ns=step.end_ns, size=step.size_ns, unit="ns", detail=_told(step),
        )
        for step in evidence.steps
    ]  # fmt: skip
    return found


def _ends(evidence: SessionEvidence) -> list[Gap]:
    """Return what is missing at both ends of a partial session."""
    session, measured = evidence.session, evidence.measured
    begin = min(max(measured.first_ns, session.open_ns), session.close_ns)
    end = min(max(measured.last_ns, session.open_ns), session.close_ns)
    ends = (
        (GapKind.LATE_START, session.open_ns, begin, "rows begin"),
        (GapKind.EARLY_END, end, session.close_ns, "rows end"),
    )
    return [
        _stretch(evidence, kind, start, stop, f"{word} at {_utc(at)}")
        for (kind, start, stop, word), at in zip(ends, (begin, end), strict=True)
        if stop - start > COVERAGE_NS
    ]


def _stretch(evidence: SessionEvidence, kind: GapKind, start: int, stop: int, detail: str) -> Gap:
    minutes = (stop - start) / (60 * NS_PER_SECOND)
    return Gap(
        session=evidence.session.key, kind=kind, where=evidence.schema, start_ns=start,
        end_ns=stop, size=stop - start, unit="ns",
        detail=f"{minutes:.1f} minutes without a row from {_utc(start)}: {detail}",
    )  # fmt: skip


def _told(step: ClockStep) -> str:
    if step.kind == "back":
        return f"receipt goes back by {-step.size_ns / 1e6:.1f} ms and stays behind"
    return f"the delay from event to receipt changes by {step.size_ns / 1e6:+.1f} ms"


def _score(
    evidence: SessionEvidence, pattern: Pattern, gaps: Sequence[Gap]
) -> tuple[str, float, float, float, float, int, str, int]:
    """Return a row of the `completeness` table without its session."""
    in_time = [gap for gap in gaps if gap.kind in TIME_KINDS]
    activity = _activity(evidence, pattern, in_time)
    messages = _messages(evidence, gaps, in_time)
    rows = 1.0 - evidence.quarantined_share
    label = "complete" if evidence.is_complete else "partial"
    return (
        label, activity * messages * rows, activity, messages, rows, _errors(gaps),
        evidence.schema, pattern.sessions,
    )  # fmt: skip


def _activity(evidence: SessionEvidence, pattern: Pattern, gaps: Sequence[Gap]) -> float:
    """Return the share of the usual activity that lies outside the gaps; of time without one."""
    session, measured = evidence.session, evidence.measured
    starts, ends = (np.array([getattr(g, n) for g in gaps], np.int64) for n in _ENDS)
    lost = float(pattern.weights_between(measured, starts, ends).sum())
    whole = (np.array([session.open_ns]), np.array([session.close_ns]))
    total = float(pattern.weights_between(measured, *whole)[0])
    return min(max(1.0 - lost / total, 0.0), 1.0) if total > 0 else 0.0


def _messages(evidence: SessionEvidence, gaps: Sequence[Gap], in_time: Sequence[Gap]) -> float:
    """Return the share of messages that are there; what a gap in time lost counts there only."""
    missing = sum(
        gap.size
        for gap in gaps
        if gap.kind is GapKind.SEQUENCE_GAP
        and not any(gap.start_ns <= g.end_ns and g.start_ns <= gap.end_ns for g in in_time)
    )
    return evidence.messages / (evidence.messages + missing) if evidence.messages else 1.0


def _errors(gaps: Sequence[Gap]) -> int:
    return sum(SEVERITIES[gap.kind] == "error" for gap in gaps)


def _utc(ts_ns: int) -> str:
    return f"{datetime.fromtimestamp(ts_ns // NS_PER_SECOND, UTC):%Y-%m-%d %H:%M:%S} UTC"
