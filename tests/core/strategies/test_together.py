"""An experiment over several instruments: what is common, what is each one's, what is refused."""

from typing import Any

import pytest

from strategy_lab_core.data.roll_rules import roll_rule
from strategy_lab_core.errors import ConfigError
from strategy_lab_core.strategies.experiment import experiment_from_dict
from strategy_lab_core.strategies.together import Together, any_from_dict, parts_of

COMMON: dict[str, Any] = {
    "name": "pair",
    "capital": 20_000,
    "strategy": "imbalance",
    "parameters": {"threshold": 0.7, "size": 1},
    "limits": {"max_loss": 500, "max_position": 3},
    "contract": {"roll": "expiry-5"},
}
BOTH: list[dict[str, Any]] = [
    {"product": "MNQ"},
    {
        "product": "MES",
        "contract": "MESH5",
        "parameters": {"size": 2},
        "limits": {"max_position": 4},
        "fees": {"maker": 1},
    },
]


def together(*instruments: Any, **changes: Any) -> Together:
    """Return the experiment over these instruments."""
    found = any_from_dict(COMMON | {"instruments": [*instruments]} | changes)
    assert isinstance(found, Together)
    return found


def test_together__parts_are_what_each_would_be_alone() -> None:
    """Its own keys over the common ones, inside a mapping too; the same digest, so the same run."""
    mes, mnq = together(*BOTH).parts

    rest = {key: COMMON[key] for key in ("name", "capital", "strategy")}
    alone = {
        "product": "MES",
        "contract": "MESH5",
        "parameters": {"threshold": 0.7, "size": 2},
        "limits": {"max_loss": 500, "max_position": 4},
        "fees": {"maker": 1},
    }
    assert mes.digest() == experiment_from_dict(rest | alone).digest()
    assert mnq.digest() == experiment_from_dict(COMMON | BOTH[0]).digest()
    assert (mes.instrument, mnq.instrument) == ("MESH5", "MNQ")
    assert mnq.contract == roll_rule("expiry-5")


def test_together__an_empty_key_says_nothing() -> None:
    """As in YAML where everything below a key was taken out: the common one still holds."""
    mes, _ = together(BOTH[0], {"product": "MES", "limits": None, "parameters": None}).parts

    assert mes.config.limits.max_loss_e6 == 500_000_000
    assert mes.strategy.parameters["threshold"] == 0.7


def test_together__digest_is_that_of_its_content() -> None:
    """Not of its name, nor of the order of the instruments; of each of their keys."""
    one = together(*BOTH)

    assert one.digest() == together(*BOTH[::-1], name="other", description="words").digest()
    assert one.digest() != together(BOTH[0], BOTH[1] | {"parameters": {"size": 3}}).digest()
    assert one.digest() != together(*BOTH, capital=30_000).digest()
    assert one.as_dict()["instruments"]["MESH5"]["parameters"]["size"] == 2
    assert "capital_e6" not in one.as_dict()["instruments"]["MNQ"]


def test_together__carries_all_over_the_same_sessions() -> None:
    """The range is the account's."""
    span = {"carry": True, "sessions": {"from": "2025-01-13", "to": "2025-01-14"}}
    one = together(*BOTH, **span)

    assert one.sessions == one.parts[0].sessions == one.parts[1].sessions
    assert one.products == ("MES", "MNQ")


@pytest.mark.parametrize(
    ("common", "own", "named"),
    [
        ({"capital": -1}, {}, "capital"),
        ({"seed": "x"}, {}, "seed"),
        ({}, {"parameters": {"treshold": 0.7}}, "instruments[1].parameters"),
        ({"strategy": "imbalence"}, {}, "instruments[1].strategy"),
    ],
)
def test_together__names_where_it_is_said(
    common: dict[str, Any], own: dict[str, Any], named: str
) -> None:
    """An instrument only where it is that one's: what is common is not to be given to each."""
    with pytest.raises(ConfigError) as raised:
        together({"product": "MNQ", **own}, BOTH[1], **common)

    assert str(raised.value).startswith(named)


def test_parts_of__one_instrument_is_itself() -> None:
    """What is written without instruments is an experiment as ever."""
    one = any_from_dict(COMMON | {"product": "MNQ"})

    assert parts_of(one) == (one,)


@pytest.mark.parametrize(
    ("instruments", "says"),
    [
        (BOTH[:1], "a list of two or more"),
        ({"MNQ": {}}, "a list of two or more"),
        (["MNQ", "MES"], r"instruments\[1\] must be a mapping"),
        ([BOTH[0], BOTH[0]], "each of them once, got 'MNQ'"),
        ([BOTH[0], {"produkt": "MES"}], r"instruments\[2\] .*did you mean 'product'"),
        ([BOTH[0], {"product": "MES", "seed": 1}], r"instruments\[2\] .*got 'seed'"),
        ([BOTH[0], {"parameters": {"size": 2}}], r"instruments\[2\]\.product must be given"),
        (
            [BOTH[0], {"product": "MES", "limits": {"max_positon": 1}}],
            r"instruments\[2\]\.limits .*did you mean 'max_position'",
        ),
        ([BOTH[0], {"product": "MES", "strategy": "glft"}], r"instruments\[2\]\.parameters"),
    ],
)
def test_together__refuses_and_says_where(instruments: Any, says: str) -> None:
    """Which instrument, which key, and what was meant; common parameters have to fit all."""
    with pytest.raises(ConfigError, match=says):
        any_from_dict(COMMON | {"instruments": instruments})


def test_together__a_misspelt_key_is_named() -> None:
    """Without it the file would be one of one instrument."""
    with pytest.raises(ConfigError, match="did you mean 'instruments'"):
        any_from_dict(COMMON | {"product": "MNQ", "intsruments": BOTH})
    with pytest.raises(ConfigError, match="instruments must be left out"):
        experiment_from_dict(COMMON | {"instruments": BOTH})
