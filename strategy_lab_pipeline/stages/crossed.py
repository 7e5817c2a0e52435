"""Cross-validation of a published search, beside its evidence: other sessions choose, these judge.

No set is run: what every complete trial earned in every session is in the search's tables.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import polars as pl

from strategy_lab_core.errors import StrategyLabError
from strategy_lab_core.search.cross_validation import cross_validate_trials
from strategy_lab_core.search.path_figures import describe_paths, path_figures
from strategy_lab_core.search.splits import Grouping, combinatorial_splits
from strategy_lab_core.search.trials import SearchResult, Trial
from strategy_lab_core.stats.verdict import LEAST_SESSIONS
from strategy_lab_pipeline.stages.outcome import Outcome
from strategy_lab_pipeline.stages.search_files import SearchFile
from strategy_lab_pipeline.stages.searches import capital_of, published
from strategy_lab_pipeline.stages.workspace import Workspace

__all__ = ["Crossed", "cross_validated", "search_result"]

LEAST_IN_GROUP = 2  # sessions: one shows no risk
CAVEATS = (
    "Sessions after a test choose too: this tells how the choice holds, not what it would have "
    "earned; a walk-forward does.",
    "Paths share sessions and choices: their spread is no confidence interval.",
)


@dataclass(frozen=True, slots=True)
class Crossed:
    """The figures of a cross-validation, or the reason why there are none.

    A walk-forward, which is out of sample itself, has neither.
    """

    figures: dict[str, Any] | None = None
    missing: str | None = None


def cross_validated(workspace: Workspace, search: SearchFile) -> Crossed:
    """Cross-validate the choice among the trials of a published search."""
    grouping = search.cross_validation
    if grouping is None:
        return Crossed()
    outcome = published(workspace, search)
    found = search_result(search, outcome)
    missing = _missing(found, outcome, grouping)
    if missing is not None:
        return Crossed(missing=missing)
    try:
        combinations = combinatorial_splits(found.sessions, **asdict(grouping))
        figures = path_figures(cross_validate_trials(found, combinations))
    except StrategyLabError as error:
        return Crossed(missing=str(error))
    failed = int(outcome.details["failed"])
    return Crossed(
        {
            "says": describe_paths(figures),
            "caveats": [*CAVEATS, *_own_caveats(found, failed, len(figures["choices"]))],
            "sessions": len(found.sessions),
            **asdict(grouping),
            "trials": len(found.trials),
            "failed": failed,
            **figures,
        }
    )


def search_result(search: SearchFile, outcome: Outcome) -> SearchResult:
    """Return a published search with its distinct complete trials, from its tables."""
    trials = pl.read_parquet(outcome.path / "trials.parquet")
    profits = pl.read_parquet(outcome.path / "profits.parquet").sort("trial", "session")
    sessions = tuple(profits["session"].unique().sort())
    earned = {int(number): tuple(own)
              for number, own in profits.group_by("trial", maintain_order=True)
              .agg("net_profit").iter_rows()}  # fmt: skip
    complete = trials.filter(pl.col("trial").is_in(list(earned)))
    space, made = search.space, []
    for row in complete.iter_rows(named=True):
        number = row["trial"]
        own = {name: row[f"parameter_{name}" if f"parameter_{name}" in row else name]
               for name in space.strategy.parameters}  # fmt: skip
        made.append(
            Trial(number, row["batch"], space.chosen(own), own, "complete", (), earned[number])
        )
    found = SearchResult(space, search.config, sessions, capital_of(search), tuple(made), "trials")
    return found.on(sessions)


def _missing(found: SearchResult, outcome: Outcome, grouping: Grouping) -> str | None:
    needed = max(LEAST_SESSIONS, LEAST_IN_GROUP * grouping.groups)
    if len(found.sessions) < needed:
        return f"{grouping.groups} groups need {needed} sessions, there are {len(found.sessions)}"
    if n_pruned := outcome.details["pruned"]:
        return f"{n_pruned} trials were pruned, choosing needs complete series"
    return None


def _own_caveats(found: SearchResult, failed: int, n_chosen: int) -> Iterator[str]:
    if n_chosen == 1:
        yield "Every split chose the same set: all paths are its own series over all sessions."
    if found.config.learns:
        yield (
            f"{found.config.method} had seen all sessions when it proposed its trials: the choice "
            "among them is cross-validated, the proposals are not, and that flatters."
        )
    if failed:
        yield f"{failed} trials failed in a session and can't be chosen here, though they might be."
