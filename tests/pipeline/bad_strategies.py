"""Strategies that misbehave, as the files that a user might write."""

from pathlib import Path

__all__ = ["BAD", "write_experiment", "write_strategy"]

LATER_NS = 1_736_809_200_000_000_000  # 2025-01-13 23:00 UTC: the next session opens

HEAD = '''
from typing import Annotated, NamedTuple

from strategy_lab_core.strategies.requests import buy_limit, buy_market, sell_limit
from strategy_lab_core.strategies.strategy import Bounds, Memory, View, strategy
from strategy_lab_core.types import Int2D


class Params(NamedTuple):
    """What it is told."""

    size: Annotated[int, Bounds(1, 5)] = 1


@strategy(Params)
def bad(memory: Memory, view: View, p: Params, requests: Int2D) -> None:
    """Misbehave."""
'''
# A loop that no compiler can shorten: the generator comes by every number before it is 0.
_LOOP = (
    "        memory.ints[0] = 1\n        while memory.ints[0] != 0:\n"
    "            memory.ints[0] = memory.ints[0] * 6364136223846793005 + 1442695040888963407\n"
)
BAD = {
    "raises": "    if view.now_ns > 0:\n        raise ValueError('no idea')\n",
    "nonsense": "    sell_limit(requests, -5, p.size)\n",
    "floods": "    for _ in range(50):\n        buy_limit(requests, view.bid - 9, p.size)\n",
    "endless": f"    if p.size > 0:\n{_LOOP}",
    "endless_at_3": f"    if p.size == 3:\n{_LOOP}",
    "endless_later": f"    if view.now_ns > {LATER_NS}:\n{_LOOP}",
    "good": "    if view.position == 0 and view.n_orders == 0 and view.is_open == 1:\n"
    "        buy_market(requests, p.size)\n",
}


def write_strategy(folder: Path, name: str) -> Path:
    """Write one of the strategies, and return its path."""
    path = folder / f"{name}.py"
    path.write_text(HEAD + BAD[name], encoding="utf-8")
    return path


def write_experiment(folder: Path, name: str, strategy: Path | str, extra: str = "") -> Path:
    """Write an experiment, and return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.yaml"
    text = f"name: {name}\nproduct: MNQ\nstrategy: {strategy}\ncapital: 10000\n"
    path.write_text(f"{text}allow_partial: true\n{extra}", encoding="utf-8")
    return path
