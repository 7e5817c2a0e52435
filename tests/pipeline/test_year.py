"""The simulated year in small: a roll, a holiday, faults; from files to what is said of them.

`benchmarks.year` is the year itself, through Dagster.
"""

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from benchmarks.year import Year, manifest, plant_faults, simulate
from benchmarks.year_check import (
    expected_rolls,
    gap_problems,
    label_problems,
    roll_problems,
    rule_problems,
)
from benchmarks.year_plan import KINDS
from strategy_lab_core.data.instruments import products
from strategy_lab_pipeline.inquiry import roll_rows, status_of
from strategy_lab_pipeline.quality import quality_of
from strategy_lab_pipeline.settings import Settings
from strategy_lab_pipeline.stages import books, catalogue, completeness, raw, validated
from strategy_lab_pipeline.stages.landing import search
from strategy_lab_pipeline.stages.workspace import Workspace, open_workspace

PLACES = {
    "malformed_rows": date(2025, 6, 9),
    "late_file": date(2025, 6, 10),
    "missing_files": date(2025, 6, 12),
    "covered_file": date(2025, 6, 16),
    "duplicate_file": date(2025, 6, 17),
    "clock_step": date(2025, 6, 18),  # the day before the holiday
    "sequence_gap": date(2025, 6, 20),  # the day on which the first contract expires
    "silent_stretch": date(2025, 6, 23),
}
ONLY_IN_THE_YEAR = {"missing_file"}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Year:
    """Return twelve sessions with their faults, as files."""
    year = Year(
        folder=tmp_path_factory.mktemp("year"), sessions=12, events=2_000, full_events=0,
        first=date(2025, 6, 9), places=PLACES,
    )  # fmt: skip
    simulate(year)
    plant_faults(year)
    return year


@pytest.fixture(scope="module")
def opened(small: Year) -> Workspace:
    """Return a workspace with nothing in it yet."""
    return open_workspace(Settings(home=small.home))


def deliver(opened: Workspace, folder: Path) -> dict[str, str]:
    """Take a delivery up to the books; return the data version of each session's raw ticks."""
    for path in search([folder]).files:
        assert catalogue.catalogue_file(opened, path).status != "broken"
    for product, text in opened.store.all_partitions():
        session = date.fromisoformat(text)
        if raw.build(opened, product, session, run_id="test").built:
            for stage in (validated, books):
                stage.build(opened, product, session, run_id="test")
    completeness.build(opened, "MNQ", run_id="test")
    return {
        row.session: row.data_version for row in opened.store.materializations("raw_ticks", "MNQ")
    }


def problems(year: Year, opened: Workspace, *, second: bool) -> list[str]:
    """Return what is said otherwise than it was planted."""
    faults, truth = manifest(year), pl.read_parquet(year.file("truth.parquet"))
    quality = quality_of(opened.settings, None, None)
    sessions = [str(each.key) for each in year.hours()]
    rolls = expected_rolls(truth, faults, products()["MNQ"].tick_size, second=second)
    return [
        *gap_problems(faults, quality["gaps"], second=second),
        *rule_problems(faults, quality["rules"], second=second),
        *roll_problems(rolls, roll_rows(opened.settings, "MNQ", "volume")),
        *label_problems(faults, status_of(opened.settings), sessions, second=second),
    ]


def test_year__finds_what_was_planted_and_nothing_else(small: Year, opened: Workspace) -> None:
    """Gaps, broken rules, labels, the roll with both volumes and its gap; then a file comes late.

    The second delivery closes the gaps that the file left, and makes its two sessions anew alone.
    """
    assert set(PLACES) == set(KINDS) - ONLY_IN_THE_YEAR
    before = deliver(opened, small.file("first"))
    assert problems(small, opened, second=False) == []

    after = deliver(opened, small.file("second"))
    assert problems(small, opened, second=True) == []
    changed = {day for day in after if after[day] != before[day]}
    assert changed == {"2025-06-10", "2025-06-11"}
