"""Several strategies side by side: what each search or walk-forward would trade, ranked.

Each stands alone: its own experiment, trials and capital. Compared are the sessions that all of
them have, with p-values that count every trial of every one of them.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from strategy_lab_core.stats.compare import compare
from strategy_lab_pipeline.errors import PipelineError
from strategy_lab_pipeline.stages.evidence import series_of
from strategy_lab_pipeline.stages.search_files import SearchFile
from strategy_lab_pipeline.stages.workspace import Workspace

__all__ = ["Comparison", "compare_searches"]

LEAST = 10  # sessions in common


@dataclass(frozen=True, slots=True)
class Comparison:
    """The common sessions, and a row for each strategy, the best first."""

    sessions: tuple[str, ...]
    rows: tuple[dict[str, Any], ...]

    def as_dict(self) -> dict[str, Any]:
        """Return it for `--json`."""
        return asdict(self)


def compare_searches(workspace: Workspace, searches: Sequence[SearchFile]) -> Comparison:
    """Rank the chosen trials of searches, and the out-of-sample series of walk-forwards.

    Raises
    ------
    PipelineError
        Fewer than two, one that has not run, or fewer than ten sessions that all of them have.
    """
    if len(searches) < 2:
        raise PipelineError(f"{len(searches)} search to compare: at least two are needed")
    found = {search.name: series_of(workspace, search) for search in searches}
    common = set.intersection(*(set(series.sessions) for series in found.values()))
    if len(common) < LEAST:
        spans = ", ".join(
            f"{name} {series.sessions[0]} to {series.sessions[-1]}"
            for name, series in found.items()
        )
        raise PipelineError(f"{len(common)} sessions in common ({spans}): at least {LEAST} needed")
    columns, counts = {}, {}
    for name, series in found.items():
        places = [place for place, day in enumerate(series.sessions) if day in common]
        columns[name] = series.returns[places, series.chosen]
        counts[name] = max(len(series.tried), series.returns.shape[1])
    ranked = compare(columns, n_trials=counts)
    return Comparison(tuple(sorted(common)), tuple(each._asdict() for each in ranked))
