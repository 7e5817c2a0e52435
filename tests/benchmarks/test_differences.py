"""Explaining differences: each reason on a small tape, and what no rule explains."""

import pytest

from benchmarks.differences import Filled, Reason, explain
from tests.benchmarks.scenes import LATER_NS, SCENES, Scene

BY_REASON = {scene.reason: scene for scene in SCENES if not scene.by_price}


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name)
def test_explain__names_the_rule_that_differs(scene: Scene) -> None:
    """The last order of each scene is the one that the scene's reason is about."""
    reasons = explain(scene.tape(), scene.sent(), scene.ours, scene.peers)
    assert reasons[len(scene.orders) - 1] == scene.reason
    assert Reason.UNEXPLAINED not in reasons.values()


def test_scenes__leave_no_reason_without_one() -> None:
    """Every reason that can be given has its scene."""
    assert {*BY_REASON, Reason.UNEXPLAINED} == set(Reason)


def test_explain__says_so_where_no_rule_does() -> None:
    """A fill that nothing on the tape makes is unexplained, whoever claims it."""
    scene = BY_REASON[Reason.AHEAD_OF_BOOK]
    tape, sent = scene.tape(), scene.sent()
    wrong = {0: [Filled(LATER_NS, 104, 1, is_maker=True)]}
    assert explain(tape, sent, {}, wrong) == {0: Reason.UNEXPLAINED}
    assert explain(tape, sent, wrong, scene.ours) == {0: Reason.UNEXPLAINED}


def test_explain__does_not_believe_what_an_order_took() -> None:
    """Fills of ours at arrival are checked against the book, even where both engines agree."""
    scene = BY_REASON[Reason.USED_ONCE]
    both = {**scene.peers}
    assert explain(scene.tape(), scene.sent(), both, both)[1] == Reason.UNEXPLAINED
