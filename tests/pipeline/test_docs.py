"""What the documentation tells people to type works."""

import re
from collections.abc import Callable
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import pytest

from strategy_lab_pipeline.scaffold import new_strategy
from strategy_lab_pipeline.stages.experiments import read_experiment

ROOT = Path(__file__).parents[2]


def _blocks(page: str, language: str) -> list[str]:
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)


Said = Callable[[str], str]


@pytest.fixture
def said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Said:
    """Run code as its reader would, in a folder of their own, and return what it prints."""
    monkeypatch.chdir(tmp_path)

    def run(code: str) -> str:
        out = StringIO()
        with redirect_stdout(out):
            exec(compile(code, "page.py", "exec"), {"__name__": "__main__"})
        return out.getvalue()

    return run


def test_write_a_strategy__its_code_runs(tmp_path: Path, said: Said) -> None:
    """From the files that `new` writes to a backtest, a sweep and an experiment."""
    new_strategy("my_idea", tmp_path)
    (code,) = _blocks("write-a-strategy.md", "python")

    assert "flow_lots" in said(code)

    (yaml,) = _blocks("write-a-strategy.md", "yaml")
    file = tmp_path / "my_idea.yaml"
    file.write_text(yaml, encoding="utf-8")
    experiment = read_experiment(file)
    assert experiment.strategy.parameters["flow_lots"] == 20
    assert experiment.config.limits.max_loss_e6 == 500_000_000


def test_probes__its_code_runs(said: Said) -> None:
    """The honest strategy has no leak, the dishonest one has."""
    (code,) = _blocks("probes.md", "python")

    printed = said(code)

    first, second, *_ = printed.splitlines()
    assert first == "no leak found"
    assert second.startswith("leak ")
    assert "slippage, ticks" in printed


def test_search__its_code_runs(said: Said) -> None:
    """A search and a walk-forward over simulated sessions."""
    printed = said("\n".join(_blocks("search.md", "python")))

    assert "(5, " in printed
    assert "share_worse" in printed


def test_evidence__its_code_runs(said: Said) -> None:
    """The planted edge is found among fifty trials, and each light says why."""
    (code,) = _blocks("evidence.md", "python")
    printed = said(code)

    assert printed.startswith("Green, after 50 trials over 504 sessions")
    assert "deflated" in printed
