"""hftbacktest itself: its rules on the small tapes, and no difference of fills unexplained.

Runs in the environment of `make cross-check` only, which has hftbacktest and its older NumPy.
"""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from benchmarks.differences import Filled, Reason
from benchmarks.peer_events import EVENT, Kind, peer_events
from tests.benchmarks.scenes import ORDERS_NS, SCENES, Scene

if importlib.util.find_spec("hftbacktest") is None:
    pytest.skip("hftbacktest is not installed here: make cross-check", allow_module_level=True)

import hftbacktest

from benchmarks.crosscheck import CASES, compare
from benchmarks.markets import markets
from benchmarks.peer import REQUEST, Timing, replay_orders

pytestmark = pytest.mark.filterwarnings("ignore")  # the peer's own


def test_events__have_the_peers_format() -> None:
    """The layout and the codes are those of the installed version."""
    assert hftbacktest.types.event_dtype == EVENT
    names = ("TRADE_EVENT", "DEPTH_CLEAR_EVENT", "ADD_ORDER_EVENT", "CANCEL_ORDER_EVENT")
    codes = [getattr(hftbacktest.types, name) for name in names]
    assert codes == [Kind.TRADE, Kind.CLEAR, Kind.ADD, Kind.CANCEL]
    assert hftbacktest.types.MODIFY_ORDER_EVENT == Kind.MODIFY
    assert hftbacktest.types.FILL_EVENT == Kind.FILL


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name)
def test_peer__does_what_the_reason_says(scene: Scene) -> None:
    """Each difference that the page documents happens in the peer that is installed."""
    sent = [
        (order.arrive_ns, order.number, order.side, order.tick, order.lots)
        for order in scene.sent()
    ]
    events, _ = peer_events(scene.tape())
    fills = replay_orders(events, np.array(sent, REQUEST), Timing(ORDERS_NS, 1, 0, 0))
    found: dict[int, list[Filled]] = {}
    for order, now_ns, _, tick, lots, is_maker in fills.tolist():
        found.setdefault(order, []).append(Filled(now_ns, tick, lots, bool(is_maker)))
    assert found == scene.peers


@pytest.mark.slow
@pytest.mark.parametrize("number", range(7))
def test_fills__differ_by_documented_rules_only(number: int, real_data: Path) -> None:
    """On each tape every difference has a reason, whichever maker; most orders have none."""
    session = list(markets(50_000, real_data).values())[number]()
    events = peer_events(session)
    found = [compare(session, events, p) for p in CASES.values()]
    assert max(each.filled for each in found) > 100
    assert [each.reasons[Reason.UNEXPLAINED] for each in found] == [0, 0, 0]
    assert all(each.reasons[Reason.SAME] > each.orders / 2 for each in found)
