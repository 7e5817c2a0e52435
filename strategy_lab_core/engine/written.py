"""What the sets have written down and no kernel reads again, moved out of arrays that fill up.

So the arrays stay small however much is written, and one set that trades a lot takes no memory for
all the others.
"""

import numpy as np

from strategy_lab_core.engine.state import Sets
from strategy_lab_core.types import Int1D, Records

__all__ = ["Written"]

# The array of each kind of row, and the total that counts what is in it.
_PLACES = {"orders": ("log", "logged"), "fills": ("fills", "fills"), "samples": ("samples",) * 2}


class Written:
    """Rows of each set, in the order in which they were written.

    Parameters
    ----------
    n_sets
        Of the pass.
    """

    def __init__(self, n_sets: int) -> None:
        self._parts: dict[str, list[list[Records]]] = {
            kind: [[] for _ in range(n_sets)] for kind in _PLACES
        }

    def make_room(self, sets: Sets, room: int) -> None:
        """Empty each array in which some set has less than `room` rows left.

        A set that has little in it keeps that there: moving it would save nothing.
        """
        for kind, (array, counter) in _PLACES.items():
            rows, used = getattr(sets, array), sets.totals[counter]
            if rows.shape[1] and rows.shape[1] - int(used.max()) < room:
                for k in np.flatnonzero(used > rows.shape[1] // 4):
                    used[k] = self._move(kind, rows, int(k), int(used[k]))
        sets.totals["roomy_until"] = -1  # it was counted with what is gone

    def _move(self, kind: str, rows: Records, k: int, used: int) -> int:
        """Move the rows of a set, and return how many stay: the kernels look at the last sample."""
        stays = int(kind == "samples")
        self._parts[kind][k].append(rows[k, : used - stays].copy())
        rows[k, :stays] = rows[k, used - stays : used]
        return stays

    def rows(self, sets: Sets, kind: str, k: int) -> Records:
        """Return all "orders", "fills" or "samples" of a set (shape: rows)."""
        array, counter = _PLACES[kind]
        last = getattr(sets, array)[k, : int(sets.totals[counter][k])]
        return np.concatenate([*self._parts[kind][k], last])

    def count(self, sets: Sets, kind: str) -> Int1D:
        """Return how many rows each set has written (shape: sets)."""
        moved = [sum(map(len, parts)) for parts in self._parts[kind]]
        counted: Int1D = sets.totals[_PLACES[kind][1]] + np.array(moved, np.int64)
        return counted
