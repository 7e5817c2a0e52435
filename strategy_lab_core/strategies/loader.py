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

from numba.core.errors import NumbaError, UnsupportedBytecodeError

from strategy_lab_core.data.exact_yaml import refuse_unknown
from strategy_lab_core.errors import ConfigError, FileError, StrategyLabError
from strategy_lab_core.strategies.strategy import Strategy

__all__ = ["BUILT_IN", "load_strategy", "strategy_file"]

_FILE = re.compile(r"(.+\.py)(?::(.+))?")  # the folder's name may have a colon too
# What Numba has no code for is an error of its own kind.
_REFUSED = (NumbaError, UnsupportedBytecodeError, NotImplementedError)
_RAISED_FROM = re.compile(r"\.? *Raised from .*")
_FIELDS = re.compile(r"(?<=View|rams|mory)\((?:[^()]|\([^()]*\))*\)")  # the types of all fields
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
    except _REFUSED as error:
        del sys.modules[name]
        remedy = "correct it, or run it as plain Python with NUMBA_DISABLE_JIT=1"
        raise FileError(path, f"does not compile: {_complaint(error, path)}", remedy) from error
    except StrategyLabError as error:  # ours: a sentence already
        del sys.modules[name]
        raise FileError(path, str(error), "correct the strategy") from error
    except Exception as error:
        del sys.modules[name]
        raise FileError(path, f"fails with {error!r}", "correct the strategy") from error
    return module


def _complaint(error: Exception, path: Path) -> str:
    """Return the sentence that matters of Numba's pages, with the line of the file and its code."""
    text = str(error)
    lines = [line.strip().removeprefix(">>> ") for line in text.splitlines()]
    said = [line for line in lines if line and not line.startswith("Failed in ")]
    reason = said[0] if said else type(error).__name__
    for more in said[1:]:
        if not reason.endswith(":"):  # "found for signature:", and below it the call
            break
        reason = f"{reason} {more}"
    reason = _FIELDS.sub("", _RAISED_FROM.sub("", reason))
    full, name = re.escape(str(path)), re.escape(path.name)
    where = re.search(rf"{full}\"?(?:, line | ?\()(\d+)|\"{name}\", line (\d+)", text)
    source = path.read_text(encoding="utf-8").splitlines()
    number = int(where[1] or where[2]) if where else 0
    if not 1 <= number <= len(source):
        return reason
    return f"{reason}, in line {number}: {source[number - 1].strip()}"


def _strategy_in(module: ModuleType, name: str | None) -> Strategy:
    found = {key: value for key, value in vars(module).items() if isinstance(value, Strategy)}
    own = {key: value for key, value in found.items() if value.module == module.__name__}
    if name is None and len(own) == 1:
        return next(iter(own.values()))
    if not own:
        file = module.__file__ or module.__name__
        raise FileError(file, "holds no strategy", "mark its function with `@strategy(Params)`")
    if name is None or name not in own:
        raise ConfigError("strategy", name, f"one of {', '.join(own)} in this file")
    return own[name]
