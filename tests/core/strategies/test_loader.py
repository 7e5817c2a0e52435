"""Strategies by name and from the user's own files."""

from pathlib import Path
from typing import Any

import pytest

from strategy_lab_core._jit import JIT_DISABLED
from strategy_lab_core.errors import ConfigError, FileError
from strategy_lab_core.strategies.imbalance import ImbalanceParams
from strategy_lab_core.strategies.loader import BUILT_IN, load_strategy
from strategy_lab_core.strategies.strategy import strategy

OWN = '''
"""A strategy of the user's own."""

from typing import Annotated, NamedTuple

from strategy_lab_core.strategies.requests import buy_market
from strategy_lab_core.strategies.strategy import Bounds, strategy


class Params(NamedTuple):
    """How much."""

    size: Annotated[int, Bounds(1, 9)] = 1


@strategy(Params)
def {name}(memory, view, p, requests):
    """Buy once."""
    if memory.ints[0] == 0:
        memory.ints[0] = 1
        buy_market(requests, p.size)
'''


@pytest.mark.parametrize("name", BUILT_IN)
def test_load_strategy__built_in(name: str) -> None:
    """Every name of the package gives a documented strategy within its bounds."""
    found = load_strategy(name)

    assert found.name == name
    assert found.doc
    assert found.bounds.keys() == found.parameters.keys()
    for parameter, (low, high) in found.bounds.items():
        assert low <= found.parameters[parameter] <= high


def _written(folder: Path, *names: str) -> Path:
    path = folder / "own.py"
    path.write_text("\n".join(OWN.format(name=name) for name in names), encoding="utf-8")
    return path


def test_load_strategy__from_a_file(tmp_path: Path) -> None:
    """The only strategy of a file needs no name; its parameters can be set."""
    found = load_strategy(str(_written(tmp_path, "mine")))

    assert found.name == "mine"
    assert found(size=3).parameters == {"size": 3}
    assert found.parameters == {"size": 1}


def test_load_strategy__one_of_several(tmp_path: Path) -> None:
    """`file.py:function` chooses; without it the choice is named."""
    path = _written(tmp_path, "first", "second")

    assert load_strategy(f"{path}:second").name == "second"
    with pytest.raises(ConfigError, match="one of first, second"):
        load_strategy(str(path))
    with pytest.raises(ConfigError, match="one of first, second"):
        load_strategy(f"{path}:third")


def test_load_strategy__an_edited_file_is_another(tmp_path: Path) -> None:
    """Within one process too, and provenance shows it."""
    before = load_strategy(str(_written(tmp_path, "mine")))
    path = _written(tmp_path, "mine")
    path.write_text(path.read_text(encoding="utf-8").replace("= 1\n\n\n", "= 2\n\n\n"))
    after = load_strategy(str(path))

    assert after.parameters == {"size": 2}
    assert after.source != before.source


GENERATOR = """
from typing import NamedTuple
from strategy_lab_core.strategies.strategy import strategy
class Params(NamedTuple): pass
@strategy(Params)
def later(memory, view, p, requests): yield 1
"""


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "is no file"),
        ("x = (", "SyntaxError"),
        ("1 / 0", "ZeroDivisionError"),
        (GENERATOR, "bad.py: strategy must be a plain function: .*, got 'later'; correct"),
    ],
)
def test_load_strategy__a_file_that_fails(tmp_path: Path, content: str | None, says: str) -> None:
    """The message has the file and the reason; a second try says the same."""
    path = tmp_path / "bad.py"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    for _ in range(2):
        with pytest.raises(FileError, match=says) as caught:
            load_strategy(str(path))
        assert str(path) in str(caught.value)


def test_load_strategy__a_file_without_one(tmp_path: Path) -> None:
    """A module that only imports strategies has none of its own."""
    path = tmp_path / "none.py"
    path.write_text("from strategy_lab_core.strategies.imbalance import imbalance\n")

    with pytest.raises(FileError, match=r"none.py: holds no strategy; mark .* `@strategy"):
        load_strategy(str(path))


def test_load_strategy__what_was_meant() -> None:
    """A misspelt name is answered with the nearest."""
    with pytest.raises(ConfigError, match="imbalance"):
        load_strategy("imbalence")


@pytest.mark.parametrize(
    ("numbers", "said"),
    [
        ({"timer_ns": -5}, "timer_ns must be at least 0, got -5"),
        ({"ints": -1}, "ints must be at least 0, got -1"),
        ({"on_book": False, "on_response": False}, "timer_ns must be set: nothing else calls"),
    ],
)
def test_strategy__that_nothing_can_call_is_refused(numbers: dict[str, Any], said: str) -> None:
    """When it is written, not when it runs."""
    with pytest.raises(ConfigError, match=said):
        strategy(ImbalanceParams, **numbers)(lambda memory, view, p, requests: None)


def test_strategy__that_puts_its_work_off_is_refused() -> None:
    """Its call would make a coroutine or a generator, and nobody would ever run it."""

    def later(memory: Any, view: Any, p: Any, requests: Any) -> Any:
        yield view.bid

    async def whenever(memory: Any, view: Any, p: Any, requests: Any) -> None:
        raise AssertionError

    functions: list[Any] = [later, whenever]
    for function in functions:
        said = f"strategy must be a plain function: .*, got '{function.__name__}'"
        with pytest.raises(ConfigError, match=said):
            strategy(ImbalanceParams)(function)


def test_load_strategy__takes_a_folder_with_a_colon(tmp_path: Path) -> None:
    """Only what follows the file is the function's name."""
    folder = tmp_path / "12:30"
    folder.mkdir()
    (folder / "mine.py").write_text(OWN.format(name="mine"))

    assert load_strategy(f"{folder}/mine.py:mine").name == "mine"
    assert load_strategy(f"{folder}/mine.py").name == "mine"


@pytest.mark.skipif(JIT_DISABLED, reason="what is not compiled fails when it is called")
@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("p.sise", r"Unknown attribute 'sise' of type Params, in line 21: buy_market\(.*p.sise\)"),
        ("undefined", r"NameError: name 'undefined' is not defined;"),
        ("1 + 'x'", r"found for signature: add\(.*\), in line 21: buy_market\(.*'x'\)"),
        ("int(f'{view.bid:.2f}')", r"(format spec|FORMAT_WITH_SPEC).*, in line 21: buy_market"),
        ("'x'", r"setitem\(.*\), in line 21: buy_market\(.*'x'\)"),
    ],
)
def test_load_strategy__does_not_compile(tmp_path: Path, code: str, said: str) -> None:
    """The sentence that matters of the compiler's pages, the line and its code, on one line.

    The line of this file, not of one that ends in its name: `requests.py`.
    """
    path = _written(tmp_path, "mine").rename(tmp_path / "s.py")
    path.write_text(path.read_text(encoding="utf-8").replace("p.size", code), encoding="utf-8")

    with pytest.raises(FileError, match=said) as caught:
        load_strategy(str(path))

    assert "does not compile" in str(caught.value)
    assert "NUMBA_DISABLE_JIT=1" in str(caught.value)
    assert "\n" not in str(caught.value)
