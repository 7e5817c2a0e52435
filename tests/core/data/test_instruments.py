"""Products, symbols and definitions: exact figures, and clear refusals."""

from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategy_lab_core.data.instruments import instruments, load_products, product_of, products
from strategy_lab_core.data.schemas import polars_schema
from strategy_lab_core.errors import ConfigError, FileError, InstrumentError
from strategy_lab_core.types import EMPTY_PRICE, TickSchema

EQUITY = """
ARL:
  name: American Realty Investors
  exchange: XNAS
  currency: USD
  calendar: NASDAQ
  tick_size: 0.01
  multiplier: 1
  fee_maker: -0.0020
  fee_taker: "0.003"
  order_types: [limit, market, ioc]
  dated: false
"""


def written(folder: Path, text: str) -> Path:
    """Return the path of a new products file with this text."""
    path = folder / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("root", "tick", "multiplier", "calendar"),
    [
        ("MNQ", "0.25", 2, "CME Globex Equity"),
        ("NQ", "0.25", 20, "CME Globex Equity"),
        ("MES", "0.25", 5, "CME Globex Equity"),
        ("ES", "0.25", 50, "CME Globex Equity"),
        ("CL", "0.01", 1000, "CMEGlobex_CL"),
        ("GC", "0.1", 100, "CMEGlobex_GC"),
    ],
)
def test_products__contract_specifications(
    root: str, tick: str, multiplier: int, calendar: str
) -> None:
    """Tick and multiplier are CME's; a tick is worth a whole number of money units."""
    product = products()[root]
    assert product.tick_size == round(float(tick) * 10**9)
    assert product.multiplier == multiplier * 10**9
    assert product.calendar == calendar
    assert product.tick_size * product.multiplier % (10**18 // product.money_scale) == 0


@pytest.mark.parametrize(
    ("symbol", "root"),
    [
        ("MNQH5", "MNQ"),
        ("NQM5", "NQ"),
        ("ESH4", "ES"),
        ("MESZ25", "MES"),
        ("NQM5-NQU5", "NQ"),
        ("ES:BF M5-U5-Z5", "ES"),
    ],
)
def test_product_of__longest_root(symbol: str, root: str) -> None:
    """A micro contract is not taken for its big brother's."""
    assert product_of(symbol).root == root


@pytest.mark.parametrize(
    "symbol", ["ES.FUT", "ES", "ESM4 C4250", "ESA4", "MNQ", "", "ESM5-NQM5", "NQM5-", "XNQM5"]
)
def test_product_of__unexplained_symbol_is_refused(symbol: str) -> None:
    """The message names the symbol and what to do about it."""
    with pytest.raises(InstrumentError, match="add its product to a products file") as caught:
        product_of(symbol)
    assert repr(symbol) in str(caught.value)


@given(st.text("EMSNQGCL.: -HZ45", max_size=12))
def test_product_of__explains_or_refuses(symbol: str) -> None:
    """Any text gives a product whose root it starts with, or an InstrumentError."""
    try:
        root = product_of(symbol).root
    except InstrumentError:
        return
    assert symbol.startswith(root)
    assert not any(symbol.startswith(r) for r in products() if len(r) > len(root))


def test_load_products__adds_and_replaces(tmp_path: Path) -> None:
    """A user's product is exact, negative fees (rebates) too; the package's stay."""
    table = load_products(written(tmp_path, EQUITY))
    arl = product_of("ARL", table=table)
    assert (arl.tick_size, arl.multiplier) == (10_000_000, 10**9)
    assert (arl.fee_maker, arl.fee_taker) == (-2000, 3000)
    assert arl.spread_tick_size == arl.tick_size
    assert set(table) == {*products(), "ARL"}
    with pytest.raises(InstrumentError):
        product_of("ARLH5", table=table)  # an equity has no months
    changed = load_products(written(tmp_path, EQUITY.replace("ARL:", "MNQ:")))
    assert changed["MNQ"].multiplier == 10**9
    assert products()["MNQ"].multiplier == 2 * 10**9


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("tick_size", "tick_sise", "did you mean 'tick_size'"),
        ("market", "markt", "did you mean 'market'"),
        ("  currency: USD\n", "", r"ARL\.currency must be given"),
        ("tick_size: 0.01", "tick_size: 0.00000000001", "at most 9 decimals"),
        ("tick_size: 0.01", "tick_size: 0", "larger than 0"),
        ("tick_size: 0.01", "tick_size: yes", "at most 9 decimals"),
        ("tick_size: 0.01", "tick_size: [1]", "at most 9 decimals"),
        ('"0.003"', "three", "at most 6 decimals"),
        ("-0.0020", "0.0000001", "at most 6 decimals"),
        ("USD", "1", r"currency must be text"),
        ("dated: false", "dated: 1", "true or false"),
        ("[limit, market, ioc]", "limit", "a list of limit"),
        ("dated: false", "contract_months: HMUA", "month codes of FGHJKMNQUVXZ"),
        ("dated: false", "expiry_day: third_fryday", "did you mean 'third_friday'"),
        ("dated: false", "expiry_time: '08:30'", "expiry_day must be one of"),
        ("dated: false", "expiry_day: third_friday", "a local time"),
        ("dated: false", "expiry_day: third_friday\n  expiry_time: '8:30'", "a local time"),
        ("ARL:", "arl:", "capital letters"),
        ("ARL:", "1:", "capital letters"),
    ],
)
def test_load_products__mistakes_are_named(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    """Every mistake is refused with its place and what was expected."""
    with pytest.raises(ConfigError, match=message):
        load_products(written(tmp_path, EQUITY.replace(old, new, 1)))


@pytest.mark.parametrize("text", ["- ARL", "ARL: 5", ""])
def test_load_products__wrong_shape(tmp_path: Path, text: str) -> None:
    """A list or a bare value is not a table of products."""
    with pytest.raises(ConfigError, match="a mapping"):
        load_products(written(tmp_path, text))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (EQUITY + "  dated: true\n", "'dated' is written twice"),
        (EQUITY.replace("0.01", ".inf"), "no finite decimal"),
        ("ARL: [", "line 1"),
    ],
)
def test_load_products__unreadable_yaml(tmp_path: Path, text: str, message: str) -> None:
    """What YAML would let pass in silence is refused with the file's name."""
    with pytest.raises(FileError, match=message) as caught:
        load_products(written(tmp_path, text))
    assert caught.value.path.name == "mine.yaml"


