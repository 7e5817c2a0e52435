"""What is out of date: the catalogue and the experiments compared with what is there."""

from dataclasses import dataclass
from datetime import date

from strategy_lab_pipeline.stages import backtests, books, raw, reports, validated
from strategy_lab_pipeline.stages.outcome import Outcome
from strategy_lab_pipeline.stages.publish import current_outcome
from strategy_lab_pipeline.stages.sources import sources_of
from strategy_lab_pipeline.stages.versions import digest, input_key
from strategy_lab_pipeline.stages.workspace import Workspace

__all__ = ["CHAIN", "StalePartition", "partition_plan", "stale_partitions", "stale_reports"]

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


def stale_partitions(workspace: Workspace) -> list[StalePartition]:
    """Return the partitions with something to do, older sessions first.

    Products and sessions that the settings leave out have no partition.
    """
    settings = workspace.settings
    plans = (
        partition_plan(workspace, product, date.fromisoformat(session))
        for product, session in sorted(workspace.store.all_partitions(), key=lambda key: key[::-1])
        if product in settings.products and session >= str(settings.first_session)
    )
    return [plan for plan in plans if plan is not None]


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
