"""Real captures are well-formed: no row of theirs may be quarantined."""

from pathlib import Path

import polars as pl
import pytest

from strategy_lab_core.data.checks import Tainted, apply_row_rules, validate_table
from strategy_lab_core.data.files import open_ticks
from strategy_lab_core.data.instruments import Instrument, instruments
from strategy_lab_core.data.ticks import read_ticks
from strategy_lab_core.errors import InstrumentError
from strategy_lab_core.types import TickSchema

pytestmark = pytest.mark.real_data

SMALL = "cme_es_small/futures"


def known_instruments(batch: pl.DataFrame) -> dict[int, Instrument]:
    """Return the batch's instruments, none where a symbol is of no product in the table."""
    try:
        return instruments(dict(batch.select("instrument_id", "symbol").unique().iter_rows()))
    except InstrumentError:
        return {}


@pytest.mark.parametrize(
    ("name", "rows", "n_instruments"),
    [
        ("cme_es_mbo/esh4-glbx-mdp3-20231224.mbo.dbn.zst", 8_725, 1),
        ("cme_es_mbo/esh4-glbx-mdp3-20231225.mbo.dbn.zst", 68_792, 1),
        (f"{SMALL}_mbp-1_2024-07-01T23-58_2024-07-02T00-02.dbn.zst", 2_288, 1),
        (f"{SMALL}_trades_2024-07-01T23-58_2024-07-02T00-02.dbn.zst", 120, 1),
        ("cme_nq_trades/glbx-mdp3-20250504.trades.csv", 9_887, 3),  # the spread's prices are fine
        ("nasdaq_arl_mbo_mbp10/mbo.csv", 5_886, 0),  # an equity: no product explains it
        ("nasdaq_arl_mbo_mbp10/mbp.csv", 3_928, 0),
    ],
)
def test_row_rules__real_ticks_are_well_formed(
    real_data: Path, name: str, rows: int, n_instruments: int
) -> None:
    """Every row passes, and satisfies the schema of validated ticks."""
    file, tainted, seen = open_ticks(real_data / name), Tainted(), 0
    for batch in file.batches():
        known = known_instruments(batch)
        valid, bad = apply_row_rules(batch, file.schema, known, tainted)
        assert bad.is_empty(), bad.head()
        validate_table(valid, file.schema)
        assert len(known) == n_instruments
        seen += valid.height
    assert seen == rows


def test_instruments__from_real_definitions(real_data: Path) -> None:
    """Tick, multiplier and expiry of the definition files; a spread has its finer tick."""
    folder = real_data / "cme_es_small"
    outrights = read_ticks(folder / "futures_definition.dbn.zst")
    found = instruments({118: "ESU4", 4358: "NQU4"}, outrights)
    assert [(i.tick_size, i.multiplier // 10**9) for i in found.values()] == [
        (250_000_000, 50), (250_000_000, 20),
    ]  # fmt: skip
    assert found[118].expiration_ns == 1_726_839_000_000_000_000  # 2024-09-20 13:30 UTC
    spreads = read_ticks(folder / "definition-glbx-es-futspread.dbn.zst")
    spread = instruments({4155: "ESM4-ESU4"}, spreads)[4155]
    assert (spread.kind, spread.tick_size) == ("spread", 50_000_000)
    assert spread.multiplier == 50 * 10**9


def test_row_rules__real_options_are_refused_by_name(real_data: Path) -> None:
    """An option's definition names its class instead of passing for a future."""
    table = read_ticks(real_data / "cme_es_small" / "definition-glbx-es-opt.dbn.zst")
    assert apply_row_rules(table, TickSchema.DEFINITION, {}, {})[1].is_empty()
    with pytest.raises(InstrumentError, match="instrument class"):
        instruments(dict(table.select("instrument_id", "symbol").iter_rows()), table)
