"""What docs/command-line.md says about a command's answer, beside the answer."""

import re
from pathlib import Path
from typing import Any

__all__ = ["assert_documented"]

PAGE = Path(__file__).parents[2] / "docs" / "command-line.md"


def assert_documented(command: str, answer: Any) -> None:
    """Compare the keys of an answer and of its rows with the page, both ways."""
    cells = [line.split("|") for line in PAGE.read_text(encoding="utf-8").splitlines()]
    ((_, _, keys, rows, _),) = [
        each for each in cells if len(each) == 5 and command in _names(each[1])
    ]
    if isinstance(answer, dict):
        assert set(answer) == set(_names(keys))
    for part in rows.split(";"):
        place, colon, told = part.partition(":")
        named = _names(told.partition(" and ")[0])
        if not colon or not named:
            continue
        found = answer[_names(place)[0]] if _names(place) else answer
        for row in found:
            assert set(named) <= set(row)
            assert " and " in told or set(row) == set(named)


def _names(text: str) -> list[str]:
    return re.findall(r"`([\w-]+)`", text)
