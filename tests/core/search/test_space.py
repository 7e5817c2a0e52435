"""Spaces: what is declared, what a search narrows, and every mistake with its own message."""

import re
from decimal import Decimal
from typing import Annotated, Any, NamedTuple

import pytest

from strategy_lab_core.errors import ConfigError
from strategy_lab_core.search.axes import Axis
from strategy_lab_core.search.space import space_of
from strategy_lab_core.strategies.loader import BUILT_IN, load_strategy
from strategy_lab_core.strategies.parameters import Choice, Range, When
from strategy_lab_core.strategies.strategy import Bounds
from tests.core.search.toys import ToyParams, fast_below_slow, toy, toy_space


def _axes(given: Any = None) -> dict[str, Axis]:
    return {axis.name: axis for axis in toy_space(given).axes}


def test_space_of__takes_what_is_declared() -> None:
    """A parameter without a range or a choice stays what it is."""
    axes = _axes()
    assert list(axes) == ["fast", "slow", "threshold", "model", "passive", "patience"]
    ranges = [(axes[name].low, axes[name].high, axes[name].log) for name in ("fast", "slow")]
    assert ranges == [(1, 50, False), (10, 200, True)]
    choices = [(axes[name].values, axes[name].is_ordered) for name in ("model", "patience")]
    assert choices == [((0, 1, 2), False), ((5, 10, 15, 20), True)]
    assert axes["patience"].when == (When("passive", True),)


class PlainParams(NamedTuple):
    """Nothing declared but bounds."""

    size: Annotated[int, Bounds(1, 3)] = 1
    level: Annotated[float, Bounds(-1.0, 1.0)] = 0.0
    both: Annotated[bool, Bounds(0, 1)] = False


def test_space_of__falls_back_to_the_bounds() -> None:
    """Where nothing is declared, everything varies inside its bounds."""
    axes = {axis.name: axis for axis in space_of(toy(PlainParams())).axes}
    assert axes["size"].n_values == 3
    assert (axes["level"].low, axes["level"].high, axes["level"].n_values) == (-1.0, 1.0, None)
    assert axes["both"].values == (False, True)


def test_space_of__narrows_to_what_is_named() -> None:
    """The others stay fixed; a list is ordered, unless it was declared as a choice."""
    axes = _axes({"fast": [30, 10, 20], "model": [2, 1], "lots": {"low": 1, "high": 3}})
    assert list(axes) == ["fast", "model", "lots"]
    assert (axes["fast"].values, axes["fast"].is_ordered) == ((10, 20, 30), True)
    assert (axes["model"].values, axes["model"].is_ordered) == ((2, 1), False)
    assert axes["lots"].n_values == 3


def test_space_of__merges_a_mapping_with_what_is_declared() -> None:
    """What is not given stays as declared; a step takes the place of a log scale."""
    axes = _axes({"slow": {"high": 100}, "threshold": {"step": Decimal("0.2")}})
    assert (axes["slow"].low, axes["slow"].high) == (10, 100)
    assert axes["slow"].log
    assert axes["threshold"].values == (0.1, 0.3, 0.5, 0.7, 0.9)
    stepped = _axes({"slow": {"step": 50}})["slow"]
    assert (stepped.values, stepped.log) == ((10, 60, 110, 160), False)
    assert _axes({"fast": {"log": True}})["fast"].log


def test_space_of__may_go_beyond_the_declared_range_inside_the_bounds() -> None:
    """A range is a proposal, bounds are a rule."""
    assert _axes({"fast": [900]})["fast"].values == (900,)


def test_space_of__leaves_out_what_can_not_matter() -> None:
    """`patience` matters where the strategy is passive, and it is not, and stays so."""
    assert list(_axes({"fast": None, "patience": None})) == ["fast"]
    assert list(_axes({"passive": None, "patience": None})) == ["passive", "patience"]
    waiting = toy(ToyParams(passive=True))
    assert [axis.name for axis in space_of(waiting, {"patience": [1, 2]}).axes] == ["patience"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"fsat": [1]}, "toy space must be one of fast, slow, .* \\(did you mean 'fast'\\?\\)"),
        ({"fast": {"lo": 1}}, "toy.fast must be one of low, high, step, log \\(did you mean"),
        ({"fast": [0]}, "toy.fast must be int in \\[1, 1000\\], got 0"),
        ({"fast": [1.5]}, "toy.fast must be int in"),
        ({"fast": [True]}, "toy.fast must be int in"),
        ({"fast": ["4"]}, "toy.fast must be int in"),
        ({"fast": []}, "toy.fast must be one value or more, each once"),
        ({"fast": [1, 1]}, "toy.fast must be one value or more, each once"),
        ({"fast": 5}, "toy.fast must be a list of values, or low, high, step, log"),
        ({"fast": "5"}, "toy.fast must be a list of values, or low"),
        ({"fast": {"low": 9, "high": 3}}, "toy.fast: high must be at least low, 9"),
        ({"fast": {"step": 0}}, "toy.fast: step must be a number above 0"),
        ({"fast": {"step": 1.5}}, "toy.fast: step must be a whole number"),
        ({"fast": {"log": 1}}, "toy.fast: log must be true or false"),
        ({"fast": {"log": True, "step": 2}}, "toy.fast: step must be none on a log scale"),
        ({"threshold": {"low": 0, "log": True}}, "toy.threshold: low must be above 0 on a log"),
        ({"threshold": {"step": 1e-7}}, "toy.threshold: step must be so large that there are"),
        ({"model": {"low": 1}}, "toy.model must be a list of values: it is declared as a choice"),
        ({}, "toy space must be at least one parameter to vary"),
    ],
)
def test_space_of__refuses_a_mistake_by_name(given: dict[str, Any], message: str) -> None:
    """The message says which parameter, which rule, and what was meant."""
    with pytest.raises(ConfigError, match=message):
        toy_space(given)


