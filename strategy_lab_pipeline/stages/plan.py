"""What is out of date: the catalogue and the experiments compared with what is there."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from strategy_lab_pipeline.stages import backtests, books, raw, reports, validated
from strategy_lab_pipeline.stages.outcome import Outcome
from strategy_lab_pipeline.stages.publish import current_outcome
from strategy_lab_pipeline.stages.scope import why_no_partition
from strategy_lab_pipeline.stages.sources import sources_of
from strategy_lab_pipeline.stages.versions import digest, input_key
from strategy_lab_pipeline.stages.workspace import Workspace

__all__ = [
    "CHAIN",
    "BlockedPartition",
    "StalePartition",
    "blocked_partitions",
    "count_partitions",
    "left_out",
    "partition_plan",
    "stale_partitions",
    "stale_reports",
]

CHAIN = ("raw_ticks", "validated_ticks", "quarantined_ticks", "order_books", "backtest_runs")
_STAGES = {
    "raw_ticks": raw,
    "validated_ticks": validated,
    "order_books": books,
    "backtest_runs": backtests,
}


@dataclass(frozen=True, slots=True)
class StalePartition:
    """A partition with something to do.

    Parameters
    ----------
    assets
        What is missing or out of date, and all that follows from it.
    wanted
        Names this state of inputs, code and configuration: the same work asked for twice has the
        same name; a file that came back to an earlier content has another delivery, so another.
    """

    product: str
    session: date
    assets: tuple[str, ...]
    wanted: str


@dataclass(frozen=True, slots=True)
class BlockedPartition:
    """A partition whose ticks were judged too bad to go on, as they are now."""

    product: str
    session: date
    reasons: tuple[str, ...]


def stale_partitions(workspace: Workspace) -> list[StalePartition]:
    """Return the partitions with something to do, older sessions first.

    Products and sessions that are `left_out` have no partition.
    """
    plans = (partition_plan(workspace, *place) for place in _places(workspace))
    return [plan for plan in plans if plan is not None]


def blocked_partitions(workspace: Workspace) -> list[BlockedPartition]:
    """Return the partitions that stop at validation and will again, older sessions first."""
    found = []
    for product, session in _places(workspace):
        row = workspace.store.current("quarantined_ticks", product, str(session))
        if row is not None and "blocked_version" in row.details:
            split = validated.current_split(workspace, product, session)
            if split is not None and split.blocked:
                found.append(BlockedPartition(product, session, split.blocked))
    return found


def count_partitions(workspace: Workspace) -> int:
    """Return how many partitions have files."""
    return sum(1 for _ in _places(workspace))


def left_out(workspace: Workspace) -> list[str]:
    """Return a sentence for each product whose files have sessions without a partition."""
    settings = workspace.settings
    reasons: dict[str, list[str]] = {}
    for product, session in workspace.store.all_partitions():
        reason = why_no_partition(settings, product, date.fromisoformat(session))
        if reason:
            reasons.setdefault(f"{product}: {reason}", []).append(session)
    return [
        f"{reason}: left out are {len(sessions)} sessions, {min(sessions)} to {max(sessions)}"
        for reason, sessions in reasons.items()
    ]


def _places(workspace: Workspace) -> Iterator[tuple[str, date]]:
    for product, text in sorted(workspace.store.all_partitions(), key=lambda key: key[::-1]):
        session = date.fromisoformat(text)
        if not why_no_partition(workspace.settings, product, session):
            yield product, session


def partition_plan(workspace: Workspace, product: str, session: date) -> StalePartition | None:
    """Return what the partition has left to do; None where it is up to date or known as blocked."""
    first = _first_stale(workspace, product, session)
    if first is None:
        return None
    deliveries = [
        (file.path, file.sha256, file.delivery) for file in sources_of(workspace, product, session)
    ]
    state = [deliveries, _chain_config(workspace, product)]
    return StalePartition(product, session, CHAIN[CHAIN.index(first) :], digest(state))


def _chain_config(workspace: Workspace, product: str) -> list[object]:
    return [
        input_key(asset, {}, stage.config_of(workspace, product))
        for asset, stage in _STAGES.items()
    ]


def _first_stale(workspace: Workspace, product: str, session: date) -> str | None:
    """Return the first asset of the chain that is not what its inputs, code and config make."""
    for asset, stage in _STAGES.items():
        inputs = stage.inputs_of(workspace, product, session)
        if inputs is None:
            return None  # blocked upstream: there is nothing to make it from
        version = input_key(asset, inputs, stage.config_of(workspace, product))
        current = _current(workspace, asset, product, session, version)
        if current is None and not (
            asset == "validated_ticks" and _blocked(workspace, product, session, version)
        ):
            return asset
        if current is None:
            return None
    return None


def _current(
    workspace: Workspace, asset: str, product: str, session: date, version: str
) -> Outcome | None:
    return current_outcome(workspace, asset, product, str(session), version)


def _blocked(workspace: Workspace, product: str, session: date, version: str) -> bool:
    """Whether this very version was judged too bad to go on: judging it again changes nothing."""
    row = workspace.store.current("quarantined_ticks", product, str(session))
    return row is not None and row.details.get("blocked_version") == version


def stale_reports(workspace: Workspace) -> str | None:
    """Return the version that the reports should have, None where it is the one they have."""
    inputs = reports.inputs_of(workspace)
    if not inputs:
        return None
    version = input_key("reports", inputs, reports.config_of(workspace))
    return None if current_outcome(workspace, "reports", "-", "-", version) else version
