"""What is out of date: the catalogue and the experiments compared with what is there."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from strategy_lab_pipeline.stages import backtests, bars, books, features, raw, reports, validated
from strategy_lab_pipeline.stages.completeness import stale_versions
from strategy_lab_pipeline.stages.experiments import ASSET, backtest_assets
from strategy_lab_pipeline.stages.outcome import Outcome
from strategy_lab_pipeline.stages.publish import current_outcome
from strategy_lab_pipeline.stages.scope import why_no_partition
from strategy_lab_pipeline.stages.sources import sources_of
from strategy_lab_pipeline.stages.versions import digest, input_key
from strategy_lab_pipeline.stages.workspace import Workspace

__all__ = [
    "BOOKS",
    "CHAIN",
    "TABLES",
    "BlockedPartition",
    "StalePartition",
    "blocked_partitions",
    "count_partitions",
    "left_out",
    "partition_plan",
    "stale_overall",
    "stale_partitions",
    "stale_reports",
    "without_result",
]

BOOKS = ("raw_ticks", "validated_ticks", "quarantined_ticks", "order_books")
TABLES = ("bars", "features")  # made of ticks and books, as backtest runs are, and not of those
CHAIN = (*BOOKS, *TABLES, ASSET)
COMPLETENESS = "completeness"
OVERALL = ("rolls", COMPLETENESS, "reports")  # over all sessions of all products
_STAGES = {"raw_ticks": raw, "validated_ticks": validated, "order_books": books}
_TABLE_STAGES = {"bars": bars, "features": features}


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
    now = workspace.at_one_moment()
    plans = (partition_plan(now, *place) for place in _places(now))
    return [plan for plan in plans if plan is not None]


def blocked_partitions(workspace: Workspace) -> list[BlockedPartition]:
    """Return the partitions that stop at validation and will again, older sessions first."""
    found, workspace = [], workspace.at_one_moment()
    for product, session in _places(workspace):
        row = workspace.store.current("quarantined_ticks", product, str(session))
        if row is not None and "blocked_version" in row.details:
            split = validated.current_split(workspace, product, session)
            if split is not None and split.blocked:
                found.append(BlockedPartition(product, session, split.blocked))
    return found


def without_result(workspace: Workspace) -> Iterator[tuple[str, str, str, str]]:
    """Yield product, session, "failed" or "not run", and why, of runs that have no result."""
    workspace = workspace.at_one_moment()
    for product, session in _places(workspace):
        for asset in backtest_assets(workspace.settings):
            row = workspace.store.current(asset, product, str(session))
            for label, reason in row.details.get("without_result", ()) if row else ():
                yield product, str(session), label, reason


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
    assets = _stale_assets(workspace, product, session)
    if not assets:
        return None
    deliveries = [
        (file.path, file.sha256, file.delivery) for file in sources_of(workspace, product, session)
    ]
    earlier = features.earlier_inputs(workspace, product, session)
    state = [deliveries, _chain_config(workspace, product), earlier]
    if not set(assets) & set(BOOKS):  # only then is it other sessions that say what has changed
        groups = set(assets) & set(backtest_assets(workspace.settings))
        state.append(
            [backtests.inputs_of(workspace, product, session, each) for each in sorted(groups)]
        )
    return StalePartition(product, session, assets, digest(state))


def _chain_config(workspace: Workspace, product: str) -> list[object]:
    ticks = [
        input_key(asset, {}, stage.config_of(workspace, product))
        for asset, stage in (_STAGES | _TABLE_STAGES).items()
    ]
    runs = [
        input_key(asset, {}, backtests.config_of(workspace, product, asset))
        for asset in backtest_assets(workspace.settings)
    ]
    return [*ticks, *runs]


def _stale_assets(workspace: Workspace, product: str, session: date) -> tuple[str, ...]:
    """Return what is not what its inputs, code and config make, and all that follows from it."""
    groups = backtest_assets(workspace.settings)
    first = _first_stale(workspace, product, session)
    if first is not None:
        return (*BOOKS[BOOKS.index(first) :], *TABLES, *groups)
    tables = _stale_tables(workspace, product, session)
    return (*tables, *_stale_groups(workspace, product, session))


def _stale_tables(workspace: Workspace, product: str, session: date) -> tuple[str, ...]:
    """Return bars and features from the first that is out of date on."""
    for number, (asset, stage) in enumerate(_TABLE_STAGES.items()):
        inputs = stage.inputs_of(workspace, product, session)
        if inputs is None:
            return ()  # blocked upstream
        version = input_key(asset, inputs, stage.config_of(workspace, product))
        if _current(workspace, asset, product, session, version) is None:
            return TABLES[number:]
    return ()


def _stale_groups(workspace: Workspace, product: str, session: date) -> tuple[str, ...]:
    groups = backtest_assets(workspace.settings)
    inputs = {asset: backtests.inputs_of(workspace, product, session, asset) for asset in groups}
    wanted = {
        asset: input_key(asset, found, backtests.config_of(workspace, product, asset, session))
        for asset, found in inputs.items()
        if found is not None  # blocked upstream: there is nothing to make them from
    }
    return tuple(
        asset
        for asset, version in wanted.items()
        if _current(workspace, asset, product, session, version) is None
    )


def _first_stale(workspace: Workspace, product: str, session: date) -> str | None:
    """Return the first asset up to the books that is out of date."""
    for asset, stage in _STAGES.items():
        inputs = stage.inputs_of(workspace, product, session)
        if inputs is None:
            return None  # blocked upstream
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


def stale_overall(workspace: Workspace, *, with_reports: bool = True) -> tuple[str, ...]:
    """Return what is out of date of the assets over all sessions, in the order of making.

    Reports show completeness: they follow where there are any to write.
    """
    is_stale = bool(stale_versions(workspace))
    if with_reports and reports.inputs_of(workspace):
        return OVERALL if is_stale or stale_reports(workspace) is not None else ()
    return (COMPLETENESS,) if is_stale else ()
