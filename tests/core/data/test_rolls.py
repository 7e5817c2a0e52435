"""Rolls: against the letter of the rules, blind to the future, and audited."""

from datetime import date, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategy_lab_core.data.continuous import continuous
from strategy_lab_core.data.roll_rules import RollRule, roll_rule
from strategy_lab_core.data.roll_schemas import ROLL_TABLES
from strategy_lab_core.data.rolls import Rolls, roll_decisions
from strategy_lab_core.data.schemas import pandera_schema
from strategy_lab_core.errors import CalendarError, ConfigError, DataError
from tests.core.data.contract_tables import (
    CALENDAR,
    EXPIRY,
    FIRST,
    LAST,
    SESSIONS,
    TICK,
    contract_sessions,
    markets,
    open_interest,
    quote_pairs,
)
from tests.naive.rolls import contract_by_open_interest, contract_by_volume

RULES = ("volume", "volume-partial", "open_interest", "expiry-3", "monday", "thursday")
SCHEMAS = {name: pandera_schema(name, ROLL_TABLES[name]) for name in ("contracts", "rolls")}
SYMBOL = {expiry: symbol for symbol, expiry in EXPIRY.items()}


def decide(rule: str, tables: dict[str, Any], last: date | None = None) -> Rolls:
    """Return the decisions of a rule."""
    chosen = roll_rule(rule)
    return roll_decisions(calendar=CALENDAR, rule=chosen, tick_size=TICK, last=last, **tables)


def traded(rolls: Rolls) -> dict[date, str | None]:
    """Return the contract of each session."""
    return dict(rolls.contracts.select("session", "symbol").iter_rows())


def whole_weeks(volumes: dict[str, list[int]]) -> dict[str, Any]:
    """Return complete sessions from the first on with these volumes."""
    days = [session.key for session in SESSIONS]
    by_day = {day: {s: lots[n] for s, lots in volumes.items()}
              for n, day in enumerate(days[: len(next(iter(volumes.values())))])}  # fmt: skip
    return {"contract_sessions": contract_sessions(by_day, set())}


@given(markets(), st.booleans())
def test_volume__is_the_letter_of_the_rule(market: dict[str, Any], partial: bool) -> None:
    """Every session's contract is that of the plain loops."""
    rolls = decide("volume-partial" if partial else "volume", market, LAST)
    table = market["contract_sessions"]
    rows = table.select("session", "expiration_ns", "volume", "is_complete").rows()
    first = table["session"].min()
    sessions = [(s.key, s.close_ns) for s in SESSIONS if s.key >= first]
    for day, symbol in traded(rolls).items():
        expiry = contract_by_volume(sessions, rows, day, partial=partial)
        assert symbol == (None if expiry is None else SYMBOL[expiry])


@given(markets())
def test_open_interest__is_the_letter_of_the_rule(market: dict[str, Any]) -> None:
    """Every session's contract is that of the plain loops."""
    rolls = decide("open_interest", market, LAST)
    table = market["contract_sessions"]
    rows = table.select("session", "expiration_ns", "volume", "is_complete").rows()
    figures = (
        market["open_interest"].select("published_ns", "expiration_ns", "open_interest").rows()
    )
    first = table["session"].min()
    sessions = [(s.key, s.open_ns, s.close_ns) for s in SESSIONS if s.key >= first]
    for day, symbol in traded(rolls).items():
        expiry = contract_by_open_interest(sessions, rows, figures, day)
        assert symbol == (None if expiry is None else SYMBOL[expiry])


