"""Where files are cut changes nothing: same books, same queue order, same backtest."""

from collections.abc import Callable
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from strategy_lab_core.data.calendar import session_calendar
from strategy_lab_core.data.dbn_writer import write_dbn
from strategy_lab_core.data.simulate import simulate
from strategy_lab_core.types import NS_PER_SECOND, BookState, RecordFlag
from strategy_lab_pipeline.settings import Settings
from strategy_lab_pipeline.stages import (
    backtests,
    bars,
    books,
    catalogue,
    features,
    plan,
    raw,
    validated,
)
from strategy_lab_pipeline.stages.landing import landing_files
from strategy_lab_pipeline.stages.workspace import Workspace, open_workspace

DAYS = (date(2025, 1, 13), date(2025, 1, 14))
LAST = str(DAYS[-1])
HOUR_NS = 3_600 * NS_PER_SECOND
EXPERIMENT = """
name: imbalance_mnq
product: MNQ
strategy: imbalance
parameters: {threshold: 0.6, hold_ms: 5000, passive: true}
capital: 10000
allow_partial: true
"""

MARKET = simulate(
    session_calendar("CME Globex Equity").sessions(*DAYS),
    seed=5,
    events_per_session=4_000,
    faults=False,
)


def _write(folder: Path, name: str, ticks: pl.DataFrame) -> None:
    write_dbn(folder / f"{name}.mbo.dbn.zst", ticks, {MARKET.instrument_id: MARKET.symbol})


def _uncut(folder: Path) -> None:
    """Both sessions in one file, that begins with the vendor's snapshot."""
    _write(folder, "both", MARKET.table())


def _at_midnight(folder: Path) -> None:
    """One file a UTC day, only the first with a snapshot."""
    MARKET.write(folder, snapshots=False)


def _at_midnight_with_snapshots(folder: Path) -> None:
    """One file a UTC day, as the vendor delivers them."""
    MARKET.write(folder, snapshots=True)


def _every_five_hours(folder: Path) -> None:
    """Many files, of which only the first says what the book was."""
    ticks = MARKET.table()
    pieces = (ticks["ts_recv"] // (5 * HOUR_NS)).to_numpy()
    ends = np.flatnonzero(np.diff(pieces)) + 1
    for number, part in enumerate(np.split(np.arange(ticks.height), ends)):
        _write(folder, f"part-{number:02d}", ticks[part])


CUTS = (_uncut, _at_midnight, _at_midnight_with_snapshots, _every_five_hours)


def _run(home: Path, write: Callable[[Path], None]) -> Workspace:
    """Run the later session alone on files that are cut so, and return the workspace."""
    opened = open_workspace(Settings(home=home))
    opened.settings.experiments.mkdir(parents=True)
    (opened.settings.experiments / "imbalance_mnq.yaml").write_text(EXPERIMENT)
    opened.settings.landing.mkdir(parents=True, exist_ok=True)
    write(opened.settings.landing)
    for file in landing_files(opened):
        assert catalogue.catalogue_file(opened, file.path).status == "whole"
    for stage in (raw, validated, books, bars, features, backtests):
        stage.build(opened, "MNQ", DAYS[-1], run_id="test")
    return opened


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Workspace]:
    """Return a workspace for each way to cut."""
    folder = tmp_path_factory.mktemp("cuts")
    return {write.__name__: _run(folder / write.__name__, write) for write in CUTS}


def _table(opened: Workspace, asset: str, name: str) -> pl.DataFrame:
    found = opened.store.current(asset, "MNQ", LAST)
    assert found is not None
    (path,) = opened.lake.version_path(asset, "MNQ", LAST, found.version).glob(f"{name}.parquet")
    return pl.read_parquet(path)


@pytest.mark.parametrize("cut", [write.__name__ for write in CUTS[1:]])
def test_cut__leaves_the_books_alone(homes: dict[str, Workspace], cut: str) -> None:
    """Best bid and offer are equal at every event, and trusted from the first on.

    The number of an event counts the vendor's snapshot at midnight, where there is one.
    """
    uncut, other = (
        _table(homes[name], "order_books", "bbo-*").filter(
            pl.col("sequence") > 0, pl.col("flags") & int(RecordFlag.SNAPSHOT) == 0
        )
        for name in ("_uncut", cut)
    )

    assert (uncut["book_state"] == int(BookState.TRUSTED)).all()
    assert other.drop("event").equals(uncut.drop("event"))


@pytest.mark.parametrize("cut", [write.__name__ for write in CUTS[1:]])
@pytest.mark.parametrize("table", ["orders", "fills"])
def test_cut__leaves_the_backtest_alone(homes: dict[str, Workspace], cut: str, table: str) -> None:
    """Queue positions are exact to the lot, so equal fills mean an equal queue."""
    (run,) = homes[cut].store.runs("imbalance_mnq")
    asset = f"run.{run.experiment_id}"
    uncut, other = (_table(homes[name], asset, table) for name in ("_uncut", cut))

    assert uncut.height > 10
    assert other.equals(uncut)


def test_cut__the_past_is_an_input(homes: dict[str, Workspace]) -> None:
    """A session seeded from earlier files names them, and is stale when one of them changes."""
    opened = homes["_every_five_hours"]
    inputs = raw.inputs_of(opened, "MNQ", DAYS[-1])
    seeds = [name for name in inputs if name.startswith("seed:")]
    assert len(seeds) >= 4
    assert plan.partition_plan(opened, "MNQ", DAYS[-1]) is None

    first = landing_files(opened)[0].path
    ticks = MARKET.table()
    _write(opened.settings.landing, "part-00", ticks[: ticks.height // 50])
    catalogue.catalogue_file(opened, first)

    stale = plan.partition_plan(opened, "MNQ", DAYS[-1])
    assert stale is not None
    assert stale.assets[0] == "raw_ticks"