def test_load_products__missing_file(tmp_path: Path) -> None:
    """A path that isn't there is a file error, not a traceback."""
    with pytest.raises(FileError, match="No such file"):
        load_products(tmp_path / "absent.yaml")


def definition(**values: object) -> dict[str, object]:
    """Return one definition record: ESM5, tick 0.5, multiplier 40, unless told otherwise."""
    record: dict[str, object] = {
        "instrument_id": 7, "instrument_class": "F", "asset": "ES",
        "min_price_increment": 500_000_000, "unit_of_measure_qty": 40 * 10**9,
        "expiration": 1_750_426_200_000_000_000,
    }  # fmt: skip
    return record | values


def definition_table(*records: dict[str, object]) -> pl.DataFrame:
    """Return a definition table of these records, in order."""
    return pl.DataFrame(records, schema=polars_schema(TickSchema.DEFINITION))


def test_instruments__from_the_products() -> None:
    """Without definitions a spread has the spread's tick, and nothing expires."""
    found = instruments({1: "NQM5", 2: "NQM5-NQU5"})
    assert (found[1].kind, found[1].tick_size) == ("outright", 250_000_000)
    assert (found[2].kind, found[2].tick_size) == ("spread", 50_000_000)
    assert found[2].multiplier == 20 * 10**9
    assert found[1].expiration_ns is None


def test_instruments__last_definition_overrides() -> None:
    """The last record of an instrument wins over earlier ones and over the product."""
    table = definition_table(definition(), definition(min_price_increment=125_000_000))
    es = instruments({7: "ESM5", 8: "NQM5"}, table)
    assert (es[7].tick_size, es[7].multiplier) == (125_000_000, 40 * 10**9)
    assert es[7].expiration_ns == 1_750_426_200_000_000_000
    assert es[8].tick_size == 250_000_000


def test_instruments__undefined_figures_come_from_the_product() -> None:
    """A spread's record has no multiplier: the product's counts."""
    record = definition(
        instrument_class="S", unit_of_measure_qty=EMPTY_PRICE, min_price_increment=None,
        expiration=-1, asset="",
    )  # fmt: skip
    spread = instruments({7: "ESM5-ESU5"}, definition_table(record))[7]
    assert (spread.kind, spread.multiplier, spread.tick_size) == ("spread", 50 * 10**9, 50_000_000)
    assert spread.expiration_ns is None


def test_instruments__options_are_refused() -> None:
    """An option's definition is answered with what can be read."""
    with pytest.raises(InstrumentError, match="instrument class 'C'"):
        instruments({7: "ESM4 C4250"}, definition_table(definition(instrument_class="C")))


def test_products__margins_are_given_or_unknown(tmp_path: Path) -> None:
    """0 where a file says nothing; more to hold than to enter is a mistake."""
    assert load_products(written(tmp_path, EQUITY))["ARL"].margin_initial == 0
    margins = "  margin_initial: 10\n  margin_maintenance: 11\n"

    with pytest.raises(ConfigError, match=r"margin_maintenance must be in \[0, margin_initial\]"):
        load_products(written(tmp_path, EQUITY + margins))