def with_another_future(market: dict[str, Any], other: dict[str, Any], now: date) -> dict[str, Any]:
    """Return a market whose rows from the open of session `now` on are those of another.

    Which contracts have rows in the session itself stays: it is what can be traded in it.
    """
    opens = CALENDAR.session(now).open_ns
    past, later = pl.col("session") < now, pl.col("session") > now
    mine, theirs = market["contract_sessions"], other["contract_sessions"]
    today = mine.filter(pl.col("session") == now).with_columns(volume=10_000 - pl.col("volume"))
    cut = {
        "quote_pairs": (pl.col("session") < now, pl.col("session") >= now),
        "open_interest": (pl.col("published_ns") < opens, pl.col("published_ns") >= opens),
    }
    joined = {name: pl.concat([market[name].filter(before), other[name].filter(after)])
              for name, (before, after) in cut.items()}  # fmt: skip
    sessions = pl.concat([mine.filter(past), today, theirs.filter(later)])
    return {"contract_sessions": sessions, **joined}


def future_changes_the_past(decider: Any, rule: str, market: Any, other: Any, now: date) -> bool:
    """Return whether what is decided up to a session depends on what comes after its open."""
    here, there = (decider(rule, each, now)
                   for each in (market, with_another_future(market, other, now)))  # fmt: skip
    return not all(a.equals(b) for a, b in zip(here, there, strict=True))


@given(markets(), markets(), st.sampled_from(RULES), st.data())
def test_decisions__do_not_know_the_future(
    market: dict[str, Any], other: dict[str, Any], rule: str, data: st.DataObject
) -> None:
    """Another future changes neither the roll table nor a contract, nor a series as of then."""
    days = market["contract_sessions"]["session"].unique().sort().to_list()
    now = data.draw(st.sampled_from(days))
    assert not future_changes_the_past(decide, rule, market, other, now)

    changed = with_another_future(market, other, now)
    here, there = decide(rule, market, LAST), decide(rule, changed, LAST)
    past = pl.col("session") <= now
    for mine, theirs in zip(here, there, strict=True):
        assert mine.filter(past).equals(theirs.filter(past))
    prices = market["quote_pairs"].filter(past).select(
        "session", symbol="from_symbol", price="from_bid"
    )  # fmt: skip
    unadjusted = [continuous(prices, each, tick_size=TICK) for each in (here, there)]
    assert unadjusted[0].equals(unadjusted[1])
    if here.rolls.filter(past, pl.col("from_symbol").is_not_null())["gap_ticks"].null_count():
        return
    for kind in ("difference", "ratio"):
        as_of = [
            continuous(prices, each, adjustment=kind, tick_size=TICK, as_of=now)
            for each in (here, there)
        ]
        assert as_of[0].equals(as_of[1])


def test_decisions__a_roll_decided_on_the_same_day_is_caught() -> None:
    """The check above finds a rule that looks at the session's own volume."""

    def same_day(rule: str, tables: dict[str, Any], last: date) -> Rolls:
        day_early = pl.col("volume").shift(-1, fill_value=0).over("symbol", order_by="session")
        table = tables["contract_sessions"].with_columns(volume=day_early)
        return decide(rule, {**tables, "contract_sessions": table}, last)

    nothing = {"quote_pairs": quote_pairs({}, {}), "open_interest": open_interest([])}
    market = whole_weeks({"MNQH5": [9, 9, 9, 9], "MNQM5": [1, 1, 1, 1]}) | nothing
    other = whole_weeks({"MNQH5": [1, 1, 1, 1], "MNQM5": [9, 9, 9, 9]}) | nothing
    now = SESSIONS[2].key

    assert not future_changes_the_past(decide, "volume", market, other, now)
    assert future_changes_the_past(same_day, "volume", market, other, now)


@given(markets(), st.sampled_from(RULES))
def test_decisions__hold_the_tables_contracts(market: dict[str, Any], rule: str) -> None:
    """As the schema says; never back to an older contract; one row a session; bounds in order."""
    rolls = decide(rule, market, LAST)
    for schema, table in zip(SCHEMAS.values(), rolls, strict=True):
        schema.validate(table)
    expiries = [EXPIRY[symbol] for symbol in rolls.rolls["to_symbol"]]
    assert expiries == sorted(set(expiries))
    first = market["contract_sessions"]["session"].min()
    assert list(traded(rolls)) == [s.key for s in SESSIONS if s.key >= first]
    assert (rolls.rolls["earliest"] <= rolls.rolls["latest"]).all()
    assert (rolls.rolls["latest"] <= rolls.rolls["session"]).all()
    for session in SESSIONS:
        symbol = traded(rolls).get(session.key)
        assert symbol is None or EXPIRY[symbol] >= session.close_ns


