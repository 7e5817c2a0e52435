"""docs/vocabulary.md, written from the table schemas: `python -m ...vocabulary [PATH]`.

Only the page's form is here; a column's name, type, unit and meaning are declared in `schemas`, a
row rule's in `checks`.
"""

import sys
from collections.abc import Iterable
from pathlib import Path

from strategy_lab_core.data.checks import QUARANTINE_COLUMNS, row_rules
from strategy_lab_core.data.gap_kinds import COMPLETENESS_TABLES
from strategy_lab_core.data.result_schemas import RESULT_TABLES
from strategy_lab_core.data.roll_schemas import ROLL_TABLES
from strategy_lab_core.data.schemas import LETTER, STATE_COLUMNS, ColumnSpec, columns_of
from strategy_lab_core.types import BookState, Phase, RecordFlag, TickSchema

__all__ = ["main", "render"]

_HEAD = """\
# Vocabulary

Written by `make vocabulary` from `schemas.py`, `result_schemas.py`, `roll_schemas.py` and
`gap_kinds.py` in `strategy_lab_core/data`: change it there.

The words are Databento's. Times are int64 ns UTC, prices int64 in 1e-9 of the quoted unit, sizes
whole lots. "letter" is a Polars Enum whose physical value is the ASCII code of a DBN record. Raw
ticks may hold any value that fits the type; validated ticks hold those of the range. `bbo` and
`levels` are the order books of the lake, `intervals` the stretches without a trusted book; `bars`
and `features` are made of trades and books, a row for each bar or cell of time;
`orders`, `fills` and `equity` are what a backtest leaves, their "money" is 1e-6 of the product's
currency; an account of several instruments has `account_equity` in the place of the last. From
`contract_sessions` on, the tables are those that [rolls](rolls.md) are decided from, and what is
decided; `completeness` and `gaps` say [what of the sessions is there](quality.md).
"""
_TEN_LEVELS = "Ten levels deep: `bid_px_00` to `ask_ct_09`, as listed here for level 0."
_DEEPER = tuple(f"_{level:02d}" for level in range(1, 10))


def render() -> str:
    """Return the page."""
    tables = (_table(schema) for schema in TickSchema)
    added = (
        _added("Validated ticks", "of schemas with a book", STATE_COLUMNS),
        _added("Quarantined ticks", "of every schema", QUARANTINE_COLUMNS),
    )
    named = {**RESULT_TABLES, **ROLL_TABLES, **COMPLETENESS_TABLES}
    results = (_section(name, columns) for name, columns in named.items())
    return "\n".join([_HEAD, *tables, *added, *results, _rules(), _codes()])


def _table(schema: TickSchema) -> str:
    columns = columns_of(schema)
    shown = [column for column in columns if not column.name.endswith(_DEEPER)]
    lines = [f"## {schema.value}", "", *_columns(shown)]
    return "\n".join([*lines, *(["", _TEN_LEVELS] if len(shown) < len(columns) else []), ""])


def _section(name: str, columns: Iterable[ColumnSpec]) -> str:
    return "\n".join([f"## {name}", "", *_columns(columns), ""])


def _columns(columns: Iterable[ColumnSpec]) -> list[str]:
    rows = [f"| `{c.name}` | {_type(c)} | {c.unit} | {_range(c)} | {c.meaning} |" for c in columns]
    return ["| column | type | unit | range | meaning |", "| --- | --- | --- | --- | --- |", *rows]


def _type(column: ColumnSpec) -> str:
    return "letter" if column.dtype == LETTER else str(column.dtype)


def _range(column: ColumnSpec) -> str:
    if column.letters:
        return " ".join(column.letters)
    if column.low is None:
        return ""
    return f"from {column.low}" if column.high is None else f"{column.low} to {column.high}"


def _added(title: str, which: str, columns: Iterable[ColumnSpec]) -> str:
    lines = [
        f"## {title}",
        "",
        f"The columns of their schema, and, {which}:",
        "",
        *_columns(columns),
    ]
    return "\n".join([*lines, ""])


def _rules() -> str:
    lines = ["## Row rules", "", "In the order of judgement; the first broken one is recorded.", ""]
    lines += ["| rule | severity | schemas | reason |", "| --- | --- | --- | --- |"]
    for rule in row_rules():
        where = ", ".join(schema.value for schema in TickSchema if schema in rule.schemas)
        lines.append(f"| `{rule.name}` | {rule.severity} | {where} | {rule.reason} |")
    return "\n".join([*lines, ""])


def _codes() -> str:
    lines = ["## Codes", "", "| code | values |", "| --- | --- |"]
    for enum in (Phase, BookState, RecordFlag):
        values = ", ".join(f"{code.value} {code.name.lower()}" for code in enum)
        lines.append(f"| {enum.__name__} | {values} |")
    return "\n".join([*lines, ""])


def main(arguments: list[str]) -> None:
    """Write the page to the path in `arguments`, or to the standard output."""
    if arguments:
        Path(arguments[0]).write_text(render(), encoding="utf-8")
    else:
        sys.stdout.write(render())


if __name__ == "__main__":
    main(sys.argv[1:])
