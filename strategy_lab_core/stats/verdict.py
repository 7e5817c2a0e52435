"""The verdict that a person can read: lights, the reason and the number behind each.

The rule (docs/evidence.md has how often it is wrong):

- red, where the record is long enough to say no: the chosen trial loses, or a worthwhile Sharpe
  ratio would have shown by now and luck alone explains what is seen;
- green, where the record is at least as long as the number of trials asks for, the chosen trial is
  among StepM's superior ones, and choosing was not seen to harm;
- "can't tell" otherwise, always with fewer than 30 sessions.
"""

from dataclasses import dataclass
from enum import StrEnum
from math import ceil, isfinite
from typing import NamedTuple

from strategy_lab_core.stats.evidence import Evidence, Luck, SharpeFigures

__all__ = ["LEAST_SESSIONS", "SAME_SESSIONS", "Colour", "Light", "Verdict", "judge"]

LEAST_SESSIONS = 30  # below, no approximation behind the numbers holds
SAME_SESSIONS = "Chosen and judged on the same sessions: only a walk-forward is out of sample."
_LOW_OVERFITTING = 0.2
_HALF = 0.5


class Colour(StrEnum):
    """Of a light and of the verdict."""

    GREEN = "green"
    RED = "red"
    UNKNOWN = "can't tell"