class UnknownWhenParams(NamedTuple):
    """A condition on a parameter that comes after."""

    first: Annotated[int, Bounds(1, 9), When("second", 1)] = 1
    second: Annotated[int, Bounds(1, 9)] = 1


def test_space_of__refuses_a_condition_on_what_comes_later() -> None:
    """Conditions look back only, so they can't go in a circle."""
    with pytest.raises(ConfigError, match=re.escape("toy.first: When")):
        space_of(toy(UnknownWhenParams()))


class ChainParams(NamedTuple):
    """Conditions on conditions."""

    a: Annotated[int, Bounds(0, 1), Choice(0, 1)] = 0
    b: Annotated[int, Bounds(0, 1), Choice(0, 1), When("a", 1)] = 1
    c: Annotated[int, Bounds(0, 1), Choice(0, 1), When("b", 1)] = 0


def test_is_active__follows_a_chain_of_conditions() -> None:
    """`c` needs `b`, which needs `a`: that `b` has the value by default is not enough."""
    space = space_of(toy(ChainParams()))
    c = space.axes[2]
    assert space.is_active(c, {"a": 1, "b": 1})
    assert not space.is_active(c, {"a": 1, "b": 0})
    assert not space.is_active(c, {"a": 0})


def test_broken__names_the_constraint() -> None:
    """It sees all parameters, those that are fixed too."""
    space = toy_space({"fast": None}, fast_below_slow)
    assert space.broken({"fast": 19}) is None
    assert space.broken({"fast": 20}) == "fast_below_slow"


def test_broken__says_whose_predicate_raised() -> None:
    """A mistake in a predicate is the author's, with its name."""

    def wrong(p: ToyParams) -> bool:
        return p.fst < 3  # type: ignore[attr-defined, no-any-return]

    with pytest.raises(ConfigError, match="toy constraint wrong must be a predicate"):
        toy_space(None, wrong).broken({"fast": 19})


def test_place__is_between_0_and_1_on_the_axis_scale() -> None:
    """A log axis has its geometric mean in the middle."""
    axes = _axes({"slow": {"low": 10, "high": 1_000}, "fast": [1, 2, 9], "threshold": None})
    assert axes["slow"].place(100) == pytest.approx(0.5)
    assert axes["fast"].place(2) == 0.5
    assert axes["threshold"].place(0.9) == 1.0


def test_digest__changes_with_what_decides_the_draws_only() -> None:
    """A parameter that varies brings no value of its own."""
    own = space_of(toy(ToyParams(fast=7)), {"fast": None, "slow": None}).digest()
    assert own == space_of(toy(ToyParams(fast=8)), {"fast": None, "slow": None}).digest()
    assert own != space_of(toy(ToyParams(lots=2)), {"fast": None, "slow": None}).digest()
    assert own != space_of(toy(), {"fast": None}).digest()
    assert own != space_of(toy(), {"fast": None, "slow": {"log": False}}).digest()


@pytest.mark.parametrize("name", BUILT_IN)
def test_templates__declare_a_space(name: str) -> None:
    """Each can be searched as it is, around its defaults; how much it trades stays as it is."""
    strategy = load_strategy(name)
    axes = {axis.name: axis for axis in space_of(strategy).axes}
    assert len(axes) >= 3
    assert not axes.keys() & {"size", "max_position"}
    for axis in axes.values():
        assert axis.low <= strategy.parameters[axis.name] <= axis.high


def test_range__declared_outside_the_bounds_is_refused() -> None:
    """The author's mistake is told when the space is made."""

    class WideParams(NamedTuple):
        size: Annotated[int, Bounds(1, 9), Range(0, 5)] = 1

    with pytest.raises(ConfigError, match=r"toy\.size: low must be int in"):
        space_of(toy(WideParams()))
