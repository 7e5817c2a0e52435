"""Experiments from mappings: exact figures, helpful refusals, digests."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from strategy_lab_core.engine.latency_config import FeedLatencyConfig, LogNormalLatencyConfig
from strategy_lab_core.errors import ConfigError, FileError
from strategy_lab_core.strategies.experiment import Experiment, experiment_from_dict, placed

SMALL: dict[str, Any] = {
    "name": "one",
    "product": "MNQ",
    "strategy": "imbalance",
    "capital": Decimal("10000.5"),
}


def test_experiment__takes_every_figure_exactly() -> None:
    """Money is integers in 1e-6, whatever its digits; parameters keep their type."""
    found = experiment_from_dict(
        SMALL
        | {
            "fees": {"maker": Decimal("-0.05"), "taker": Decimal("0.37")},
            "parameters": {"threshold": Decimal("0.75"), "size": 2, "passive": True},
            "latency": {"order_ns": 5},
            "flatten_seconds": 30,
        }
    )

    assert found.capital_e6 == 10_000_500_000
    assert (found.config.fees.maker_e6, found.config.fees.taker_e6) == (-50_000, 370_000)
    assert found.config.latency.order_ns == 5
    assert found.config.flatten_seconds == 30
    chosen = found.strategy.parameters
    assert (chosen["threshold"], chosen["size"], chosen["passive"]) == (0.75, 2, True)


@pytest.mark.parametrize(
    ("contract", "text"),
    [
        ({}, "roll volume"),
        ({"contract": "roll"}, "roll volume"),
        ({"contract": {"roll": "expiry-5"}}, "roll expiry-5"),
        ({"contract": "MNQH5"}, "MNQH5"),
    ],
)
def test_experiment__says_which_contract_it_trades(contract: dict[str, Any], text: str) -> None:
    """By a rule, by default that of volume, or by name; it is part of the experiment."""
    assert experiment_from_dict(SMALL | contract).as_dict()["contract"] == text


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"captial": 1}, "capital"),
        ({"latency": {"order_nss": 1}}, "order_ns"),
        ({"latency": {"model": "lognormel"}}, "did you mean 'lognormal'"),
        ({"latency": {"model": 3}}, r"latency\.model must be text"),
        ({"latency": {"entry_sigma": 1}}, "latency must be one of model, order_ns"),
        ({"latency": {"model": "lognormal", "entry_sigm": 1}}, "did you mean 'entry_sigma'"),
        ({"latency": {"model": "lognormal", "entry_sigma": Decimal("5.1")}}, r"\[0, 5000000\]"),
        ({"latency": {"model": "feed", "entry_multiplier": -1}}, "entry_multiplier"),
        ({"latency": {"model": "recorded"}}, r"latency\.file must be the path"),
        ({"fees": {"takr": 1}}, "taker"),
        ({"contract": "volume"}, r"contract must be roll, .* or a symbol of MNQ, got 'volume'"),
        ({"contract": "NQH5"}, "a symbol of MNQ, got 'NQH5'"),
        ({"contract": {"rol": "monday"}}, "did you mean 'roll'"),
        ({"contract": {"roll": "mondays"}}, "roll rule must be one of volume, volume-partial"),
        ({"carry": True}, "sessions.from must be a session such as 2025-01-15, got None"),
        ({"sessions": {"from": "2025-01-13"}}, "carry must be true where sessions are given"),
        ({"carry": True, "sessions": {"frm": 1}}, "did you mean 'from'"),
        (
            {"carry": True, "sessions": {"from": "2025-01-14", "to": "2025-01-13"}},
            "sessions.to must be 2025-01-14 or later",
        ),
        ({"limits": {"max_positon": 1}}, "max_position"),
        ({"queue": {"modl": "log_1"}}, "model"),
        ({"queue": {"model": "log1"}}, "did you mean log_1"),
        ({"queue": {"exponent": Decimal("-1")}}, r"queue\.exponent"),
        ({"limits": {"max_loss": 0}}, r"limits\.max_loss must be in \(0, 1000000000\], got 0"),
        ({"limits": {"max_margin": "capitl"}}, r"limits\.max_margin must be a number"),
        ({"limits": {"max_margin": 0}}, r"limits\.max_margin must be in \(0, 1000000000\], got 0"),
        ({"margin": {"inital": 1}}, "did you mean 'initial'"),
        ({"margin": {"initial": -1}}, r"margin\.initial must be in \[0, 1000000000\], got -1"),
        ({"fees": {"taker_bps": 20_000}}, r"fees\.taker_bps must be .* basis points, got 20000"),
        ({"parameters": {"treshold": 1}}, "threshold"),
        ({"strategy": "imbalanse"}, "imbalance"),
        ({"parameters": {"threshold": Decimal("1.5")}}, r"float in \[0, 1\]"),
        ({"parameters": {"size": Decimal("1.5")}}, r"int in \[1, 100\]"),
        ({"parameters": ["threshold"]}, "a mapping of names to values"),
        ({"capital": 0}, "larger than 0"),
        ({"capital": Decimal("0.0000001")}, "capital"),
        ({"name": "a/b"}, "letters, digits"),
        ({"product": ""}, "text"),
        ({"flatten_seconds": -1}, "flatten_seconds"),
    ],
)
def test_experiment__refuses_and_says_what_was_meant(change: dict[str, Any], says: str) -> None:
    """The message has the key, the rule and the nearest known name."""
    with pytest.raises(ConfigError, match=says):
        experiment_from_dict(SMALL | change)


def test_latency__takes_a_model_and_its_numbers() -> None:
    """Factors and sigmas are decimals, exactly."""
    feed = {"model": "feed", "order_ns": 9, "entry_multiplier": Decimal("1.25")}
    drawn = {"model": "lognormal", "entry_median_ns": 70, "response_sigma": Decimal("0.35")}

    assert experiment_from_dict(SMALL | {"latency": feed}).config.latency == FeedLatencyConfig(
        order_ns=9, entry_multiplier_e6=1_250_000
    )
    assert experiment_from_dict(
        SMALL | {"latency": drawn}
    ).config.latency == LogNormalLatencyConfig(entry_median_ns=70, response_sigma_e6=350_000)


def test_latency__recorded_rows_come_from_a_file(tmp_path: Path) -> None:
    """Their content is in the digest, not their place; a broken row is told with the file."""
    digests = []
    for name, response in (("a.csv", 9), ("b.csv", 9), ("c.csv", 8)):
        (tmp_path / name).write_text(f"request_ns,exchange_ns,response_ns\n1,2,{response}\n")
        latency = {"model": "recorded", "file": str(tmp_path / name)}
        found = experiment_from_dict(SMALL | {"latency": latency})
        assert str(tmp_path) not in str(found.as_dict())
        digests.append(found.digest())
    assert digests[0] == digests[1] != digests[2]

    (tmp_path / "a.csv").write_text("request_ns,exchange_ns,response_ns\n5,2,9\n")
    with pytest.raises(FileError, match=r"a\.csv: row 0 .*exchange_ns must not be before"):
        experiment_from_dict(
            SMALL | {"latency": {"model": "recorded", "file": str(tmp_path / "a.csv")}}
        )


@pytest.mark.parametrize("key", ["name", "product", "strategy", "capital"])
def test_experiment__needs_the_essentials(key: str) -> None:
    """What has no sensible default must be given."""
    with pytest.raises(ConfigError, match=key):
        experiment_from_dict({name: value for name, value in SMALL.items() if name != key})


def _changed(change: dict[str, Any]) -> Experiment:
    return experiment_from_dict(SMALL | change)


@pytest.mark.parametrize(
    "change",
    [
        {"product": "NQ"},
        {"capital": 10_001},
        {"parameters": {"hold_ms": 7}},
        {"fees": {"maker": Decimal("0.01")}},
        {"fees": {"taker_bps": Decimal("0.25")}},
        {"latency": {"order_ns": 7}},
        {"latency": {"model": "lognormal", "order_ns": 1_000_000}},
        {"latency": {"model": "feed", "entry_multiplier": Decimal("1.5")}},
        {"limits": {"max_position": 7}},
        {"queue": {"model": "power_2", "exponent": Decimal("2.5")}},
        {"limits": {"max_loss": Decimal("12.5")}},
        {"limits": {"max_margin": 5_000}},
        {"margin": {"initial": 5_000}},
        {"carry": True, "sessions": {"from": "2025-01-13", "to": "2025-01-14"}},
        {"carry": True, "sessions": {"from": "2025-01-13", "to": "2025-01-15"}},
        {"seed": 7},
        {"allow_partial": True},
    ],
)
def test_digest__changes_with_what_decides_a_result(change: dict[str, Any]) -> None:
    """Anything but the labels."""
    assert _changed(change).digest() != _changed({}).digest()


def test_max_margin__may_be_the_capital() -> None:
    """By name, so that it follows it."""
    found = _changed({"limits": {"max_margin": "capital"}, "capital": 12_345})
    assert found.config.limits.max_margin_e6 == 12_345 * 10**6


def test_digest__is_the_same_under_another_name() -> None:
    """A renamed experiment is the same trial."""
    assert _changed({"name": "two", "description": "!"}).digest() == _changed({}).digest()


def test_experiment__paths_are_relative_to_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever the program runs; the digest is that of the contents."""
    rows = "request_ns,exchange_ns,response_ns\n1,2,3\n"
    (tmp_path / "rows.csv").write_text(rows)
    monkeypatch.chdir("/")
    latency = {"latency": {"model": "recorded", "file": "rows.csv"}}

    found = experiment_from_dict(SMALL | latency, folder=tmp_path)
    by_place = {"latency": {"model": "recorded", "file": str(tmp_path / "rows.csv")}}

    assert found.digest() == experiment_from_dict(SMALL | by_place).digest()
    with pytest.raises(FileError, match=r"rows\.csv: can't be read"):
        experiment_from_dict(SMALL | latency)


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("imbalance", "imbalance"),
        ("mine.py", "/there/mine.py"),
        ("../mine.py:two", "/there/../mine.py:two"),
        ("/else/mine.py:two", "/else/mine.py:two"),
    ],
)
def test_placed__puts_paths_alone_into_the_folder(reference: str, expected: str) -> None:
    """Names of built-in strategies are no paths."""
    assert placed(reference, Path("/there")) == expected
