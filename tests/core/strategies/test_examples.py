"""The example experiments and the page on templates say what the code does."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from strategy_lab_core.data.exact_yaml import read_yaml
from strategy_lab_core.strategies.experiment import experiment_from_dict
from strategy_lab_core.strategies.loader import BUILT_IN, load_strategy
from strategy_lab_core.strategies.strategy import Strategy
from strategy_lab_core.strategies.together import any_from_dict, parts_of
from tests.core.strategies.tapes import simulated_minutes

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "templates.md").read_text(encoding="utf-8")


def test_examples__there_is_one_for_each_template() -> None:
    """And one for several instruments, none for anything else."""
    found = {path.stem for path in (ROOT / "examples").glob("*.yaml")}
    assert found == {*BUILT_IN, "imbalance_together"}


@pytest.mark.parametrize("name", BUILT_IN)
def test_example__is_an_experiment(name: str) -> None:
    """Its name, its product and its strategy are what its file is called."""
    found = experiment_from_dict(read_yaml(ROOT / "examples" / f"{name}.yaml"))

    assert (found.name, found.product, found.strategy.name) == (f"{name}_mnq", "MNQ", name)


def test_example__of_several_instruments() -> None:
    """What is common, and what each has of its own."""
    found = any_from_dict(read_yaml(ROOT / "examples" / "imbalance_together.yaml"))

    parts = parts_of(found)
    assert (found.name, [part.instrument for part in parts]) == (
        "imbalance_together", ["MES", "MNQ"],
    )  # fmt: skip
    assert [part.strategy.parameters["size"] for part in parts] == [2, 1]
    assert [part.config.limits.max_position for part in parts] == [2, 1]
    assert {part.config.limits.max_loss_e6 for part in parts} == {500_000_000}


def _rows(template: Strategy) -> list[tuple[str, ...]]:
    """Return name, type, default and bounds of the parameters, as the page writes them."""
    kinds = {name: type(value).__name__ for name, value in template.parameters.items()}
    return [
        (f"`{name}`", kinds[name], str(value), f"{low:,.10g} to {high:,.10g}")
        for (name, value), (low, high) in zip(
            template.parameters.items(), template.bounds.values(), strict=True
        )
    ]


@pytest.mark.parametrize("name", BUILT_IN)
def test_page__has_the_parameters_of_the_code(name: str) -> None:
    """Every one in its order, with type, default and bounds, and words on what it means."""
    section = PAGE.split(f"\n## `{name}`\n")[1].split("\n## ")[0]
    table = re.findall(r"^\| (`.*?`) \| (.*?) \| (.*?) \| (.*?) \| (.+) \|$", section, re.MULTILINE)

    assert [row[:4] for row in table] == _rows(load_strategy(name))
    assert "Assumes" in section


def test_page__its_code_runs() -> None:
    """The features of a simulated session's books, a value for each row."""
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names: dict[str, Any] = {"ticks": simulated_minutes(seed=5)[1]}

    exec(code, names)

    assert len(names["flow"]) == len(names["micro"]) == names["books"].height > 1_000
    assert names["flow"].any()
    in_reach = np.isfinite(names["micro"])
    assert in_reach.mean() > 0.5
    bid, _, ask, _ = names["best"]
    assert (np.abs(names["micro"] - (bid + ask) / 2)[in_reach] < 1).all()


@pytest.mark.parametrize("name", BUILT_IN)
def test_page__names_the_paper_of_the_file(name: str) -> None:
    """By an identifier that the template's own docstring has too."""
    (row,) = re.findall(rf"^\| \[`{name}`\].*$", PAGE, re.MULTILINE)
    source = (ROOT / "strategy_lab_core" / "strategies" / f"{name}.py").read_text(encoding="utf-8")

    assert re.findall(r"doi:(\S+)", row)[0] in source.split('"""')[1]
