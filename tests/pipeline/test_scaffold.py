"""What `strategy-lab new strategy` writes runs at once."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from strategy_lab_core.errors import ConfigError
from strategy_lab_core.strategies.experiment_schema import experiment_schema
from strategy_lab_pipeline.errors import PipelineError
from strategy_lab_pipeline.scaffold import new_schema, new_strategy

ROOT = Path(__file__).parents[2]


def test_new_strategy__its_test_passes(tmp_path: Path) -> None:
    """The two files need nothing but Strategy Lab, from any folder; mypy and ruff have no word."""
    command = [sys.executable, "-m", "strategy_lab_pipeline.cli", "new", "strategy", "my_idea"]
    made = subprocess.run(
        [*command, "--folder", str(tmp_path)],
        capture_output=True, check=False, text=True, cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    assert str(tmp_path / "my_idea.py") in made.stderr

    checks = [["pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]]
    checks += [["ruff", "check", "--config", str(ROOT / "pyproject.toml"), str(tmp_path)]]
    for check in checks:
        done = subprocess.run(
            [sys.executable, "-m", *check],
            capture_output=True, check=False, text=True, cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
    lines = (tmp_path / "my_idea.py").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 60


def test_new_strategy__overwrites_nothing(tmp_path: Path) -> None:
    """Not even half: where one of the files is there, the other is not written."""
    (tmp_path / "test_mine.py").write_text("kept")
    with pytest.raises(PipelineError, match=r"test_mine\.py: is there already"):
        new_strategy("mine", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["test_mine.py"]


@pytest.mark.parametrize("name", ["../evil", "Has-Dash", "class", "Upper", ""])
def test_new_strategy__takes_names_only(tmp_path: Path, name: str) -> None:
    """A path or a word of Python is no name."""
    with pytest.raises(ConfigError, match="a Python name in lower case"):
        new_strategy(name, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_new_schema__is_of_this_version(tmp_path: Path) -> None:
    """Written over an older one, in a folder that need not be there."""
    path = tmp_path / "experiments" / "experiment.schema.json"
    path.parent.mkdir()
    path.write_text("{}")

    assert new_schema(path.parent) == path
    assert json.loads(path.read_text(encoding="utf-8")) == experiment_schema()
