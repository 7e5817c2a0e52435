"""The command line in this process: for what a call answers, not for how its process lives."""

import os
import sys
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from subprocess import CompletedProcess
from unittest import mock

from strategy_lab_pipeline.cli import main

__all__ = ["call"]


def call(*arguments: str, **environment: str) -> "CompletedProcess[str]":
    """Return exit code and output of `strategy-lab` with these words; the environment is kept."""
    words, out, err = ["strategy-lab", *arguments], StringIO(), StringIO()
    with (
        mock.patch.object(sys, "argv", words),
        mock.patch.dict(os.environ, environment),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        try:
            main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
        else:
            code = 0
    return CompletedProcess(words, code, out.getvalue(), err.getvalue())
