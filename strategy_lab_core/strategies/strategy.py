"""How a strategy is written: named parameters with bounds, one function, a decorator.

The decorator compiles the function behind the engine's one signature. A small adapter file is
generated for it beside the compile cache, named by a hash of the strategy's source: an edited
strategy is compiled alone, the engine stays cached. A strategy is one file; what it imports must
be part of this package: `requests`, `quoting`, the features.
"""

import difflib
import hashlib
import importlib.util
import inspect
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple, get_args, get_type_hints

import numba
import numpy as np
from numba.extending import intrinsic

from strategy_lab_core._jit import (
    CACHE_FOLDER,
    JIT_DISABLED,
    SHARED_BY_STRATEGIES,
    source_digest,
)
from strategy_lab_core._parts import InlinedCompiler
from strategy_lab_core.engine import sheets
from strategy_lab_core.engine.sheets import STRATEGY_SIGNATURE, StrategyFunction
from strategy_lab_core.errors import ConfigError
from strategy_lab_core.types import Float1D, Int1D, Int2D

__all__ = ["Bounds", "Constraint", "Memory", "Strategy", "View", "strategy"]


Constraint = Callable[[Any], bool]


class Bounds(NamedTuple):
    """Inclusive range of a parameter."""

    low: float
    high: float


class Memory(NamedTuple):
    """A strategy's own numbers, zero at the run's start."""

    ints: Int1D
    floats: Float1D


class View(NamedTuple):
    """What a strategy knows when it is called; prices in ticks, sizes in lots, times in ns."""

    now_ns: int  # our clock
    wake: int  # 1 the book changed, 2 a response came, 3 the timer
    bid: int
    bid_size: int  # 0: no bid
    ask: int
    ask_size: int  # 0: no ask
    position: int  # as far as the responses have told us
    n_orders: int  # rows in use in `orders`
    bought: int  # lots bought by aggressors since the run began
    sold: int
    last_tick: int  # of the last trade
    book_ns: int  # exchange time of the book that is seen
    is_open: int  # 1 in the open phase: orders are rejected in any other
    flatten_ns: int  # our time at which the engine takes over to end flat
    # Number, side, tick, lots left, tag, 1 while a cancel is on its way, kind, 1 while a modify is
    orders: Int2D


@dataclass(frozen=True, slots=True)
class Strategy:
    """A compiled strategy with values for its parameters; call it with others to change them.

    Attributes
    ----------
    name
        Of the author's function.
    function
        What the engine calls: `engine.sheets.StrategyFunction`.
    values
        The parameters, an instance of the author's NamedTuple.
    bounds
        Inclusive range of each parameter.
    on_book, on_response, timer_ns
        Whether it is called when the book that it sees changes, and on responses to its orders; the
        timer's spacing, 0 for none.
    n_ints, n_floats
        Size of its memory.
    source
        16 hex digits of the source that it was compiled from.
    module
        Where it was written.
    doc
        Its docstring.
    constraints
        Predicates over the parameters that every set which a search proposes has to pass.
    """

    name: str
    function: StrategyFunction
    values: Any
    bounds: Mapping[str, Bounds]
    on_book: bool
    on_response: bool
    timer_ns: int
    n_ints: int
    n_floats: int
    source: str
    module: str
    doc: str
    constraints: tuple[Constraint, ...] = ()

    def __call__(self, **parameters: float) -> "Strategy":
        """Return the same strategy with other parameter values; the rest keep theirs."""
        for name in parameters:
            if name not in self.bounds:
                near = difflib.get_close_matches(name, self.bounds, n=1)
                hint = f" (did you mean {near[0]!r}?)" if near else ""
                known = ", ".join(self.bounds)
                raise ConfigError(f"{self.name} parameter", name, f"one of {known}{hint}")
        values = self.values._replace(**parameters)
        _check_values(self.name, values, self.bounds)
        return replace(self, values=values)

    @property
    def parameters(self) -> dict[str, float]:
        """The parameters by name."""
        return dict(self.values._asdict())

    def encode(self) -> Float1D:
        """Return the parameters in the form that kernels read (shape: parameters)."""
        return np.array([float(value) for value in self.values])


def _check_values(name: str, values: Any, bounds: Mapping[str, Bounds]) -> None:
    kinds = _kinds(type(values))
    for parameter, value in values._asdict().items():
        kind, (low, high) = kinds[parameter], bounds[parameter]
        is_number = isinstance(value, int | float) and (kind is bool or not isinstance(value, bool))
        is_whole = is_number and (kind is float or value == int(value))
        if not is_whole or not low <= value <= high:
            expected = f"{kind.__name__} in [{low:g}, {high:g}]"
            raise ConfigError(f"{name}.{parameter}", value, expected)


def _check_function(function: Callable[..., Any]) -> None:
    kinds = (inspect.iscoroutinefunction, inspect.isgeneratorfunction, inspect.isasyncgenfunction)
    if any(is_kind(function) for is_kind in kinds):
        expected = "a plain function: what `async` and `yield` put off is never done"
        raise ConfigError("strategy", function.__name__, expected)


def _check_calls(name: str, is_called: bool, timer_ns: int, ints: int, floats: int) -> None:
    for what, value in (("timer_ns", timer_ns), ("ints", ints), ("floats", floats)):
        if value < 0:
            raise ConfigError(f"{name}: {what}", value, "at least 0")
    if not is_called and timer_ns == 0:
        raise ConfigError(f"{name}: timer_ns", timer_ns, "set: nothing else calls the strategy")


def _kinds(params: type) -> dict[str, type]:
    hints = get_type_hints(params, include_extras=True)
    return {name: get_args(hint)[0] for name, hint in hints.items()}


