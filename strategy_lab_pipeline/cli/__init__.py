"""The command line `strategy-lab`: what to do is in the stages, how to show it is here.

Exit codes: 0 done, 1 something failed or is not as it should be, 2 the call was wrong. With
`--json` the answer goes to standard output as one JSON document and everything else to standard
error.
"""

import sys

from strategy_lab_core.errors import StrategyLabError
from strategy_lab_pipeline.cli import chain, look, new, probes, research, trials
from strategy_lab_pipeline.cli.shared import app, people
from strategy_lab_pipeline.say import say

__all__ = ["app", "chain", "look", "main", "new", "probes", "research", "trials"]


def main() -> None:
    """Run the command line; our own errors are one line and exit code 1, never a traceback."""
    try:
        app()
    except StrategyLabError as error:
        say(people, str(error), mark="error:", style="bold red")
        sys.exit(1)
