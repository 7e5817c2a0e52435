"""Comma-separated text in blocks of whole lines, every cell as text, every line one row.

No quoting: a broken quote can't swallow the rows after it. What the cells mean is said in the
reader of each format.
"""

from collections.abc import Iterator

import numpy as np
import polars as pl

from strategy_lab_core.data.tick_file import COPY_AGAIN, ByteStream
from strategy_lab_core.errors import FormatError, TruncatedFileError

__all__ = ["read_cells", "read_line"]

_BLOCK_BYTES = 1 << 22
_MAX_LINE_BYTES = 1 << 16


def read_line(stream: ByteStream) -> tuple[str, bytes]:
    """Return the first line without its end, and what was read beyond it."""
    text = stream.read_whole(_MAX_LINE_BYTES)
    line, end, rest = text.partition(b"\n")
    if not end:
        if len(text) == _MAX_LINE_BYTES:
            problem = f"its first line is longer than {_MAX_LINE_BYTES} bytes"
            raise FormatError(stream.path, problem, "is it a text file?")
        raise TruncatedFileError(stream.path, "ends in its first line", COPY_AGAIN)
    return line.decode("utf-8-sig", "replace").rstrip("\r"), rest


def read_cells(stream: ByteStream, names: list[str], rest: bytes = b"") -> Iterator[pl.DataFrame]:
    """Yield String columns for blocks of lines, in order.

    A line with another number of cells gives a row of empty cells. A last line without an end is
    an error: it may be cut in the middle of a cell. A file cut exactly between two lines can't be
    told from a whole one.

    Parameters
    ----------
    stream
        The text, UTF-8; bytes that are not become U+FFFD.
    names
        One name per cell of a line; at least two.
    rest
        Text already read from the stream.
    """
    row = 0
    while part := stream.read_whole(_BLOCK_BYTES):
        text = rest + part
        end = text.rfind(b"\n") + 1
        yield from _parsed(stream, text[:end], names, row)
        row += text.count(b"\n", 0, end)
        rest = text[end:]
    end = rest.rfind(b"\n") + 1
    yield from _parsed(stream, rest[:end], names, row)
    if rest[end:]:
        row += rest.count(b"\n")
        problem = f"row {row} has no line end: the file ends in it, at byte {stream.offset}"
        remedy = f"{COPY_AGAIN}; if it is whole, end its last line with a line feed"
        raise TruncatedFileError(stream.path, problem, remedy)


def _parsed(stream: ByteStream, text: bytes, names: list[str], row: int) -> Iterator[pl.DataFrame]:
    if not text:
        return
    cells = pl.read_csv(
        _with_equal_cells(text.replace(b"\r\n", b"\n"), len(names)),
        has_header=False,
        schema=dict.fromkeys(names, pl.String),
        quote_char=None,
        encoding="utf8-lossy",
        empty_string_is_null=False,
    )
    lines = text.count(b"\n")
    if cells.height != lines:
        problem = f"rows {row} to {row + lines - 1} can't be split into lines"
        raise FormatError(stream.path, problem, COPY_AGAIN)
    yield cells


def _with_equal_cells(text: bytes, cells: int) -> bytes:
    codes = np.frombuffer(text, np.uint8)
    ends = np.flatnonzero(codes == ord("\n"))
    commas = np.diff(np.cumsum(codes == ord(","))[ends], prepend=0)
    if (commas == cells - 1).all():
        return text
    lines = text.split(b"\n")
    for line in np.flatnonzero(commas != cells - 1):
        lines[line] = b"," * (cells - 1)
    return b"\n".join(lines)
