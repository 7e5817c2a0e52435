"""From a strategy's name in an experiment file to the compiled strategy.

A plain name is one of this package's files; ``path/to/file.py`` or ``path/to/file.py:function`` is
the user's own.
"""

import importlib
import importlib.util
import re
import sys
from hashlib import sha256
from pathlib import Path
from types import ModuleType

from strategy_lab_core.data.exact_yaml import refuse_unknown
from strategy_lab_core.errors import ConfigError, FileError
from strategy_lab_core.strategies.strategy import Strategy

__all__ = ["BUILT_IN", "load_strategy", "strategy_file"]

_FILE = re.compile(r"(.+\.py)(?::(.+))?")  # the folder's name may have a colon too
BUILT_IN = ("avellaneda_stoikov", "bid_ask_bounce", "flow_momentum", "glft", "imbalance")


def load_strategy(name: str) -> Strategy:
    """Return the strategy of this name, with the defaults of its parameters.

    Parameters
    ----------
    name
        One of `BUILT_IN`, a Python file with one strategy, or ``file.py:function``.
    """
    path = strategy_file(name)
    if path is None:
        refuse_unknown("strategy", [name], BUILT_IN)
        module = importlib.import_module(f"strategy_lab_core.strategies.{name}")
        return _strategy_in(module, name)
    return _strategy_in(_module_of(path), _function(name))


def strategy_file(name: str) -> Path | None:
    """Return the file that a name means, None where it is no file's."""
    file = _FILE.fullmatch(name)
    return Path(file[1]) if file else None


def _function(name: str) -> str | None:
    file = _FILE.fullmatch(name)
    return file[2] if file else None


def _module_of(path: Path) -> ModuleType:
    if not path.is_file():
        raise FileError(path, "is no file", "give the path of a strategy's Python file")
    # The content is in the name, so that an edited file is a new module in the same process.
    digest = sha256(path.read_bytes()).hexdigest()[:16]
    name = f"strategy_lab_user_{path.stem}_{digest}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise FileError(path, "can't be imported", "give a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise FileError(path, f"fails with {error!r}", "correct the strategy") from error
    return module


def _strategy_in(module: ModuleType, name: str | None) -> Strategy:
    found = {key: value for key, value in vars(module).items() if isinstance(value, Strategy)}
    own = {key: value for key, value in found.items() if value.module == module.__name__}
    if name is None and len(own) == 1:
        return next(iter(own.values()))
    if name is None or name not in own:
        raise ConfigError("strategy", name, f"one of {', '.join(own) or 'none'} in this file")
    return own[name]
