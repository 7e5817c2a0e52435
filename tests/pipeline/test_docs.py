"""What the documentation tells people to type works."""

import os
import re
import subprocess
import sys
from pathlib import Path

from strategy_lab_pipeline.scaffold import new_strategy
from strategy_lab_pipeline.stages.experiments import read_experiment

ROOT = Path(__file__).parents[2]


def _blocks(page: str, language: str) -> list[str]:
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)


def _said(code: str, folder: Path) -> str:
    """Run the code as its reader would, in a folder of their own, and return what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True, check=False, text=True, cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_write_a_strategy__its_code_runs(tmp_path: Path) -> None:
    """From the files that `new` writes to a backtest, a sweep and an experiment."""
    new_strategy("my_idea", tmp_path)
    (code,) = _blocks("write-a-strategy.md", "python")

    said = _said(code, tmp_path)

    assert "flow_lots" in said

    (yaml,) = _blocks("write-a-strategy.md", "yaml")
    file = tmp_path / "my_idea.yaml"
    file.write_text(yaml, encoding="utf-8")
    experiment = read_experiment(file)
    assert experiment.strategy.parameters["flow_lots"] == 20
    assert experiment.config.limits.max_loss_e6 == 500_000_000


def test_probes__its_code_runs(tmp_path: Path) -> None:
    """The honest strategy has no leak, the dishonest one has."""
    (code,) = _blocks("probes.md", "python")

    said = _said(code, tmp_path)

    first, second, *_ = said.splitlines()
    assert first == "no leak found"
    assert second.startswith("leak ")
    assert "slippage, ticks" in said


def test_search__its_code_runs(tmp_path: Path) -> None:
    """A search and a walk-forward over simulated sessions."""
    said = _said("\n".join(_blocks("search.md", "python")), tmp_path)

    assert "(5, " in said
    assert "share_worse" in said


def test_evidence__its_code_runs(tmp_path: Path) -> None:
    """The planted edge is found among fifty trials, and each light says why."""
    (code,) = _blocks("evidence.md", "python")
    said = _said(code, tmp_path)

    assert said.startswith("Green, after 50 trials over 504 sessions")
    assert "deflated" in said
