"""Parquet files: their bytes depend on their rows alone."""

from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strategy_lab_core.data.schemas import LETTER, polars_schema
from strategy_lab_core.types import TickSchema
from strategy_lab_pipeline.errors import LakeError
from strategy_lab_pipeline.tables import TableWriter

_TYPES: dict[str, Any] = {
    "ts": pl.Int64, "id": pl.UInt64, "action": LETTER, "symbol": pl.String, "size": pl.UInt32,
    "flags": pl.UInt8, "share": pl.Float64, "whole": pl.Boolean,
}  # fmt: skip
SCHEMA = pl.Schema(_TYPES)
GROUP = 8


def _rows(count: int) -> pl.DataFrame:
    """Return rows with nulls, repeated strings and every width of integer."""
    return pl.DataFrame(
        {
            "ts": [2**62 - n if n % 5 else None for n in range(count)],
            "id": [2**64 - 1 - n for n in range(count)],
            "action": [chr(n * 7 % 256) for n in range(count)],
            "symbol": [None if n % 3 == 0 else f"MNQ{n % 4}" for n in range(count)],
            "size": [n * 2**20 for n in range(count)],
            "flags": [n % 256 for n in range(count)],
            "share": [n / 3 for n in range(count)],
            "whole": [n % 2 == 0 for n in range(count)],
        },
        schema=SCHEMA,
    )


def _written(folder: Path, batches: list[pl.DataFrame], schema: pl.Schema = SCHEMA) -> Path:
    path = folder / "table.parquet"
    with TableWriter(path, schema, row_group_rows=GROUP) as table:
        for batch in batches:
            table.write(batch)
    assert table.rows == sum(batch.height for batch in batches)
    return path


@settings(max_examples=60)
@given(cuts=st.lists(st.integers(0, 37), max_size=9).map(sorted))
def test_table__has_the_same_bytes_however_it_is_cut(cuts: list[int]) -> None:
    """Batches of any size, empty ones too, give the file that one batch gives."""
    rows = _rows(37)
    batches = [rows[start:end] for start, end in pairwise([0, *cuts, 37])]
    with TemporaryDirectory() as folder:
        whole = _written(Path(folder), [rows]).read_bytes()
        cut = _written(Path(folder), batches)
        assert cut.read_bytes() == whole
        assert pl.read_parquet(cut).equals(rows)


def test_table__has_row_groups_of_one_size(tmp_path: Path) -> None:
    """All are full but the last."""
    path = _written(tmp_path, [_rows(13), _rows(7)])
    metadata = pq.read_metadata(path)
    rows = [metadata.row_group(number).num_rows for number in range(metadata.num_row_groups)]
    assert rows == [GROUP, GROUP, 4]


@pytest.mark.parametrize("schema", [TickSchema.MBO, TickSchema.MBP_10, TickSchema.DEFINITION])
def test_table__without_rows_keeps_its_schema(tmp_path: Path, schema: TickSchema) -> None:
    """A table that nothing was written to is read as an empty table of its columns."""
    wanted = polars_schema(schema)
    path = _written(tmp_path, [], wanted)
    assert pl.read_parquet(path).schema == wanted
    assert pl.scan_parquet(path).collect_schema() == wanted
    assert pl.read_parquet(path).height == 0


def test_table__keeps_letters(tmp_path: Path) -> None:
    """An Enum column comes back as the Enum that it was, malformed bytes included."""
    read = pl.read_parquet(_written(tmp_path, [_rows(256)]))
    assert read.schema == SCHEMA
    assert read["action"].to_physical().to_list() == [n * 7 % 256 for n in range(256)]


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        (_rows(1).drop("id"), "column id is missing"),
        (_rows(1).with_columns(pl.col("size").cast(pl.Int64)), "column size must be UInt32, got I"),
        (_rows(1).with_columns(extra=1), "unknown columns extra"),
        (_rows(1).select(reversed(SCHEMA.names())), "columns are in another order"),
    ],
)
def test_table__refuses_other_columns(tmp_path: Path, batch: pl.DataFrame, message: str) -> None:
    """The message names the first column that differs."""
    with pytest.raises(LakeError, match=f"^table.parquet: {message}"):
        _written(tmp_path, [batch])
