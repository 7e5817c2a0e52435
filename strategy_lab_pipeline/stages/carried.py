"""Carried experiments: the sessions before the last one, and what a run is made from because of it.

A carried run is kept under its last session. The earlier ones are inputs like that one's own: where
one is missing the run says so, and is out of date as soon as it is there. Each session trades the
contract that was chosen before its open: where that changes, the engine rolls the position.
"""

from collections.abc import Iterable
from datetime import date

from strategy_lab_core.data.calendar import session_calendar
from strategy_lab_core.data.rolls import Choice
from strategy_lab_core.errors import DataError
from strategy_lab_core.strategies.experiment import Experiment
from strategy_lab_pipeline.stages.publish import current_outcome
from strategy_lab_pipeline.stages.rolls import choice, choice_inputs
from strategy_lab_pipeline.stages.workspace import Workspace

__all__ = ["earlier", "inputs_of", "require_earlier"]

_MISSING = "missing"  # instead of a data version


def earlier(workspace: Workspace, experiment: Experiment) -> list[date]:
    """Return the sessions before the last one of a carried experiment, none of any other."""
    if experiment.sessions is None:
        return []
    calendar = session_calendar(workspace.products[experiment.product].calendar)
    return [session.key for session in calendar.sessions(*experiment.sessions)][:-1]


def inputs_of(workspace: Workspace, experiments: Iterable[Experiment]) -> dict[str, str]:
    """Return what runs are made from in the earlier sessions: ticks and contracts."""
    found = {}
    for experiment in experiments:
        product = experiment.product
        for day in earlier(workspace, experiment):
            ticks = current_outcome(workspace, "validated_ticks", product, str(day))
            found[f"validated_ticks:{day}"] = ticks.market_version if ticks else _MISSING
            chosen = choice_inputs(workspace, product, day, [experiment.contract])
            found |= {f"{name}:{day}": version for name, version in chosen.items()}
    return found


def require_earlier(workspace: Workspace, experiment: Experiment) -> list[tuple[date, Choice]]:
    """Return `earlier` with the contract of each; `DataError` where one has no ticks, or none."""
    days = earlier(workspace, experiment)
    inputs = inputs_of(workspace, [experiment])
    gone = [str(day) for day in days if inputs[f"validated_ticks:{day}"] == _MISSING]
    if gone:
        raise DataError(
            "a carried run needs consecutive sessions: "
            f"{experiment.product} {', '.join(gone)} without ticks; ingest them"
        )
    chosen = [choice(workspace, experiment.product, day, experiment.contract) for day in days]
    is_dated = workspace.products[experiment.product].dated
    for day, each in zip(days, chosen, strict=True):
        if each.symbol is None and is_dated:  # never the last session's: that is decided later
            reason = each.reason or "no books say which contract it trades; make its order_books"
            raise DataError(f"{day}: {reason}, or name one with the key `contract`")
    return list(zip(days, chosen, strict=True))