class Light(NamedTuple):
    """One question, its answer, and the number behind it."""

    name: str
    colour: Colour
    reason: str
    value: float | None
    threshold: float | None
    decides: bool  # False: shown, but the verdict does not hang on it


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the evidence says, in words."""

    colour: Colour
    n_trials: int
    summary: str
    lights: tuple[Light, ...]
    more_sessions: int | None  # that would make it green if the figures stay; None: no number would
    what_would_change: str
    not_tested: tuple[str, ...]


def judge(evidence: Evidence, *, n_trials: int) -> Verdict:
    """Return the verdict on the figures.

    Parameters
    ----------
    evidence
        What `reality` has computed.
    n_trials
        Every trial that was ever made.
    """
    if evidence.sharpe is None or evidence.luck is None:
        lights: tuple[Light, ...] = (
            Light("profit", Colour.UNKNOWN, evidence.missing["sharpe"], None, None, True),
        )
    else:
        lights = (
            _profit(evidence, evidence.sharpe),
            _record(evidence, evidence.luck),
            _luck(evidence),
            _deflated(evidence, evidence.luck),
            _overfitting(evidence),
        )
    colour = _together(evidence.sessions, lights)
    more = _more_sessions(evidence) if colour is Colour.UNKNOWN else None
    return Verdict(
        colour=colour,
        n_trials=n_trials,
        summary=_summary(colour, lights, evidence, n_trials),
        lights=lights,
        more_sessions=more,
        what_would_change=_change(colour, more),
        not_tested=_not_tested(evidence, n_trials),
    )


def _together(sessions: int, lights: tuple[Light, ...]) -> Colour:
    colour = {each.name: each.colour for each in lights}
    if sessions < LEAST_SESSIONS:
        return Colour.UNKNOWN
    if Colour.RED in (colour["profit"], colour.get("record")):
        return Colour.RED
    needed = (colour.get("record"), colour.get("luck"))
    if needed == (Colour.GREEN, Colour.GREEN) and colour["overfitting"] is not Colour.RED:
        return Colour.GREEN
    return Colour.UNKNOWN


def _profit(evidence: Evidence, sharpe: SharpeFigures) -> Light:
    loses = sharpe.probabilistic <= 1 - evidence.confidence
    colour = Colour.RED if loses else Colour.GREEN if sharpe.value > 0 else Colour.UNKNOWN
    says = {
        Colour.RED: f"it loses, with {1 - sharpe.probabilistic:.1%} confidence",
        Colour.GREEN: "it made money over these sessions",
        Colour.UNKNOWN: "it made no money over these sessions, which may be chance",
    }[colour]
    reason = f"Sharpe ratio {sharpe.value:.4f} a session: {says}"
    return Light("profit", colour, reason, sharpe.value, 0.0, True)


def _record(evidence: Evidence, luck: Luck) -> Light:
    sessions, needed = evidence.sessions, luck.sessions_needed
    if needed is not None:
        needed = max(needed, float(LEAST_SESSIONS))
    if needed is not None and sessions >= needed:
        reason = (
            f"{sessions} sessions: {luck.effective:.4g} independent trials with this Sharpe ratio "
            f"ask for {ceil(needed)}"
        )
        return Light("record", Colour.GREEN, reason, sessions, needed, True)
    if _futile(evidence, luck):
        reason = (
            f"{sessions} sessions would have shown a Sharpe ratio of "
            f"{evidence.worthwhile_sharpe:g} a year; the best of {luck.effective:.4g} trials "
            f"shows no more than luck, {luck.best_by_luck:.4f} a session"
        )
        return Light("record", Colour.RED, reason, sessions, luck.sessions_to_show, True)
    reason = f"{sessions} sessions without a profit: no number of such sessions shows an edge"
    if needed is not None:
        reason = (
            f"{sessions} sessions are too few: {luck.effective:.4g} independent trials with this "
            f"Sharpe ratio ask for {ceil(needed)}"
        )
    return Light("record", Colour.UNKNOWN, reason, sessions, needed, True)


def _futile(evidence: Evidence, luck: Luck) -> bool:
    """Return whether a worthwhile edge would be seen by now, and only luck is."""
    if evidence.sharpe is None or luck.sessions_to_show is None:
        return False
    is_long = evidence.sessions >= luck.sessions_to_show
    return is_long and evidence.sharpe.value <= luck.best_by_luck


def _luck(evidence: Evidence) -> Light:
    test = evidence.superiority
    if test is None:
        return Light("luck", Colour.UNKNOWN, evidence.missing["superiority"], None, None, True)
    mine = float(test.statistics[evidence.chosen])
    is_superior = bool(test.superior[evidence.chosen])
    side = "below" if mine < 0 else "above"
    reason = (
        f"the chosen trial's mean is {abs(mine):.2f} standard errors {side} zero, the best of "
        f"{len(test.statistics)} resampled without edge stays below {test.critical:.2f} in "
        f"{evidence.confidence:.0%} of samples (SPA p = {test.p_value:.4f})"
    )
    colour = Colour.GREEN if is_superior else Colour.UNKNOWN
    return Light("luck", colour, reason, mine, test.critical, True)


def _deflated(evidence: Evidence, luck: Luck) -> Light:
    raw, effective = luck.deflated_raw, luck.deflated_effective
    if raw is None or effective is None:
        return Light("deflated", Colour.UNKNOWN, evidence.missing["variance"], None, None, False)
    reason = (
        f"deflated Sharpe ratio {effective:.4f} with {luck.effective:.4g} independent trials, "
        f"{raw:.4f} with all {luck.n_trials}"
    )
    colour = Colour.GREEN if effective >= evidence.confidence else Colour.UNKNOWN
    return Light("deflated", colour, reason, effective, evidence.confidence, False)


def _overfitting(evidence: Evidence) -> Light:
    found = evidence.overfitting
    if found is None:
        return Light(
            "overfitting", Colour.UNKNOWN, evidence.missing["overfitting"], None, None, True
        )
    harms = found.probability > _HALF and found.probability_of_loss > _HALF
    is_low = found.probability <= _LOW_OVERFITTING
    colour = Colour.RED if harms else Colour.GREEN if is_low else Colour.UNKNOWN
    reason = (
        f"the best on one half of the sessions is below the median on the other in "
        f"{found.probability:.1%} of splits, and loses in {found.probability_of_loss:.1%}"
    )
    return Light("overfitting", colour, reason, found.probability, _LOW_OVERFITTING, True)


def _more_sessions(evidence: Evidence) -> int | None:
    """Return how many more sessions would turn record and luck green at the seen figures."""
    luck, test = evidence.luck, evidence.superiority
    if luck is None or luck.sessions_needed is None:
        return None
    needed = max(luck.sessions_needed, float(LEAST_SESSIONS))
    if test is not None and not test.superior[evidence.chosen]:
        mine = float(test.statistics[evidence.chosen])
        # A mean's statistic grows with the root of the sessions.
        needed = max(needed, evidence.sessions * (test.critical / mine) ** 2)
    more = needed - evidence.sessions
    return ceil(more) if more > 0 and isfinite(more) else None


def _summary(colour: Colour, lights: tuple[Light, ...], evidence: Evidence, n_trials: int) -> str:
    trials = "1 trial" if n_trials == 1 else f"{n_trials:,} trials"
    head = f"{colour.capitalize()}, after {trials} over {evidence.sessions} sessions"
    if evidence.sessions < LEAST_SESSIONS:
        return f"{head}: fewer than {LEAST_SESSIONS} sessions say nothing"
    short = [each.reason for each in lights if each.decides and each.colour is colour]
    return f"{head}: {'; '.join(short)}"


def _change(colour: Colour, more: int | None) -> str:
    if colour is Colour.GREEN:
        return "Sessions to come that do worse: judge again when the record has grown by a quarter."
    if colour is Colour.RED:
        return "Another idea; each further trial of this one raises what luck can show."
    if more is not None:
        return f"{more:,} more sessions like these, without another trial, would make it green."
    return "No number of sessions like these would make it green."


def _not_tested(evidence: Evidence, n_trials: int) -> tuple[str, ...]:
    """Return what the verdict takes for granted, a sentence each."""
    sentences = [
        SAME_SESSIONS,
        "Trials that were not counted: ideas dropped before they were run count too.",
        "Other times: a market unlike that of these sessions.",
        "The simulation itself: fills, costs, latency and lookahead have their own probes.",
        "Larger size: orders here do not move the market.",
    ]
    luck = evidence.luck
    if luck is not None and n_trials > luck.n_counted:
        sentences.append(
            f"{n_trials - luck.n_counted} of {n_trials} trials have no full series here: each is "
            "counted as independent, none is resampled."
        )
    elif luck is not None and n_trials > luck.n_series:
        sentences.append(
            f"{n_trials} trials are counted by other sessions than these, on which they have no "
            "series: none is resampled."
        )
    if luck is not None and n_trials > 1 and not luck.has_random_trials:
        sentences.append(
            "The spread of random trials: a search that draws its trials together makes the "
            "deflated Sharpe ratio too large."
        )
    sentences += [f"{name.capitalize()}: {why}." for name, why in evidence.missing.items()]
    return tuple(sentences)
