"""The space of a search: which parameters vary, over which values, under which conditions.

It is made of what the strategy declares (`strategies.parameters`), narrowed by what a search's file
or call says. How points are drawn from it is in `grid` and `samplers`.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args, get_type_hints

from strategy_lab_core.data.exact_yaml import refuse_unknown
from strategy_lab_core.errors import ConfigError
from strategy_lab_core.search.axes import Axis, axis_of
from strategy_lab_core.strategies.parameters import Choice, Range, When
from strategy_lab_core.strategies.strategy import Strategy

__all__ = ["Parameters", "Space", "space_of"]

Parameters = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Space:
    """The axes of a search around one strategy.

    Attributes
    ----------
    strategy
        Its values are those of the parameters that do not vary.
    axes
        In the order in which the strategy declares its parameters.
    """

    strategy: Strategy
    axes: tuple[Axis, ...]

    def is_active(self, axis: Axis, chosen: Parameters) -> bool:
        """Tell whether an axis matters beside the values chosen for the axes before it."""
        fixed = self.strategy.parameters
        return all(
            chosen.get(when.parameter, fixed[when.parameter]) in when.values for when in axis.when
        )

    def complete(self, chosen: Parameters) -> dict[str, float]:
        """Return all parameters, those that were not chosen with the strategy's value."""
        return {**self.strategy.parameters, **chosen}

    def chosen(self, parameters: Parameters) -> dict[str, float]:
        """Return what a search chose of a complete set: the axes that matter in it."""
        found: dict[str, float] = {}
        for axis in self.axes:
            if self.is_active(axis, found):
                found[axis.name] = parameters[axis.name]
        return found

    def broken(self, chosen: Parameters) -> str | None:
        """Return the name of the first constraint that a point breaks, None where it keeps all."""
        values = self.strategy.values._replace(**chosen)
        for constraint in self.strategy.constraints:
            name = getattr(constraint, "__name__", repr(constraint))
            try:
                is_kept = bool(constraint(values))
            except Exception as error:
                raise ConfigError(
                    f"{self.strategy.name} constraint {name}", repr(error), "a predicate"
                ) from error
            if not is_kept:
                return name
        return None

    def as_dict(self) -> dict[str, Any]:
        """Return the strategy's source, what is fixed and what varies, in plain types."""
        varied = {axis.name: axis.as_dict() for axis in self.axes}
        fixed = {k: v for k, v in self.strategy.parameters.items() if self._is_read(k)}
        return {"source": self.strategy.source, "fixed": fixed, "axes": varied}

    def _is_read(self, name: str) -> bool:
        """Tell whether the strategy's own value of a parameter can reach a trial."""
        return all(axis.name != name or axis.when for axis in self.axes)

    def digest(self) -> str:
        """Return 16 hex digits that change with everything that decides what is drawn."""
        text = json.dumps(self.as_dict(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def space_of(strategy: Strategy, given: Mapping[str, Any] | None = None) -> Space:
    """Return the space of a search.

    Parameters
    ----------
    strategy
        With the values of the parameters that stay fixed.
    given
        The parameters to vary, by name; the others stay fixed. What each is given narrows (or,
        inside its bounds, widens) what the strategy declares: a list of values, a mapping of `low`,
        `high`, `step`, `log`, or None for what is declared. By default all parameters with a
        `Range` or a `Choice`, and where there is none, all in their bounds.

    Raises
    ------
    ConfigError
        A name that no parameter has, values out of its bounds or not of its type, a step or a
        scale that makes no sense, a condition on no parameter declared before.
    """
    hints = get_type_hints(type(strategy.values), include_extras=True)
    if given is None:
        given = dict.fromkeys(_declared(hints) or hints)
    refuse_unknown(f"{strategy.name} space", given, tuple(hints))
    conditions = {name: _conditions(strategy, hints, name) for name in hints}
    axes = []
    for name, hint in hints.items():
        if name in given and _can_matter(strategy, conditions, name, given):
            axes.append(axis_of(f"{strategy.name}.{name}", hint, given[name], conditions[name]))
    if not axes:
        raise ConfigError(f"{strategy.name} space", dict(given), "at least one parameter to vary")
    return Space(strategy, tuple(axes))


def _declared(hints: Mapping[str, Any]) -> list[str]:
    return [name for name, hint in hints.items()
            if any(isinstance(extra, Range | Choice) for extra in get_args(hint))]  # fmt: skip


def _conditions(strategy: Strategy, hints: Mapping[str, Any], name: str) -> tuple[When, ...]:
    """Return the conditions of a parameter, with those of the parameters that they look at."""
    found: list[When] = []
    before = list(hints)[: list(hints).index(name)]
    for when in get_args(hints[name]):
        if isinstance(when, When):
            what = f"{strategy.name}.{name}: When"
            refuse_unknown(what, [when.parameter], before)
            found += [*_conditions(strategy, hints, when.parameter), when]
    return tuple(found)


def _can_matter(
    strategy: Strategy,
    conditions: Mapping[str, Sequence[When]],
    name: str,
    given: Mapping[str, Any],
) -> bool:
    """Tell whether the parameters that stay fixed let this one matter at all."""
    fixed = strategy.parameters
    return all(
        when.parameter in given or fixed[when.parameter] in when.values for when in conditions[name]
    )
