"""Where the calendar is not the base library's: the table of docs/calendar.md.

``python -m tests.golden.disagreements`` prints it.
"""

import sys

import polars as pl

from strategy_lab_core.data.hours import library_hours, overridden, overrides_of

CALENDARS = ("CME Globex Equity", "CMEGlobex_CL", "CMEGlobex_GC")
LISTED = 12  # sessions; longer runs are given by their ends


def differences(name: str) -> pl.DataFrame:
    """Return a row for each session and aspect that differ: `key`, `what`, `library`, `ours`."""
    zone, library = library_hours(name)
    ours = overridden(library, zone, overrides_of(name))
    both = library.join(ours, on="key", how="left", suffix="_ours")
    aspects = {
        "close": (_clock("close", zone), _clock("close_ours", zone)),
        "halt": (_halt("", zone), _halt("_ours", zone)),
        "trade date": (_day("trade_date"), _day("trade_date_ours")),
    }
    gone = pl.col("open_ours").is_null()
    kept = pl.concat(
        both.filter(~gone)
        .select("key", what=pl.lit(what), library=before, ours=after)
        .filter(pl.col("library") != pl.col("ours"))
        for what, (before, after) in aspects.items()
    )
    closed = both.filter(gone).select(
        "key", what=pl.lit("close"), library=_clock("close", zone), ours=pl.lit("no session")
    )
    return pl.concat([closed, kept])


def _clock(column: str, zone: str) -> pl.Expr:
    moment = pl.from_epoch(column, "ns").dt.replace_time_zone("UTC").dt.convert_time_zone(zone)
    return moment.dt.strftime("%H:%M")


def _halt(suffix: str, zone: str) -> pl.Expr:
    start, end = (_clock(f"halt_{edge}{suffix}", zone) for edge in ("start", "end"))
    none = pl.col(f"halt_start{suffix}") == 0
    return pl.when(none).then(pl.lit("none")).otherwise(pl.format("{}-{}", start, end))


def _day(column: str) -> pl.Expr:
    same = pl.col(column) == pl.col("key")
    return pl.when(same).then(pl.lit("its own")).otherwise(pl.lit("the next"))


def table() -> list[str]:
    """Return the lines of the table."""
    lines = ["| calendar | sessions | what | library | ours |", "| --- | --- | --- | --- | --- |"]
    for name in CALENDARS:
        groups = differences(name).group_by("what", "library", "ours", maintain_order=True)
        for (what, library, ours), rows in groups:
            keys = rows["key"].sort()
            few = ", ".join(map(str, keys))
            days = few if len(keys) <= LISTED else f"{len(keys)} from {keys[0]} to {keys[-1]}"
            lines.append(f"| {name} | {days} | {what} | {library} | {ours} |")
    return lines


if __name__ == "__main__":
    sys.stdout.write("\n".join(table()) + "\n")