def test_volume__rolls_for_the_session_after_the_one_that_shows_it() -> None:
    """The audit says which session, both volumes, the gap, and that nothing was missing."""
    tables = whole_weeks({"MNQH5": [9, 8, 3, 2], "MNQM5": [1, 8, 5, 9]})
    bids = {s.key: {"MNQH5": 80_000, "MNQM5": 80_801} for s in SESSIONS[:4]}
    times = {s.key: s.close_ns - 5 for s in SESSIONS}
    rolls = decide("volume", {**tables, "quote_pairs": quote_pairs(bids, times)})

    assert list(traded(rolls).values()) == ["MNQH5", "MNQH5", "MNQH5", "MNQM5"]
    assert rolls.contracts["cause"].to_list() == ["start", "held", "held", "rule"]
    assert rolls.contracts["is_guess"].to_list() == [True, False, False, False]
    roll = rolls.rolls.row(1, named=True)
    assert roll == {
        "session": SESSIONS[3].key, "from_symbol": "MNQH5", "to_symbol": "MNQM5",
        "rule": "volume", "cause": "rule", "volume_session": SESSIONS[2].key,
        "from_volume": 3, "to_volume": 5, "open_interest_ns": None, "from_open_interest": None,
        "to_open_interest": None, "gap_ticks": 801, "from_mid": 160_001, "to_mid": 161_603,
        "gap_ns": SESSIONS[2].close_ns - 5, "earliest": SESSIONS[3].key,
        "latest": SESSIONS[3].key, "missing": 0,
    }  # fmt: skip


def test_volume__missing_sessions_give_bounds() -> None:
    """What a partial session shows decides nothing, but bounds when the roll could have been."""
    volumes = {SESSIONS[n].key: {"MNQH5": 9 if n < 3 else 1, "MNQM5": 5} for n in (0, 1, 5, 6, 8)}
    tables = {"contract_sessions": contract_sessions(volumes, {SESSIONS[5].key})}
    roll = decide("volume", tables).rolls.row(1, named=True)

    assert roll["session"] == SESSIONS[7].key
    assert (roll["earliest"], roll["latest"]) == (SESSIONS[3].key, SESSIONS[6].key)
    assert roll["missing"] == 4
    assert roll["volume_session"] == SESSIONS[6].key
    partial = decide("volume-partial", tables).rolls.row(1, named=True)
    assert partial["session"] == SESSIONS[6].key


def test_open_interest__counts_from_its_publication() -> None:
    """Published a nanosecond before the open it decides, at the open it does not."""
    tables = whole_weeks({"MNQH5": [9] * 4, "MNQM5": [1] * 4})
    opens = SESSIONS[2].open_ns
    for published, expected in ((opens - 1, SESSIONS[2]), (opens, SESSIONS[3])):
        figures = [(SESSIONS[0].open_ns + 1, "MNQH5", 8), (SESSIONS[0].open_ns + 1, "MNQM5", 2),
                   (published, "MNQH5", 4), (published, "MNQM5", 6)]  # fmt: skip
        rolls = decide("open_interest", {**tables, "open_interest": open_interest(figures)})
        roll = rolls.rolls.row(1, named=True)
        assert roll["session"] == expected.key
        assert (roll["from_open_interest"], roll["to_open_interest"]) == (4, 6)
        assert roll["open_interest_ns"] == published


def test_open_interest__withdrawn_before_the_open_does_not_count() -> None:
    """The contract is left as one without a figure; withdrawn at the open it still is ahead."""
    tables = whole_weeks({"MNQH5": [9] * 4, "MNQM5": [1] * 4})
    opens, early = SESSIONS[1].open_ns, SESSIONS[0].open_ns + 1
    for withdrawn, symbol in ((opens - 1, "MNQH5"), (opens, "MNQM5")):
        figures = [(early, "MNQH5", 2), (early, "MNQM5", 8), (withdrawn, "MNQM5", None)]
        rolls = decide("open_interest", {**tables, "open_interest": open_interest(figures)})
        assert traded(rolls)[SESSIONS[1].key] == symbol