def _bounds(params: type) -> dict[str, Bounds]:
    found = {}
    for name, hint in get_type_hints(params, include_extras=True).items():
        bounds = [extra for extra in get_args(hint)[1:] if isinstance(extra, Bounds)]
        if not bounds or get_args(hint)[0] not in (int, float, bool):
            raise ConfigError(
                f"{params.__qualname__}.{name}", hint, "Annotated[int | float | bool, Bounds(...)]"
            )
        found[name] = bounds[0]
    return found


def _lent(array: Any) -> Any:
    """Return an array that nobody counts references to: for numbers that somebody else holds."""
    return array


if not JIT_DISABLED:

    @intrinsic
    def _lent(_: Any, array: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            lent = context.make_array(array)(context, builder, *values)
            lent.meminfo = lent.meminfo.type(None)
            return lent._getvalue()

        return array(array), generate


# Counting references to the engine's arrays takes longer than the work of many a strategy.
_ADAPTER = """\
def adapter(ints, floats, page):
    ints, floats, page = _lent(ints), _lent(floats), _lent(page)
    memory = _Memory(ints[{n_view}:], floats[{n_params}:])
    _function(memory, _View({view}, page[{n_requests}:]), _Params({params}), page[:{n_requests}])
    return page[0, 0]
"""


def _adapter_source(params: type) -> str:
    casts = {int: "int", float: "float", bool: "bool"}
    kinds = _kinds(params).values()
    arguments = [f"{casts[kind]}(floats[{i}])" for i, kind in enumerate(kinds)]
    n_view = len(sheets.ViewField)
    return _ADAPTER.format(
        view=", ".join(f"ints[{i}]" for i in range(n_view)),
        params=", ".join(arguments),
        n_view=n_view,
        n_params=len(arguments),
        n_requests=sheets.REQUEST_ROWS,
    )


def _adapter_module(name: str, source: str, digest: str) -> ModuleType:
    """Write the adapter where Numba can cache it, and import it."""
    folder = CACHE_FOLDER / "adapters"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}_{digest}.py"
    if not path.exists():
        draft = path.with_suffix(f".{os.getpid()}.tmp")
        draft.write_text(source)
        draft.replace(path)
    spec = importlib.util.spec_from_file_location(f"strategy_lab_adapter_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise ConfigError("strategy", name, "importable")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def _digest(function: Callable[..., Any], adapter: str) -> str:
    """Return 16 hex digits over everything that the compiled adapter is made of."""
    own_file = inspect.getsourcefile(function)
    written = Path(own_file).read_text() if own_file else inspect.getsource(function)
    here = Path(__file__).parent
    shared = (here / "strategy.py", *(here.parent / name for name in SHARED_BY_STRATEGIES))
    api = [path.read_text() for path in shared]
    features = source_digest(here.parent / "features")
    text = "\0".join([written, function.__qualname__, adapter, features, *api])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _compiled(function: Callable[..., Any], params: type, source: str, digest: str) -> Any:
    names: dict[str, Any] = {
        "_lent": _lent, "_Memory": Memory, "_View": View, "_Params": params,
    }  # fmt: skip
    if JIT_DISABLED:
        exec(source, names | {"_function": function}, names)
        return names["adapter"]
    module = _adapter_module(function.__name__, source, digest)
    # Unchecked, a write past its memory would reach the parameters of the next set.
    checked = numba.njit(boundscheck=True, error_model="numpy", pipeline_class=InlinedCompiler)
    names["_function"] = checked(function)
    vars(module).update(names)
    compile_adapter = numba.njit(STRATEGY_SIGNATURE, cache=True, nogil=True, error_model="numpy")
    return compile_adapter(module.adapter)


def strategy(
    params: type,
    *,
    on_book: bool = True,
    on_response: bool = True,
    timer_ns: int = 0,
    ints: int = 8,
    floats: int = 8,
    constraints: Sequence[Constraint] = (),
) -> Callable[[Callable[[Memory, View, Any, Int2D], None]], Strategy]:
    """Make a strategy of a function ``(memory, view, params, requests) -> None``.

    Parameters
    ----------
    params
        NamedTuple class whose fields are ``Annotated[int | float | bool, Bounds(low, high)]``,
        each with a default.
    on_book
        Call it whenever the book, the traded volume, the phase or the trust in it changes.
    on_response
        Call it on every response to its orders.
    timer_ns
        Call it at this spacing too, from the session's open; 0 for no timer.
    ints, floats
        Numbers it may keep from call to call.
    constraints
        Functions of `params` that are true for the sets which a search may propose, such as
        ``fast < slow``. A single backtest may break them.

    The arrays that the function is called with are the engine's, and lent for the call: what goes
    to Python's objects (``objmode``) is to be copied.
    """

    def made(function: Callable[[Memory, View, Any, Int2D], None]) -> Strategy:
        """Compile `function` for the parameters."""
        _check_function(function)
        _check_calls(function.__name__, on_book or on_response, timer_ns, ints, floats)
        values, bounds = params(), _bounds(params)
        _check_values(function.__name__, values, bounds)
        source = _adapter_source(params)
        digest = _digest(function, source)
        return Strategy(
            name=function.__name__,
            function=_compiled(function, params, source, digest),
            values=values,
            bounds=bounds,
            on_book=on_book,
            on_response=on_response,
            timer_ns=timer_ns,
            n_ints=ints,
            n_floats=floats,
            source=digest,
            module=function.__module__,
            doc=inspect.getdoc(function) or "",
            constraints=tuple(constraints),
        )

    return made
