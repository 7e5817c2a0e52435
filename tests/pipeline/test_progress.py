"""Progress bars: shown on a terminal, silent elsewhere."""

from io import StringIO

import pytest
from rich.console import Console

from strategy_lab_pipeline.progress import steps, tell_part


def test_steps__shows_title_count_and_label_on_a_terminal() -> None:
    """A label is text: brackets in a file name are no markup."""
    screen = StringIO()
    with steps("reading", total=2, console=Console(file=screen, force_terminal=True)) as progress:
        progress.advance("a[b].dbn")
        progress.advance("c.dbn")
        progress.advance("a[b].dbn", count=0)
    assert "reading" in screen.getvalue()
    assert "2/2" in screen.getvalue()
    assert "a[b].dbn" in screen.getvalue()


def test_steps__shows_how_far_the_step_under_way_is() -> None:
    """Told by whoever does the work, without knowing of the bar; without one it is nothing."""
    screen = StringIO()
    with steps("running", total=2, console=Console(file=screen, force_terminal=True)):
        tell_part("imbalance", 3, 8)
    tell_part("nobody", 1, 2)

    assert "imbalance" in screen.getvalue()
    assert "3/8" in screen.getvalue()
    assert "nobody" not in screen.getvalue()


@pytest.mark.parametrize(("terminal", "total"), [(False, 2), (True, 0)])
def test_steps__is_silent_where_there_is_nothing_to_see(terminal: bool, total: int) -> None:
    """No terminal, or no work."""
    screen = StringIO()
    console = Console(file=screen, force_terminal=terminal)
    with steps("reading", total=total, console=console) as progress:
        progress.advance("a.dbn")
    assert screen.getvalue() == ""
