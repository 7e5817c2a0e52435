"""Where orders stand while they wait: what the queue models say, and what the seen queue shows.

A model is told the sizes of the level and the trades at its price, as on a feed by price. Left out
is what the engine does besides: a level can leave the ten that are shown, and nothing moves in an
untrusted stretch.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from strategy_lab_core._jit import kernel
from strategy_lab_core.engine.config import QueueConfig
from strategy_lab_core.engine.queue import LOT, QueueModel, front_after_change
from strategy_lab_core.probes.queue_history import QueueHistory
from strategy_lab_core.stats.block_ratios import Blocks
from strategy_lab_core.types import Bool1D, Float1D, Float2D, Int1D, Int2D

__all__ = ["Waiting", "model_title", "place_errors"]


class Waiting(NamedTuple):
    """Orders that came to rest (shape of each: orders)."""

    side: Int1D  # letters
    price: Int1D  # 1e-9
    arrive_ns: Int1D
    queue_ahead: Int1D  # lots when they came
    end_ns: Int1D  # of the fill that the seen queue gave, or of the cancel
    is_filled: Bool1D


@kernel
def _follow(
    changes: Int2D,
    first: int,
    join_row: int,
    ahead: int,
    model: Int1D,
    exponent: Float1D,
    moments: Int1D,
    seen: Float1D,
    predicted: Float2D,
) -> None:
    """Write the lots ahead at each moment: `seen` (shape: moments), `predicted` (moments, models).

    `changes` are those of `QueueHistory`, from `first` on behind our arrival; what began with
    row `join_row` or before is ahead of us.
    """
    front, traded = np.full(len(model), ahead * LOT), 0
    place = first
    for i in range(len(moments)):
        while place < len(changes) and changes[place, 0] <= moments[i]:
            before, after = changes[place, 1], changes[place, 2]
            if changes[place, 3] > 0:
                traded += changes[place, 3]
                for m in range(len(model)):
                    front[m] = max(front[m] - changes[place, 3] * LOT, 0)
            elif before != after:
                for m in range(len(model)):
                    front[m] = front_after_change(
                        model[m], exponent[m], front[m], traded, before, after
                    )
                traded = 0
            if changes[place, 5] <= join_row:
                ahead -= changes[place, 4]
            place += 1
        seen[i] = ahead
        for m in range(len(model)):
            predicted[i, m] = front[m] / LOT


def place_errors(
    history: QueueHistory,
    orders: Waiting,
    ages_ns: Sequence[int],
    models: Sequence[QueueConfig],
    blocks: Blocks,
) -> list[dict[str, Any]]:
    """Return how far each model's lots ahead are off at each age, over the orders that still wait.

    Returns
    -------
    A row for each model and age, with age_s, orders (that wait unfilled then), ahead_lots (mean of
    what is seen), bias_lots (mean of predicted minus seen), error_lots (mean absolute difference)
    and against_first_lots (its difference from that of the first model), the last three with
    `_low` and `_high` before the unit. Orders over a new beginning of the book are left out from
    then on.
    """
    shape = (len(orders.price), len(ages_ns))
    seen, predicted = np.zeros(shape), np.zeros((*shape, len(models)))
    moments = orders.arrive_ns[:, None] + np.array(ages_ns, np.int64)
    code = np.array([QueueModel[each.model.upper()] for each in models], np.int64)
    exponent = np.array([each.exponent for each in models], np.float64)
    join_row = np.searchsorted(history.row_ns, orders.arrive_ns, side="right")
    for i in range(shape[0]):
        changes = history.changes(int(orders.side[i]), int(orders.price[i]))
        first = int(np.searchsorted(changes[:, 0], orders.arrive_ns[i], side="right"))
        _follow(
            changes, first, int(join_row[i]), int(orders.queue_ahead[i]), code, exponent,
            moments[i], seen[i], predicted[i],
        )  # fmt: skip
    end_ns, is_filled = orders.end_ns[:, None], orders.is_filled[:, None]
    waits = (end_ns > moments) | ((end_ns == moments) & ~is_filled)
    waits &= history.is_unbroken(orders.arrive_ns[:, None], moments)
    off = predicted - seen[:, :, None]
    return [
        _row(model, age_ns, off[:, a, m], off[:, a, 0], seen[:, a], waits[:, a], blocks)
        for m, model in enumerate(models)
        for a, age_ns in enumerate(ages_ns)
    ]


def model_title(model: QueueConfig) -> str:
    """Return the model's name, and its exponent where it has one."""
    has_exponent = model.model.startswith("power")
    return f"{model.model}, n = {model.exponent:g}" if has_exponent else model.model


def _row(
    model: QueueConfig,
    age_ns: int,
    off: Float1D,
    first_off: Float1D,
    seen: Float1D,
    waits: Bool1D,
    blocks: Blocks,
) -> dict[str, Any]:
    below = 1.0 * waits
    return {
        "model": model_title(model),
        "age_s": age_ns / 1e9,
        "orders": int(waits.sum()),
        "ahead_lots": float(seen[waits].mean()) if waits.any() else None,
        **blocks.ratio(off * below, below).named("bias", "_lots"),
        **blocks.ratio(np.abs(off) * below, below).named("error", "_lots"),
        **blocks.ratio((np.abs(off) - np.abs(first_off)) * below, below).named(
            "against_first", "_lots"
        ),
    }
