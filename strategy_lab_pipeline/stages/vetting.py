"""A user's strategy file is imported where it can be killed before it is imported here.

An endless loop at import would hang whoever reads the experiment: a command, Dagster's sensor. A
content that came to its end once is marked beside the compiled kernels, and not asked again.
"""

from hashlib import sha256

from strategy_lab_core._jit import CACHE_FOLDER
from strategy_lab_core.errors import FileError
from strategy_lab_core.strategies.loader import strategy_file
from strategy_lab_pipeline.errors import EngineError, OverrunError
from strategy_lab_pipeline.stages.engine import Engine
from strategy_lab_pipeline.stages.jobs import Import

__all__ = ["vet"]

IMPORT_SECONDS = 120.0  # with compiling it on a busy machine


def vet(reference: str) -> None:
    """Import a strategy's file in a process of its own, where that has not been done yet.

    What the import itself refuses, the import here refuses again, and says why.

    Raises
    ------
    FileError
        It never ended, or ended the process.
    """
    path = strategy_file(reference)
    if path is None or not path.is_file():
        return
    marker = CACHE_FOLDER / "imported" / sha256(path.read_bytes()).hexdigest()
    if marker.exists():
        return
    engine = Engine()
    try:
        engine.run(Import(reference), deadline_seconds=IMPORT_SECONDS, on_progress=lambda *_: None)
    except OverrunError as error:
        problem = f"can't be imported within {IMPORT_SECONDS:g} s: {error}"
        remedy = "keep the file to definitions: no loop, no waiting outside of functions"
        raise FileError(path, problem, remedy) from error
    except EngineError:
        return
    finally:
        engine.stop()
    marker.parent.mkdir(parents=True, exist_ok=True)
    marker.touch()
