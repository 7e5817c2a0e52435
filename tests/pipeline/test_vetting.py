"""A strategy's file that hangs or kills whoever imports it is told, and hangs nobody."""

from pathlib import Path
from unittest.mock import Mock

import pytest

from strategy_lab_pipeline.settings import Settings
from strategy_lab_pipeline.stages import vetting
from strategy_lab_pipeline.stages.experiments import experiments
from strategy_lab_pipeline.stages.vetting import vet
from tests.pipeline.bad_strategies import HEAD, write_experiment, write_strategy


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("while True:\n    pass\n", "killed at its deadline"),
        ("import time\ntime.sleep(3600)\n", "killed at its deadline"),
        ("import os\nos.abort()\n", "died with exit code -6"),
    ],
    ids=["loops", "waits", "aborts"],
)
def test_experiments__survive_the_import_of_a_strategy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, says: str
) -> None:
    """It is named with what to do; its neighbour is usable."""
    monkeypatch.setattr(vetting, "IMPORT_SECONDS", 2.0)
    settings = Settings(home=tmp_path / "home")
    (tmp_path / "hangs.py").write_text(code + HEAD)
    write_experiment(settings.experiments, "hangs", tmp_path / "hangs.py")
    write_experiment(settings.experiments, "imbalance", "imbalance")

    found = experiments(settings)

    assert [each.name for each in found.usable] == ["imbalance"]
    (problem,) = found.problems
    assert f"{tmp_path}/hangs.py: can't be imported within 2 s" in problem
    assert says in problem
    assert "no loop, no waiting outside of functions" in problem


def test_vet__asks_once_for_a_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An edited file is asked again; built-in names and files that are not there never."""
    monkeypatch.setattr(vetting, "CACHE_FOLDER", tmp_path)
    path = write_strategy(tmp_path, "good")
    vet(str(path))
    started = Mock(side_effect=AssertionError("a process was started"))
    monkeypatch.setattr(vetting, "Engine", started)

    vet(f"{path}:bad")
    vet("imbalance")
    vet(str(tmp_path / "none.py"))
    started.assert_not_called()
    path.write_text(path.read_text() + "# edited\n")
    with pytest.raises(AssertionError, match="a process was started"):
        vet(str(path))


def test_experiments__say_why_an_import_fails(tmp_path: Path) -> None:
    """As it would without a process of its own."""
    settings = Settings(home=tmp_path / "home")
    (tmp_path / "fails.py").write_text("1 / 0\n")
    write_experiment(settings.experiments, "fails", tmp_path / "fails.py")

    (problem,) = experiments(settings).problems
    assert "fails with ZeroDivisionError('division by zero')" in problem
