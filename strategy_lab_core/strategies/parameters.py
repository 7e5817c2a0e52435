"""What a strategy declares of its parameters for searches, beside their bounds.

`Bounds` (in `strategy`) say what a parameter may be; a `Range` or a `Choice` says where a search
looks, `When` that a parameter matters only beside some values of another. They are written in the
annotation: ``Annotated[int, Bounds(1, 86_400_000), Range(500, 60_000, log=True)]``. What a search
makes of them is in `search.space`.
"""

from dataclasses import dataclass

__all__ = ["Choice", "Range", "When"]


@dataclass(frozen=True, slots=True)
class Range:
    """Where a search looks, inclusive; inside the parameter's bounds.

    Attributes
    ----------
    low, high
        By default those of the bounds.
    step
        Between the values, counted from `low`; None for every integer, or a continuous float.
    log
        Whether equal ratios are equally likely, instead of equal differences; not with a step.
    """

    low: float | None = None
    high: float | None = None
    step: float | None = None
    log: bool = False


@dataclass(frozen=True, slots=True)
class Choice:
    """The values that a search tries, without an order: codes of models, say."""

    values: tuple[float, ...]

    def __init__(self, *values: float) -> None:
        object.__setattr__(self, "values", values)


@dataclass(frozen=True, slots=True)
class When:
    """The parameter is searched only where `parameter`, declared before it, has one of `values`."""

    parameter: str
    values: tuple[float, ...]

    def __init__(self, parameter: str, *values: float) -> None:
        object.__setattr__(self, "parameter", parameter)
        object.__setattr__(self, "values", values)
