"""Every point of a space, each once: the last axis varies fastest."""

from collections.abc import Iterator, Sequence
from itertools import islice

from strategy_lab_core.errors import ConfigError
from strategy_lab_core.search.axes import Axis
from strategy_lab_core.search.space import Parameters, Space

__all__ = ["Grid", "grid_points"]


class Grid:
    """Proposes the points of a grid in order, whatever it is told."""

    def __init__(self, space: Space, n_trials: int) -> None:
        self._points = grid_points(space, n_trials)
        self._asked = 0

    def ask(self, n: int) -> list[Parameters]:
        """Return the next `n` points, fewer at the end."""
        batch = self._points[self._asked : self._asked + n]
        self._asked += len(batch)
        return batch

    def tell(self, values: Sequence[tuple[float, ...] | None]) -> None:
        """Take note of nothing: a grid learns nothing."""


def grid_points(space: Space, most: int) -> list[Parameters]:
    """Return the points of a space that keep its conditions and constraints.

    Raises
    ------
    ConfigError
        An axis without an end to its values, more than `most` points, or none.
    """
    for axis in space.axes:
        if axis.n_values is None:
            name = f"{space.strategy.name}.{axis.name}"
            raise ConfigError(name, (axis.low, axis.high), "a list of values or a step in a grid")
    allowed = (point for point in _points(space, {}, 0) if space.broken(point) is None)
    points = list(islice(allowed, most + 1))
    if len(points) > most:
        sizes = " x ".join(f"{axis.name} {axis.n_values:,}" for axis in space.axes)
        raise ConfigError("n_trials", most, f"at least the points of the grid ({sizes})")
    if not points:
        broken = ", ".join(each.__name__ for each in space.strategy.constraints)
        raise ConfigError("space", "no point", f"with points that keep {broken}")
    return points


def _points(space: Space, chosen: Parameters, depth: int) -> Iterator[Parameters]:
    if depth == len(space.axes):
        yield chosen
        return
    axis = space.axes[depth]
    if not space.is_active(axis, chosen):
        yield from _points(space, chosen, depth + 1)
        return
    for value in _values(axis):
        yield from _points(space, {**chosen, axis.name: value}, depth + 1)


def _values(axis: Axis) -> Sequence[float]:
    return axis.values or range(int(axis.low), int(axis.high) + 1)
