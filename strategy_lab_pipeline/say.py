"""Lines for people that hold what others wrote: reasons, paths, code."""

from rich.console import Console
from rich.text import Text

__all__ = ["say"]


def say(console: Console, text: str, *, mark: str = "", style: str = "") -> None:
    """Print a line as it is, behind a word in a style: brackets in it are no markup of ours."""
    line = Text.assemble((mark, style), " ", text) if mark else Text(text)
    console.print(line, highlight=False, soft_wrap=True)