@pytest.mark.parametrize(
    ("rule", "first"),
    [
        ("expiry-1", date(2025, 3, 20)),
        ("expiry-5", date(2025, 3, 14)),
        ("monday", date(2025, 3, 17)),
        ("thursday", date(2025, 3, 13)),
    ],
)
def test_dates__of_the_contract_that_expires_on_2025_03_21(rule: str, first: date) -> None:
    """The rules by date go by sessions and by the week of expiry."""
    count = len(SESSIONS)
    roll = decide(rule, whole_weeks({"MNQH5": [9] * count, "MNQM5": [1] * count}))
    assert roll.rolls["session"].to_list() == [FIRST, first]
    assert roll.rolls["cause"].to_list() == ["start", "rule"]


def test_expiry__forces_a_roll_for_the_session_in_which_it_is() -> None:
    """The contract does not last it: decided by the calendar, whatever the volume says."""
    count = len(SESSIONS)
    rolls = decide("volume", whole_weeks({"MNQH5": [9] * count, "MNQM5": [1] * count}))
    assert rolls.rolls["session"].to_list() == [FIRST, date(2025, 3, 21)]
    assert rolls.rolls["cause"].to_list() == ["start", "expiry"]


def test_listing__a_contract_without_rows_is_left() -> None:
    """Its files are not there: the next one is traded, and never given back."""
    volumes = {
        SESSIONS[0].key: {"MNQH5": 9},
        SESSIONS[1].key: {"MNQM5": 1},
        SESSIONS[2].key: {"MNQH5": 9},
    }
    rolls = decide("volume", {"contract_sessions": contract_sessions(volumes, set())})
    assert list(traded(rolls).values()) == ["MNQH5", "MNQM5", None]
    assert rolls.contracts["cause"].to_list() == ["start", "listing", "none"]


def test_decisions__for_a_session_to_come() -> None:
    """The next session's contract is known before anything of it is there."""
    tables = whole_weeks({"MNQH5": [9, 3], "MNQM5": [1, 5]})
    rolls = decide("volume", tables, SESSIONS[2].key)
    assert traded(rolls)[SESSIONS[2].key] == "MNQM5"


def test_decisions__of_nothing_are_none() -> None:
    """Tables without rows, with the columns of the schema."""
    rolls = decide("volume", {"contract_sessions": contract_sessions({}, set())})
    assert [table.height for table in rolls] == [0, 0]
    assert rolls.rolls.columns == [column.name for column in ROLL_TABLES["rolls"]]


def test_decisions__refuse_what_is_no_session() -> None:
    """A Saturday, and a contract that is there twice."""
    saturday = SESSIONS[0].key - timedelta(days=2)
    with pytest.raises(CalendarError, match="2025-03-01 is no session"):
        decide("volume", {"contract_sessions": contract_sessions({saturday: {"MNQH5": 1}}, set())})
    once = contract_sessions({FIRST: {"MNQH5": 1}}, set())
    with pytest.raises(DataError, match="MNQH5 twice in the session 2025-03-03"):
        decide("volume", {"contract_sessions": pl.concat([once, once])})


@pytest.mark.parametrize("text", RULES)
def test_rule__is_named_by_its_text(text: str) -> None:
    """There and back."""
    assert str(roll_rule(text)) == text


@pytest.mark.parametrize("text", ["expiry", "expiry-0", "expiry-999", "volumes", "", "friday"])
def test_rule__refuses_others(text: str) -> None:
    """With the names that there are, or the range."""
    with pytest.raises(ConfigError, match=r"volume, volume-partial|in \[1, 250\]"):
        roll_rule(text)
    with pytest.raises(ConfigError, match="left out for the rule monday"):
        RollRule(name="monday", allow_partial=True)
