"""Experiment files: paths beside the file, also where the file is copied into the home folder."""

from pathlib import Path

import pytest

from strategy_lab_core.errors import FileError
from strategy_lab_pipeline.settings import Settings
from strategy_lab_pipeline.stages.experiments import experiments, moved_text, read_experiment
from strategy_lab_pipeline.work import add_experiment
from tests.pipeline.bad_strategies import write_experiment, write_strategy

LATENCY = "latency: {model: recorded, file: rows.csv}  # measured in May\n"
ROWS = "request_ns,exchange_ns,response_ns\n1,2,3\n"


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an experiment with its strategy and latencies beside it; we are elsewhere."""
    folder = tmp_path / "mine"
    folder.mkdir()
    write_strategy(folder, "good")
    (folder / "rows.csv").write_text(ROWS)
    monkeypatch.chdir("/")
    return write_experiment(folder, "beside", "good.py", LATENCY)


def test_read_experiment__takes_paths_from_the_file_s_folder(file: Path) -> None:
    """Another process finds the strategy by the same words; a wrong path is shown whole."""
    found = read_experiment(file)

    assert found.reference == str(file.parent / "good.py")
    (file.parent / "good.py").unlink()
    with pytest.raises(FileError, match=f"{file.parent}/good.py: is no file"):
        read_experiment(file)


def test_add_experiment__keeps_what_the_paths_mean(file: Path, tmp_path: Path) -> None:
    """The copy differs in its paths alone, and is the same experiment."""
    settings = Settings(home=tmp_path / "home")
    added = add_experiment(settings, file)

    (found,) = experiments(settings).usable
    assert found.digest() == read_experiment(file).digest()
    text, copied = file.read_text(), added.read_text()
    folder = file.parent
    expected = text.replace("good.py", f'"{folder}/good.py"').replace(
        "rows.csv", f'"{folder}/rows.csv"'
    )
    assert copied == expected
    assert moved_text(added) == copied
