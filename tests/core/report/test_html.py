"""The page and the JSON say the same, hold everything, and reach for nothing outside."""

import json
import re
from html.parser import HTMLParser

import pytest

from strategy_lab_core.report.html import render_html, render_json, report_figures
from tests.core.report.samples import report, session, several


class Page(HTMLParser):
    """Collects the visible text and the addresses that a page refers to."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.text, self.addresses, self.specs = "", list[str](), list[str]()
        self._inside: tuple[str, str | None] | None = None
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note scripts, styles and every address."""
        names = dict(attrs)
        self.addresses += [names[name] or "" for name in ("src", "href") if name in names]
        if tag in ("script", "style"):
            self._inside = (tag, names.get("type"))

    def handle_endtag(self, tag: str) -> None:
        """Leave scripts and styles."""
        if self._inside and tag == self._inside[0]:
            self._inside = None

    def handle_data(self, data: str) -> None:
        """Keep text and chart specifications."""
        if self._inside is None:
            self.text += data
        elif self._inside[1] == "application/json":
            self.specs.append(data)


def test_page__has_every_section_and_figure() -> None:
    """Money, labels, assumptions, settings, rules and file hashes are all there."""
    data = report()
    text = Page(render_html(data)).text
    figures = report_figures(data)
    net = figures["summary"]["net_profit"]
    for expected in (
        f"{abs(net) / 1e6:,.2f}",
        "imbalance on MNQ",
        "2025-01-13 to 2025-01-15",
        "partial",
        "off_grid_price",
        "not applicable",
        "latency.order_ns",
        "ab" * 32,
        "344,865",
        *data.assumptions,
    ):
        assert expected in text


def test_page__shows_each_session_of_a_carried_run() -> None:
    """Its net profit and what was held over its close, below the run that they add up to."""
    parts = [
        {"session": "2025-01-12", "position": -2, "net_profit": -12_500_000},
        {"session": "2025-01-13", "position": 0, "net_profit": 4_000_000},
    ]
    carried, flat = report(sessions=[session(carried=parts)]), report(count=1)

    text = Page(render_html(carried)).text

    assert "of which 2025-01-12\N{MINUS SIGN}12.50-2 lots held over the close" in text
    assert "of which 2025-01-134.00flat at the close" in text
    assert "positions carried over their closes" in text
    assert "no carry between them" in Page(render_html(flat)).text
    assert json.loads(render_json(carried))["sessions"][0]["carried"] == parts


def test_page__shows_what_a_roll_cost() -> None:
    """Contracts, lots, both prices and the cost, in currency; nothing held is said so."""
    roll = {
        "session": "2025-01-13", "ts": 1_736_780_400_000_000_000, "from_symbol": "MNQH5",
        "to_symbol": "MNQM5", "position": -2, "from_price": 21_000_250_000_000,
        "to_price": 21_210_500_000_000, "cost": 4_120_000,
    }  # fmt: skip
    flat = {**roll, "position": 0, "from_price": None, "to_price": None, "cost": 0}

    killed = {**roll, "to_price": None, "cost": 2_000_000}

    text = Page(render_html(report(sessions=[session(rolls=[roll, flat, killed])]))).text

    assert "-2 lots left at 21,000.25, and not entered: the loss limit had ended the run" in text
    assert "MNQH5 to MNQM5: -2 lots left at 21,000.25 and entered at 21,210.5" in text
    assert "both spreads and the fees cost 4.12" in text
    assert "MNQH5 to MNQM5: nothing was held" in text


def test_page__shows_an_account_and_its_instruments() -> None:
    """Each instrument's part, a row of the account below its sessions, contracts of all trades."""
    data = several()
    page = Page(render_html(data))
    figures = json.loads(render_json(data))

    assert "What each adds to the account" in page.text
    for row in (*figures["instruments"], *figures["accounts"]):
        assert f"{abs(row['net_profit']) / 1e6:,.2f}" in page.text
    assert page.text.count("account" + "complete") == 2
    assert "The most margin in use at once was 3,740.000001." in page.text
    assert "2025-01-13MESH5" in page.text
    assert len(page.specs) == 2 + 2 * 4
    assert "What each adds" not in Page(render_html(report())).text


def test_page__works_offline() -> None:
    """No address leaves the page, the library is inside once, and the policy forbids the rest."""
    page = render_html(report())
    assert all(address.startswith("#") for address in Page(page).addresses)
    assert "default-src 'none'" in page
    assert page.count("window.vegaEmbed") == 1
    assert "@import" not in page


def test_page__escapes_what_it_is_given() -> None:
    """Names from files and experiments can't become markup, nor end a script."""
    evil = "</script><script>alert(1)</script><img src=x onerror=alert(1)>"
    files = [{"name": evil, "sha256": evil, "rows": 1}]
    data = report(
        count=1,
        experiment={"name": evil, "note": {evil: evil}},
        assumptions=[evil],
        provenance=[{"asset": evil, "inputs": evil, "files": files}],
    )
    page = render_html(data)
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    assert evil in Page(page).text


def test_page__charts_are_valid_json_even_with_markup_in_them() -> None:
    """Two charts of the run and two a session, each readable from its script element."""
    specs = Page(render_html(report())).specs
    assert len(specs) == 2 + 2 * 3
    for spec in specs:
        assert json.loads(spec)["width"] == "container"


@pytest.mark.parametrize("sessions", [1, 40])
def test_page__stays_small(sessions: int) -> None:
    """Under 3 MB, however many sessions; later sessions are listed, not drawn."""
    page = render_html(report(sessions))
    assert len(page.encode()) < 3_000_000
    if sessions > 12:
        assert f"The first 12 of {sessions} sessions are drawn." in page


def test_page__and_json_are_the_same_bytes_each_time() -> None:
    """Nothing depends on the clock."""
    assert render_html(report()) == render_html(report())
    assert render_json(report()) == render_json(report())


def test_json__has_all_trades_and_exact_integers() -> None:
    """Every round trip is in the JSON, the page shows 200 and says so."""
    data = report(3)
    figures = json.loads(render_json(data))
    trades = [trade for each in figures["sessions"] for trade in each["trades"]]
    assert len(trades) == figures["summary"]["round_trips"] == 180
    assert sum(trade["net"] for trade in trades) == figures["summary"]["net_profit"]
    many = report(sessions=[session(trades=900)])
    assert "The first 200 of 450" in Page(render_html(many)).text


def test_page__warns_of_what_is_not_whole() -> None:
    """A partial session, a position left open and figures that disagree stand at the top."""
    open_end = session(0, fills=session(0).fills.head(1))
    wrong = session(1, fills=session(1).fills.head(2))
    text = Page(render_html(report(sessions=[open_end, wrong]))).text
    assert "A position stays open at the end of 2025-01-13" in text
    assert "Equity and the round trips of 2025-01-14 differ" in text
    assert "Partial data." not in text


def test_page__of_a_session_without_a_fill_renders() -> None:
    """Nothing traded: zeros and empty tables."""
    one = session(0)
    quiet = session(
        0, fills=one.fills.clear(), equity=one.equity.head(1), prices=one.prices.clear(),
        quality={},
    )  # fmt: skip
    text = Page(render_html(report(sessions=[quiet]))).text
    assert "No round trip was completed." in text
    assert re.search(r"Net profit\s*0\.00", text)
