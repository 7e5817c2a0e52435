"""The home's products file: products of one's own, in the versions of what depends on them."""

import re
import shutil
from datetime import date
from pathlib import Path
from unittest.mock import Mock

import pytest
from typer.testing import CliRunner

from strategy_lab_core.data import instruments
from strategy_lab_core.data.instruments import products
from strategy_lab_core.errors import ConfigError
from strategy_lab_pipeline.cli import app
from strategy_lab_pipeline.settings import Settings
from strategy_lab_pipeline.stages import backtests, plan
from strategy_lab_pipeline.stages.experiments import read_experiment
from strategy_lab_pipeline.stages.sweeps import sweep
from strategy_lab_pipeline.stages.workspace import Workspace, open_workspace
from tests.pipeline.bad_strategies import write_experiment, write_strategy

DAY = date(2025, 1, 13)
PACKAGED = Path(instruments.__file__).with_name("products.yaml").read_text(encoding="utf-8")


@pytest.fixture
def opened(booked: Path, tmp_path: Path) -> Workspace:
    """Return a workspace with the books of one session."""
    shutil.copytree(booked, tmp_path / "home")
    return open_workspace(Settings(home=tmp_path / "home"))


def write_products(opened: Workspace, root: str, like: str = "MNQ", **changes: str) -> None:
    """Write a products file with one product, like one of the package's but for some keys."""
    (entry,) = re.findall(rf"(?ms)^{like}:\n(.*?)(?=^\w|\Z)", PACKAGED)
    for key, value in changes.items():
        entry = re.sub(rf"(?m)^  {key}: .*$", f"  {key}: {value}", entry)
    opened.settings.products_file.write_text(f"{root}:\n{entry}", encoding="utf-8")


def test_products__are_added_to_the_package_s(opened: Workspace) -> None:
    """Without a file, or with a new root, the others are as they were; an edit is seen."""
    assert opened.products == products()
    assert opened.own_product("MNQ") == {}

    write_products(opened, "ZZZ", fee_taker="0.99")

    assert {**opened.products} == {**products(), "ZZZ": opened.products["ZZZ"]}
    assert opened.products["ZZZ"].fee_taker == 990_000
    assert opened.own_product("MNQ") == {}
    assert opened.own_product("ZZZ")["own_product"]["fee_taker"] == 990_000


def test_products__age_what_depends_on_them_alone(opened: Workspace, tmp_path: Path) -> None:
    """From the raw ticks of that product on; another product's figures age nothing."""
    experiments = opened.settings.experiments
    write_experiment(experiments, "good", write_strategy(tmp_path, "good"))
    backtests.build(opened, "MNQ", DAY, run_id="test")
    assert plan.partition_plan(opened, "MNQ", DAY) is None

    write_products(opened, "ES", like="ES", fee_taker="9")
    assert plan.partition_plan(opened, "MNQ", DAY) is None
    write_products(opened, "MNQ")
    assert plan.partition_plan(opened, "MNQ", DAY) is None
    write_products(opened, "MNQ", fee_taker="9")
    stale = plan.partition_plan(opened, "MNQ", DAY)

    assert stale is not None
    assert stale.assets == (*plan.BOOKS, "bars", "features", "backtest_runs")


def test_products__take_no_experiment_s_name(opened: Workspace, tmp_path: Path) -> None:
    """An experiment may be called as the config's keys are: its settings count as any other's."""
    path, write = write_strategy(tmp_path, "good"), write_experiment
    write_products(opened, "MNQ", fee_taker="9")
    for name in ("own_products", "products", "experiments"):
        write(opened.settings.experiments, name, path)
        before = backtests.config_of(opened, "MNQ")
        write(opened.settings.experiments, name, path, "sample_seconds: 7\n")
        assert backtests.config_of(opened, "MNQ") != before
        assert [*before["products"]] == ["MNQ"]


def test_products__decide_what_a_run_costs(opened: Workspace, tmp_path: Path) -> None:
    """The engine's process has them, too; a trial of other fees is another trial."""
    path = write_strategy(tmp_path, "good")
    sets = [read_experiment(write_experiment(tmp_path, "good", path))]
    (packaged,) = sweep(opened, sets).rows
    write_products(opened, "MNQ", fee_taker="3.70")
    dear = sweep(opened, sets)

    assert dear.ran == 1
    assert packaged["fees_e6"] == 370_000 * packaged["n_fills"] > 0
    assert dear.rows[0]["fees_e6"] == 10 * packaged["fees_e6"]


def test_products__are_known_to_the_books_of_files(
    opened: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`strategy-lab book` reads any files, with the home's products."""
    write_products(opened, "ZZZ")
    asked = Mock(return_value=[])
    monkeypatch.setattr("strategy_lab_core.book.summary.summarise", asked)
    home = {"STRATEGY_LAB_HOME": str(opened.settings.home)}

    done = CliRunner().invoke(app, ["book", "file.dbn", "--json"], env=home)

    assert done.exit_code == 0
    assert asked.call_args.kwargs == {"products": opened.products}


def test_products__say_what_is_wrong_with_the_file(opened: Workspace) -> None:
    """The file, the product, the key and what was meant."""
    write_products(opened, "ZZZ")
    file = opened.settings.products_file
    file.write_text(file.read_text().replace("fee_taker:", "fee_takr:"))

    with pytest.raises(ConfigError, match=r"products\.yaml: ZZZ: key .*did you mean 'fee_taker'"):
        _ = opened.products
