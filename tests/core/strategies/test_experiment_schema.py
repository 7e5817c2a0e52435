"""The JSON schema of experiment files knows what the parser knows."""

from pathlib import Path
from typing import Any

import pytest

from strategy_lab_core.data.exact_yaml import read_yaml
from strategy_lab_core.errors import ConfigError
from strategy_lab_core.strategies.experiment import KEYS, experiment_from_dict
from strategy_lab_core.strategies.experiment_schema import experiment_schema
from strategy_lab_core.strategies.together import any_from_dict

jsonschema: Any = pytest.importorskip("jsonschema")
SCHEMA = experiment_schema()
EXAMPLES = sorted((Path(__file__).parents[3] / "examples").glob("*.yaml"))
LEAST = {"name": "one", "product": "MNQ", "strategy": "imbalance", "capital": 10_000}
PARTS = [key for key, value in SCHEMA["properties"].items() if "properties" in value]


def test_schema__is_one() -> None:
    """Valid in itself, with every key of a file and nothing else."""
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert tuple(SCHEMA["properties"]) == KEYS
    assert PARTS == ["sessions", "latency", "fees", "margin", "limits", "queue", "market_orders"]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_schema__takes_the_examples(path: Path) -> None:
    """As a YAML editor reads them."""
    import yaml

    jsonschema.validate(yaml.safe_load(path.read_text(encoding="utf-8")), SCHEMA)
    assert any_from_dict(read_yaml(path)).name.removesuffix("_mnq") == path.stem


@pytest.mark.parametrize("part", PARTS)
def test_schema__knows_the_keys_that_the_parser_knows(part: str) -> None:
    """The parser's refusal of an unknown key names none that the schema lacks, and only those."""
    models = [{"model": model} for model in ("constant", "feed", "lognormal")]
    known = set()
    for extra in models if part == "latency" else [{}]:
        change: dict[str, Any] = {"carry": True} if part == "sessions" else {}
        with pytest.raises(ConfigError) as caught:
            experiment_from_dict({**LEAST, **change, part: {**extra, "zz": 1}})
        known |= set(caught.value.expected.removeprefix("one of ").split(", "))
    known |= {"file"} if part == "latency" else set()
    assert set(SCHEMA["properties"][part]["properties"]) == known


def test_schema__knows_the_keys_of_an_instrument() -> None:
    """Those that the parser takes from one of several."""
    asked = {"instruments": [{"product": "MNQ"}, {"zz": 1}]}
    with pytest.raises(ConfigError) as caught:
        any_from_dict(LEAST | asked)

    known = caught.value.expected.removeprefix("one of ").split(", ")
    assert [*SCHEMA["properties"]["instruments"]["items"]["properties"]] == known


@pytest.mark.parametrize(
    "change",
    [
        {"captial": 1},
        {"instruments": [{"product": "MES"}]},
        {"instruments": {"product": "MES"}},
        {"instruments": [{"product": "MES"}, {"capital": 1}]},
        {"instruments": [{"product": "MES"}, {"limits": {"max_positon": 1}}]},
        {"limits": {"max_positon": 1}},
        {"latency": {"model": "lognormel"}},
        {"seed": "seven"},
        {"capital": None},
        {"sessions": {"from": "2025-01-13", "to": "2025-01-14"}},
    ],
)
def test_schema__refuses_what_the_parser_refuses(change: dict[str, Any]) -> None:
    """Unknown keys, wrong kinds, a range without `carry`."""
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(LEAST | change, SCHEMA)
    with pytest.raises(ConfigError):
        any_from_dict(LEAST | change)


def test_schema__speaks_in_the_units_of_the_file() -> None:
    """Money in the currency, not in its 1e-6."""
    assert "1e-6" not in str(SCHEMA)
    assert SCHEMA["properties"]["limits"]["properties"]["max_loss"]["description"]
