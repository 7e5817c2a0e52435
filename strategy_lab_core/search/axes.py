"""One parameter of a search: from what the strategy declares and a call narrows to its values."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, get_args

from strategy_lab_core.data.exact_yaml import refuse_unknown
from strategy_lab_core.errors import ConfigError
from strategy_lab_core.strategies.parameters import Choice, Range, When
from strategy_lab_core.strategies.strategy import Bounds

__all__ = ["MAX_VALUES", "Axis", "axis_of"]

MAX_VALUES = 100_000  # of one axis that is a list of values


@dataclass(frozen=True, slots=True)
class Axis:
    """One parameter that a search varies.

    Attributes
    ----------
    name, kind
        Of the parameter; int, float or bool.
    low, high, log
        Inclusive range and its scale.
    values
        Where it is not empty: all values, instead of the whole range.
    is_ordered
        Whether neighbours in `values` are alike.
    when
        All of these have to hold, or the parameter keeps the strategy's value.
    """

    name: str
    kind: type
    low: float
    high: float
    log: bool = False
    values: tuple[float, ...] = ()
    is_ordered: bool = True
    when: tuple[When, ...] = ()

    @property
    def n_values(self) -> int | None:
        """How many values it has; None for a continuous one."""
        if self.values:
            return len(self.values)
        return int(self.high - self.low) + 1 if self.kind is int else None

    def place(self, value: float) -> float:
        """Return where a value lies between the first (0) and the last (1)."""
        if self.values:
            return self.values.index(value) / max(len(self.values) - 1, 1)
        if self.high == self.low:
            return 0.0
        scale = math.log if self.log else float
        return (scale(value) - scale(self.low)) / (scale(self.high) - scale(self.low))

    def as_dict(self) -> dict[str, Any]:
        """Return everything that decides what is drawn, in plain types."""
        return {
            "low": self.low,
            "high": self.high,
            "log": self.log,
            "values": list(self.values),
            "is_ordered": self.is_ordered,
            "when": [[each.parameter, *each.values] for each in self.when],
        }


def axis_of(what: str, hint: Any, given: Any, when: tuple[When, ...]) -> Axis:
    """Return the axis of a parameter.

    Parameters
    ----------
    what
        ``<strategy>.<parameter>``, for messages.
    hint
        The parameter's annotation.
    given, when
        What a search gives it, as in `space.space_of`; its conditions.
    """
    kind, *extras = get_args(hint)
    bounds = next(extra for extra in extras if isinstance(extra, Bounds))
    declared = next((extra for extra in extras if isinstance(extra, Range | Choice)), Range())
    name = what.partition(".")[2]
    if given is None or given == {}:
        given = declared
    elif isinstance(given, Mapping):
        given = _narrowed(what, declared, given)
    elif isinstance(given, Sequence) and not isinstance(given, str):
        values = tuple(_number(what, kind, bounds, value) for value in given)
        is_ordered = not isinstance(declared, Choice) and kind is not bool
        return _of_values(what, name, kind, values, is_ordered, when)
    else:
        raise ConfigError(what, given, "a list of values, or low, high, step, log")
    if isinstance(given, Choice):
        values = tuple(_number(what, kind, bounds, value) for value in given.values)
        return _of_values(what, name, kind, values, False, when)
    if kind is bool:
        return _of_values(what, name, kind, (False, True), False, when)
    return _of_range(what, name, kind, bounds, given, when)


def _narrowed(what: str, declared: Range | Choice, given: Mapping[str, Any]) -> Range:
    refuse_unknown(what, given, ("low", "high", "step", "log"))
    if isinstance(declared, Choice):
        raise ConfigError(what, dict(given), "a list of values: it is declared as a choice")
    own = {"low": declared.low, "high": declared.high, "step": declared.step, "log": declared.log}
    if "step" in given and "log" not in given:
        own["log"] = False
    if given.get("log") and "step" not in given:
        own["step"] = None
    found = Range(**(own | dict(given)))
    if not isinstance(found.log, bool):
        raise ConfigError(f"{what}: log", found.log, "true or false")
    return found


def _number(what: str, kind: type, bounds: Bounds, value: object) -> float:
    """Return a value of the parameter's type; refuse one that the strategy would refuse."""
    if isinstance(value, Decimal):
        value = float(value)
    is_number = isinstance(value, int | float) and (kind is bool or not isinstance(value, bool))
    if not is_number or not bounds.low <= value <= bounds.high or kind(value) != value:  # type: ignore[operator]
        expected = f"{kind.__name__} in [{bounds.low:g}, {bounds.high:g}]"
        raise ConfigError(what, value, expected)
    number: float = kind(value)
    return number


def _of_values(
    what: str,
    name: str,
    kind: type,
    values: tuple[float, ...],
    is_ordered: bool,
    when: tuple[When, ...],
) -> Axis:
    distinct = tuple(dict.fromkeys(values))
    if not distinct or len(distinct) < len(values):
        raise ConfigError(what, list(values), "one value or more, each once")
    if is_ordered:
        distinct = tuple(sorted(distinct))
    return Axis(name, kind, min(distinct), max(distinct), False, distinct, is_ordered, when)


def _of_range(
    what: str, name: str, kind: type, bounds: Bounds, given: Range, when: tuple[When, ...]
) -> Axis:
    low = _number(f"{what}: low", kind, bounds, bounds.low if given.low is None else given.low)
    high = _number(f"{what}: high", kind, bounds, bounds.high if given.high is None else given.high)
    if low > high:
        raise ConfigError(f"{what}: high", high, f"at least low, {low:g}")
    if given.log and given.step is not None:
        raise ConfigError(f"{what}: step", given.step, "none on a log scale")
    if given.log and low <= 0:
        raise ConfigError(f"{what}: low", low, "above 0 on a log scale")
    if given.step is None:
        return Axis(name, kind, low, high, given.log, when=when)
    return _of_values(what, name, kind, _steps(what, kind, low, high, given.step), True, when)


def _steps(what: str, kind: type, low: float, high: float, step: object) -> tuple[float, ...]:
    """Return low, low + step, ... up to high, counted in decimals: 0.1 steps are 0.1, 0.2, 0.3."""
    if isinstance(step, bool) or not isinstance(step, int | float | Decimal) or not step > 0:
        raise ConfigError(f"{what}: step", step, "a number above 0")
    if kind is int and step != int(step):
        raise ConfigError(f"{what}: step", step, "a whole number")
    first, spacing = Decimal(str(low)), Decimal(str(step))
    n = int((Decimal(str(high)) - first) / spacing) + 1
    if n > MAX_VALUES:
        raise ConfigError(f"{what}: step", step, f"so large that there are {MAX_VALUES:,} values")
    return tuple(kind(first + k * spacing) for k in range(n))
